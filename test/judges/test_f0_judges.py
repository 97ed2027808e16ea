"""F0 extractors and their examination."""

import numpy as np
import pytest

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.judges.f0 import (
    EXTRACTORS,
    F0_CEIL_HZ,
    FPS,
    REACH_HZ,
    ceiling_of,
    compare,
    frame_times,
    qualify,
    sample_f0,
)
from espnet2_ext.score.music_score import MusicScore, Note

FS = 24000


def sung_glide() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A buzz that glides from 180 to 360 Hz, a pause, and a tone; with times and true F0."""
    times = np.arange(0, 2.0, 0.005)
    f0 = np.where(times < 1.2, 180 * 2 ** (times / 1.2), 250.0)
    f0[(times > 1.2) & (times < 1.5)] = 0
    at = np.arange(int(2.0 * FS)) / FS
    pitch = np.interp(at, times, np.where(f0 > 0, f0, 250))
    gain = np.interp(at, times, (f0 > 0).astype(float))
    phase = 2 * np.pi * np.cumsum(pitch) / FS
    wav = sum(np.sin(k * phase) / k for k in range(1, 25)) * gain * 0.1
    noise = np.random.default_rng(0).normal(size=len(wav)) * 1e-4
    return (wav + noise).astype(np.float32), times, f0


def test_frames_cover_the_audio():
    assert len(frame_times(FS, FS)) == FPS
    assert frame_times(FS, FS)[0] == pytest.approx(0.005)
    assert len(frame_times(FS + 1, FS)) == FPS + 1


def test_resampling_never_falls_between_a_note_and_silence():
    times, f0 = np.arange(4) * 0.1, np.array([100.0, 200, 0, 300])
    at = np.array([0.0, 0.05, 0.12, 0.19, 0.24, 0.29, 1.0])
    expected = [100, np.sqrt(100 * 200), 200, 0, 0, 300, 300]
    np.testing.assert_allclose(sample_f0(times, f0, at), expected, rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in EXTRACTORS if n != "pyin"])
def test_extractors_follow_a_glide(name):
    pytest.importorskip({"swift": "swift_f0"}.get(name, "pyworld"))
    wav, times, f0 = sung_glide()
    quality = qualify(name, [(wav, FS, times, f0)])
    assert quality.corr > 0.99 and quality.within_50_cents > 0.97 and quality.vuv_error < 0.05
    assert quality.qualifies


def test_the_examination_fails_an_octave_jumper_and_a_mute():
    truth = np.r_[np.linspace(100, 400, 80), np.zeros(20)]
    jumper = truth * np.where(np.arange(100) % 3, 1, 2)
    assert compare([(truth, truth)]).qualifies
    jumped = compare([(jumper, truth)])
    assert not jumped.qualifies and jumped.octave_errors == pytest.approx(27 / 80)
    mute = compare([(np.zeros(100), truth)])
    assert not mute.qualifies and mute.corr == 0 and mute.n_frames == 0


def one_note(midi: int) -> MusicScore:
    return MusicScore((Note(0, 1, midi, "a", ("a",)),))


def test_the_ceiling_rises_with_the_score_alone():
    assert ceiling_of(one_note(60)) == ceiling_of(one_note(80)) == F0_CEIL_HZ
    assert midi_to_hz(89) < ceiling_of(one_note(89)) < midi_to_hz(94)
    assert ceiling_of(one_note(120)) == REACH_HZ


@pytest.mark.parametrize("name", list(EXTRACTORS))
@pytest.mark.parametrize("midi", [84, 89])  # C6, and F6 of the Queen of the Night
def test_notes_of_a_soprano_are_heard(name, midi):
    pytest.importorskip({"swift": "swift_f0", "pyin": "librosa"}.get(name, "pyworld"))
    t = np.arange(FS) / FS
    pitch = midi_to_hz(midi + 0.5 * np.sin(2 * np.pi * 6 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / FS
    noise = np.random.default_rng(0).normal(size=FS) * 1e-4
    wav = (0.1 * sum(np.sin(k * phase) / k for k in range(1, 7)) + noise).astype(np.float32)
    truth = np.interp(frame_times(FS, FS), t, pitch)
    quality = compare([(EXTRACTORS[name](wav, FS, ceiling_of(one_note(midi))), truth)])
    assert quality.within_50_cents > 0.95 and quality.vuv_error < 0.1
    if midi == 89:  # what a ceiling for everybody would have heard
        assert compare([(EXTRACTORS[name](wav, FS), truth)]).within_50_cents < 0.5
