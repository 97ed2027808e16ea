"""F0 extraction on signals whose F0 is known."""

from pathlib import Path

import numpy as np
import pytest

from espnet2_ext.audio.f0 import choose_octaves, extract_f0, fill_short_gaps, fold_to_notes
from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.audio.wav import read_wav
from espnet2_ext.files import read_json, read_table
from espnet2_ext.score.formats.espnet_format import parse_label, parse_score_json

FS, HOP = 24000, 240


def sing(f0: np.ndarray) -> np.ndarray:
    """A buzz (harmonics falling by 1/k) at F0 (T,) Hz, silent where F0 is 0."""
    n = np.arange(len(f0) * HOP)
    hz = np.interp(n / HOP - 0.5, np.arange(len(f0)), f0)
    phase = 2 * np.pi * np.cumsum(hz) / FS
    wav = sum(np.cos(k * phase) / k for k in range(1, 16))
    loud = np.interp(n / HOP - 0.5, np.arange(len(f0)), (f0 > 0).astype(float))
    return (0.05 * wav * loud + 1e-4 * np.random.default_rng(0).standard_normal(len(n))).astype(
        np.float32
    )


def cents(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.abs(1200 * np.log2(found / true))


@pytest.mark.parametrize("guide", [None, "range", "frames"])
def test_vibrato_melody(guide: str | None) -> None:
    notes = np.repeat([60.0, 64.0, 67.0, 62.0], 60)
    t = np.arange(len(notes)) / 100
    true = midi_to_hz(notes + 0.3 * np.sin(2 * np.pi * 5.5 * t))
    given = {None: None, "range": (60.0, 67.0), "frames": notes}[guide]
    found = extract_f0(sing(true), FS, HOP, given)
    assert found.dtype == np.float32 and found.shape == notes.shape
    steady = np.abs(np.diff(notes, prepend=60)) == 0
    voiced = found > 0
    assert voiced.mean() > 0.97
    assert np.median(cents(found[voiced & steady], true[voiced & steady])) < 5


def test_silence_is_unvoiced_and_length_is_exact() -> None:
    assert (extract_f0(np.zeros(HOP * 20 + 7, np.float32), FS, HOP) == 0).all()
    assert extract_f0(np.zeros(HOP * 20 + 7, np.float32), FS, HOP).shape == (20,)
    assert extract_f0(np.zeros(HOP - 1, np.float32), FS, HOP).shape == (0,)


def test_octave_errors_fold_and_voicing_stays() -> None:
    notes = np.full(40, 60.0)
    notes[30:] = 0
    true = float(midi_to_hz(60))
    f0 = np.full(40, true)
    f0[5], f0[6], f0[7], f0[8] = true * 2, true / 2, true * 1.5, 0
    f0[39] = 900.0  # far from any note: nothing to judge it by
    folded = fold_to_notes(f0, notes, reach_frames=3)
    np.testing.assert_allclose(folded[[5, 6]], true)
    np.testing.assert_array_equal(np.delete(folded, [5, 6]), np.delete(f0, [5, 6]))


MELODY = np.repeat([60.0, 64.0, 67.0, 62.0], 60)


@pytest.mark.parametrize("semitones", [-12.0, -7.0, -4.5, 4.5, 7.0, 12.0])
def test_singing_off_the_notes_is_heard_as_it_is(semitones: float) -> None:
    true = midi_to_hz(MELODY + semitones)
    found = extract_f0(sing(true), FS, HOP, MELODY)
    assert (found > 0).mean() > 0.97
    assert np.mean(cents(found[found > 0], true[found > 0]) < 50) > 0.97


def test_the_score_voices_nothing() -> None:
    """Noise in rests and in place of consonants is unvoiced where it is without the score."""
    rng = np.random.default_rng(0)
    notes = np.repeat([0.0, 60.0, 64.0, 0.0, 67.0], 50)
    true = np.where(notes > 0, midi_to_hz(notes), 0.0)
    true[100:115] = 0.0  # the note begins with a consonant
    wav = sing(true)
    hum = np.convolve(rng.standard_normal(len(wav)), np.hanning(80) / 40, mode="same")
    wav += (0.02 * hum * np.repeat(true == 0, HOP)).astype(np.float32)
    free, guided = extract_f0(wav, FS, HOP), extract_f0(wav, FS, HOP, notes)
    np.testing.assert_array_equal(guided > 0, free > 0)


@pytest.mark.parametrize(("factor", "n_frames"), [(2.0, 40), (0.5, 40), (2.0, 3), (0.5, 3)])
def test_an_octave_error_of_the_extractor_is_the_scores_to_mend(factor, n_frames) -> None:
    f0 = midi_to_hz(MELODY)
    wrong = f0.copy()
    wrong[70 : 70 + n_frames] *= factor
    wav = sing(f0)
    folded = fold_to_notes(wrong, MELODY, reach_frames=12)
    np.testing.assert_allclose(folded, f0)
    np.testing.assert_array_equal(choose_octaves(wav, FS, HOP, wrong, folded), folded)


@pytest.mark.parametrize("octaves", [-1, 1])
def test_an_octave_that_is_sung_is_not_relabelled(octaves: int) -> None:
    sung = midi_to_hz(MELODY + 12.0 * octaves)
    folded = fold_to_notes(sung, MELODY, reach_frames=12)
    np.testing.assert_allclose(folded, midi_to_hz(MELODY))
    np.testing.assert_array_equal(choose_octaves(sing(sung), FS, HOP, sung, folded), sung)


def real_f0(folder: Path, notes_off: float) -> tuple[np.ndarray, np.ndarray]:
    """F0 of a real song, found freely and by its notes moved by some semitones."""
    label = read_table(folder / "labelled/nit/label")["nit_004"]
    loaded = read_json(folder / "labelled/nit/score/nit_004.json")
    score = parse_score_json(loaded, "nit_004", parse_label(label, "nit_004"), "ja")
    wav, fs = read_wav(folder / "nit_song070/nitech_jp_song070_f001_004.wav")
    hop = fs // 100
    times = (np.arange(len(wav) // hop) + 0.5) / 100
    notes = np.zeros(len(times))
    for note in score.notes:
        notes[(times >= note.start_sec) & (times < note.end_sec)] = note.midi
    notes[notes > 0] += notes_off
    return extract_f0(wav, fs, hop), extract_f0(wav, fs, hop, notes)


@pytest.mark.parametrize("notes_off", [0.0, 4.5, 12.0, -12.0])
def test_real_singing_is_heard_as_it_is_by_any_notes(real_singing: Path, notes_off: float) -> None:
    free, guided = real_f0(real_singing, notes_off)
    np.testing.assert_array_equal(guided > 0, free > 0)
    voiced = free > 0
    assert np.mean(cents(guided[voiced], free[voiced]) < 50) > 0.98


def test_only_short_gaps_are_filled() -> None:
    f0 = np.array([0, 100, 0, 0, 100, 0, 0, 0, 200, 0.0])
    np.testing.assert_allclose(fill_short_gaps(f0, 2), [0, 100, 100, 100, 100, 0, 0, 0, 200, 0])


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="vector"):
        extract_f0(np.zeros((2, 4800), np.float32), FS, HOP)
    with pytest.raises(ValueError, match="one per frame"):
        extract_f0(np.zeros(4800, np.float32), FS, HOP, np.zeros(3))
