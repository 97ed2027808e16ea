"""The melody judge: what it hears in a mixture, and how it is taught, kept and asked."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.bin import fit as fit_cli
from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.measures import MEASURES
from espnet2_ext.evaluation.rendition import FeatureCache, Judges, Rendition, Task
from espnet2_ext.files import write_table
from espnet2_ext.judges.f0 import FPS, frame_times
from espnet2_ext.judges.fitting_melody import (
    MelodyFitConfig,
    Song,
    digest_stems,
    fit_melody,
    has_stems,
    melody_quality,
    targets_of,
    transpose,
)
from espnet2_ext.judges.melody import (
    BINS_PER_OCTAVE,
    LOWEST_HZ,
    MELODY_FPS,
    N_PITCHES,
    UNVOICED,
    MelodyConfig,
    MelodyJudge,
    MelodyNetwork,
    log_frequency,
    read_pitch,
)
from espnet2_ext.score.formats.espnet_format import Entry, write_data_dir
from espnet2_ext.score.music_score import MusicScore, Note, Phone

FS = 16000
SMALL = MelodyConfig(channels=8, hidden=32, n_blocks=1, kernel=3, dropout=0.0)
SCORE = MusicScore(
    (Note(0.0, 1.0, 57, "a", ("a",)), Note(1.0, 2.0, 60, "i", ("i",))),
    (Phone(0.0, 1.0, "a", 0), Phone(1.0, 2.0, "i", 1)),
)


def make_song(seed: int) -> Song:
    """A gliding tone of many harmonics, silent for a while, over the chords of plain sines."""
    rng = np.random.default_rng(seed)
    time = np.arange(2 * FS) / FS
    glide = rng.uniform(-0.3, 0.3) * time + 0.05 * np.sin(2 * np.pi * 5 * time)
    hz = rng.uniform(150, 400) * 2**glide
    sung = np.abs(time - rng.uniform(0.4, 1.6)) > 0.2
    phase = 2 * np.pi * np.cumsum(hz) / FS
    vocal = 0.1 * sung * sum(np.sin(h * phase) / h for h in range(1, 9))
    chord = [rng.uniform(100, 300) * ratio for ratio in (1, 1.25, 1.5)]
    under = 0.05 * sum(np.sin(2 * np.pi * f * time) for f in chord)
    under = under + 1e-4 * rng.standard_normal(len(time))
    at = (frame_times(len(time), FS) * FS).astype(int)
    return Song(vocal.astype(np.float16), under.astype(np.float16), FS, (hz * sung)[at])


@pytest.fixture(scope="module")
def judge() -> MelodyJudge:
    config = MelodyFitConfig(steps=60, batch_size=4, crop_sec=1.0, lr=1e-2, seed=0)
    return fit_melody([make_song(seed) for seed in range(12)], config, SMALL)


def test_a_short_fit_follows_the_tone_over_chords(judge):
    quality = melody_quality(judge, [make_song(seed) for seed in range(20, 24)])
    assert quality.raw_pitch_acc > 0.8
    assert quality.f0_corr > 0.9
    assert quality.vuv_error < 0.15
    assert quality.n_songs == 4


def test_it_comes_back_from_the_disk_strictly(judge, tmp_path):
    song = make_song(30)
    judge.save(tmp_path)
    again = MelodyJudge.load(tmp_path)
    assert np.array_equal(again(song.mixture, FS), judge(song.mixture, FS))
    other = dataclasses.replace(SMALL, hidden=16)
    MelodyJudge(other, MelodyNetwork(other)).save(tmp_path / "other")
    (tmp_path / "other/melody_judge.yaml").replace(tmp_path / "melody_judge.yaml")
    with pytest.raises(UserError):
        MelodyJudge.load(tmp_path)
    (tmp_path / "melody_judge.safetensors").unlink()
    with pytest.raises(UserError):
        MelodyJudge.load(tmp_path)


@pytest.mark.parametrize("fs", [16000, 22050, 24000, 44100])
def test_frames_are_the_same_at_every_rate_and_level(fs):
    time = np.arange(fs) / fs
    tone = np.sin(2 * np.pi * 440 * time)
    frames = log_frequency(tone, fs)
    assert frames.shape[0] == MELODY_FPS
    expected = round(BINS_PER_OCTAVE * np.log2(440 / (LOWEST_HZ / 2)))
    assert (frames[2:-2].argmax(-1) - expected).abs().max() <= 3  # the top of a lobe is flat
    assert torch.allclose(frames, log_frequency(0.1 * tone, fs), atol=0.05)


def test_a_rate_without_the_harmonics_is_refused():
    with pytest.raises(ValueError, match="14000 Hz"):
        log_frequency(np.zeros(8000), 8000)


@pytest.mark.parametrize("n_samples", [1, 100, 3201, 5000])
def test_any_length_gives_its_frames(n_samples):
    judge = MelodyJudge(SMALL, MelodyNetwork(SMALL))
    wav = np.random.default_rng(0).standard_normal(n_samples)
    assert len(judge(wav, FS)) == len(frame_times(n_samples, FS))


def test_targets_are_read_back_as_their_pitch():
    f0 = np.array([0.0, 61.0, 220.0, 333.3, 1300.0])
    read = read_pitch(targets_of(f0).clamp_min(1e-9).log(), 2000.0).numpy()
    assert read[0] == 0
    assert np.abs(1200 * np.log2(read[1:] / f0[1:])).max() < 10
    assert targets_of(f0).sum(-1).allclose(torch.ones(5))


def test_a_louder_note_of_the_band_for_two_frames_draws_no_pitch_away():
    f0 = np.full(20, 220.0)
    shares = targets_of(f0).clamp_min(1e-9)
    shares[8:10] = 0.3 * shares[8:10] + 0.7 * targets_of(np.full(2, 330.0))
    read = read_pitch(shares.log(), 2000.0).numpy()
    assert np.abs(1200 * np.log2(read / f0)).max() < 10
    jumps = np.repeat([220.0, 330.0], 10)  # a voice that stays there has jumped
    read = read_pitch(targets_of(jumps).clamp_min(1e-9).log(), 2000.0).numpy()
    assert np.abs(1200 * np.log2(read / jumps)).max() < 10


def test_pitches_above_the_ceiling_are_not_heard():
    logits = targets_of(np.array([300.0, 900.0])).clamp_min(1e-9).log()
    assert (read_pitch(logits, 600.0) > 0).tolist() == [True, False]


def test_what_is_transposed_out_of_reach_is_unvoiced():
    f0 = np.array([1390.0, 240.0])
    up = targets_of(f0, 30)
    assert up[0].argmax() == UNVOICED == N_PITCHES
    assert up[1].argmax() == 120 + 30
    frames = torch.arange(472.0)[None]
    assert transpose(frames, 2)[0, :5].tolist() == [0, 0, 0, 1, 2]
    assert transpose(frames, -2)[0, -3:].tolist() == [471, 471, 471]


def test_gradients_reach_every_parameter():
    network = MelodyNetwork(SMALL)
    network(torch.randn(2, 10, 472)).logsumexp(-1).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def rendition(kind: str, heard) -> Rendition:
    attributes = {"kind": kind} if kind else {}
    task = Task("u", "hyp", "ref", SCORE, "s", False, attributes)
    made = Rendition(task, Judges(heard, None, None, None, {}, "", melody=heard), FeatureCache("-"))
    made.__dict__ |= {"hyp": np.zeros(2 * FS), "_recording": (np.zeros(2 * FS), FS)}
    return made


def test_the_measure_is_of_songs_alone_and_counts_what_is_not_heard():
    def heard(wav, fs, ceiling=0.0):
        f0 = np.full(2 * FPS, 220.0)
        f0[FPS:] = 261.6
        f0[FPS // 2 : FPS] = 0  # half of the first note is not heard
        f0[-FPS // 4 :] *= 2 ** (1 / 12)  # the end is a semitone off
        return f0

    measure = next(m for m in MEASURES if m.name == "melody")
    assert measure.applies(rendition("song", heard))
    assert not measure.applies(rendition("speech", heard))
    assert not measure.applies(rendition("", heard))
    assert not measure.applies(rendition("song", None))
    values = measure.compute(rendition("song", heard))
    assert values["n_melody"] == 2 * FPS
    assert values["melody_acc"] == pytest.approx(1 - 0.25 - 0.125)
    assert 0.8 < values["melody_corr"] < 1


def make_set(folder: Path, utts: tuple[str, ...], stems: bool) -> None:
    entries, paths = [], {"vocal": {}, "accompaniment": {}}
    for seed, utt in enumerate(utts):
        song = make_song(seed)
        parts = {"wav": song.mixture, "vocal": song.vocal, "accompaniment": song.accompaniment}
        for name, wav in parts.items():
            write_wav(folder / name / f"{utt}.wav", wav.astype(np.float32), FS)
            paths.setdefault(name, {})[utt] = str(folder / name / f"{utt}.wav")
        entries.append(Entry(utt, paths["wav"][utt], utt[0], SCORE))
    write_data_dir(folder, entries)
    if stems:
        for name in ("vocal", "accompaniment"):
            write_table(folder / f"{name}.scp", paths[name])


def fit(root: Path) -> tuple[dict, dict]:
    """What `fit judges` keeps: keys of the parts, and what they are worth."""
    with pytest.raises(SystemExit) as status:
        fit_cli.main(["judges", "--data_dir", str(root / "train"), "--dev_dir", str(root / "dev"),
                      "--out_dir", str(root / "judges"),
                      "--config", str(root / "scoring.yaml")])  # fmt: skip
    assert status.value.code == 0
    return tuple(json.loads((root / f"judges/{n}.json").read_text()) for n in ("fitted", "judges"))


def test_fit_judges_fits_it_where_there_are_stems(tmp_path, caplog):
    (tmp_path / "scoring.yaml").write_text(
        "f0_extractor: dio\ncentroid_utts: 2\ndev_utts: 1\n"
        "fit_recognizer: {steps: 1, batch_sec: 5}\nfit_embedder: {steps: 1, batch_size: 4}\n"
        "fit_melody: {steps: 1, batch_size: 2, crop_sec: 1.0}\n"
    )
    pytest.importorskip("pyworld")
    make_set(tmp_path / "train", ("a1", "b1"), stems=True)
    make_set(tmp_path / "dev", ("a2", "b2"), stems=True)
    assert has_stems(tmp_path / "train")
    keys, quality = fit(tmp_path)
    assert set(quality["melody"]) == {"raw_pitch_acc", "f0_corr", "vuv_error", "n_songs"}
    assert quality["melody"]["n_songs"] == 1
    assert "melody is heard rightly" in caplog.text
    assert fit(tmp_path)[0] == keys
    before = digest_stems(tmp_path / "train")
    write_wav(tmp_path / "train/vocal/a1.wav", np.zeros(FS), FS)
    assert digest_stems(tmp_path / "train") != before
    (tmp_path / "train/vocal.scp").unlink()
    without, quality = fit(tmp_path)
    assert without["recognizer"] == keys["recognizer"] and "melody" not in quality
