"""Scoring from files to a row, with judges that know the answers."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soxr

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.audio.wav import write_wav
from espnet2_ext.bin.score import COLUMNS, not_measured, read_hypotheses, read_rows
from espnet2_ext.errors import UserError
from espnet2_ext.evaluation import scoring
from espnet2_ext.evaluation.measures import MEASURES, Measure
from espnet2_ext.evaluation.metric import LOWER, mean
from espnet2_ext.evaluation.rendered import NO_WAVS
from espnet2_ext.evaluation.rendition import FeatureCache, Judges, Rendition, Task
from espnet2_ext.evaluation.scoring import (
    ScoringConfig,
    score_all,
    score_utterance,
    world_subset,
)
from espnet2_ext.evaluation.table import summarize
from espnet2_ext.metrics.mos import MosPredictor
from espnet2_ext.metrics.similarity import SingerCentroids
from espnet2_ext.metrics.speaker import SpeakerModel
from espnet2_ext.score.music_score import MusicScore, Note, Phone

FS = 24000
SCORE = MusicScore(
    (Note(0, 0.5, 60, "la", ("l", "a")), Note(0.5, 1.0, 64, "o", ("o",))),
    (Phone(0, 0.1, "l", 0), Phone(0.1, 0.5, "a", 0), Phone(0.5, 1.0, "o", 1)),
)


def tone(cents: float = 0.0, seed: int = 0) -> np.ndarray:
    f0 = np.repeat(midi_to_hz(np.array([60, 64])), FS // 2) * 2 ** (cents / 1200)
    phase = 2 * np.pi * np.cumsum(f0) / FS
    noise = np.random.default_rng(seed).normal(size=FS) * 1e-3
    return 0.1 * sum(np.sin(k * phase) / k for k in range(1, 12)) + noise


class Fixed:
    """Hears what it is told to."""

    def __init__(self) -> None:
        self.heard, self.voice, self.calls = ["l", "a", "o"], np.array([1.0, 0.0]), 0

    def recognize(self, wav, fs):
        self.calls += 1
        return self.heard

    def embed(self, wav, fs):
        return self.voice


def spectral_f0(wav, fs, ceiling_hz=1100.0):
    """Strongest harmonic of each 10 ms."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wav, 1024), 2048)[240 // 2 :: 240]
    spectrum = np.abs(np.fft.rfft(frames[: len(wav) // 240] * np.hanning(2048), 1 << 15))
    return spectrum[:, : int(500 * (1 << 15) / fs)].argmax(1) * fs / (1 << 15)


@pytest.fixture
def judges():
    fixed = Fixed()
    centroids = SingerCentroids(
        {"u": np.array([1.0, 0]), "x1": np.array([0.9, 0.1]), "y1": np.array([0, 1.0])},
        {"u": "x", "x1": "x", "y1": "y"},
    )
    return Judges(spectral_f0, fixed, fixed, centroids, {}, "fixed")


def task(tmp_path, hyp: np.ndarray, world: bool = False) -> Task:
    write_wav(tmp_path / "ref.wav", tone(), FS)
    write_wav(tmp_path / "hyp.wav", hyp, FS)
    return Task("u", str(tmp_path / "hyp.wav"), str(tmp_path / "ref.wav"), SCORE, "x", world)


def test_the_reference_itself_is_perfect(tmp_path, judges):
    pytest.importorskip("pyworld")
    cache = FeatureCache(tmp_path / "cache")
    result = score_utterance(Rendition(task(tmp_path, tone(), world=True), judges, cache))
    assert result["note_acc"] == 1 and result["semitone_acc"] > 0.95
    assert (result["per"], result["mcd_db"], result["f0_rmse_hz"], result["cents_rmse"]) == (
        (0, 0, 0, 0)
    )
    assert result["singer_acc"] == 1 and result["singer_sim"] > 0.99
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 1
    json.dumps(result, allow_nan=False)


def test_wrong_notes_words_and_voice_are_seen(tmp_path, judges):
    judges.recognizer.heard = ["b", "a"]
    judges.embedder.voice = np.array([0.0, 1.0])
    result = score_utterance(Rendition(task(tmp_path, tone(150)), judges, FeatureCache(tmp_path)))
    assert result["note_acc"] == 0 and result["cents_rmse"] == pytest.approx(150, abs=5)
    assert result["per"] == pytest.approx(2 / 3)
    assert result["singer_acc"] == 0 and result["singer_nearest"] == "y"
    assert "mcd_db" not in result


def test_scoring_again_scores_only_what_changed(tmp_path, judges):
    out, cache = tmp_path / "utts", tmp_path / "cache"
    first = score_all([task(tmp_path, tone())], judges, out, cache)
    assert score_all([task(tmp_path, tone())], judges, out, cache) == first
    assert judges.recognizer.calls == 1
    changed = score_all([task(tmp_path, tone(seed=1))], judges, out, cache)
    assert judges.recognizer.calls == 2 and changed[0]["key"] != first[0]["key"]
    (out / "u.json").write_text('{"key": ')
    (out / "gone.json").write_text("{}")
    assert score_all([task(tmp_path, tone(seed=1))], judges, out, cache) == changed
    assert not (out / "gone.json").exists()


def test_a_measure_that_is_new_or_changed_is_measured_at_the_next_run(
    tmp_path, judges, monkeypatch
):
    out = tmp_path / "utts"
    score_all([task(tmp_path, tone())], judges, out, tmp_path)

    def with_loudness(version, gain):
        loud = mean("loud", "Loudness", "loud", LOWER)
        compute = lambda r: {"loud": gain * float(np.abs(r.hyp).max())}  # noqa: E731
        added = Measure("loudness", compute, (loud,), extra=True, version=version)
        monkeypatch.setattr(scoring, "MEASURES", (*MEASURES, added))
        return score_all([task(tmp_path, tone())], judges, out, tmp_path)[0]["loud"]

    first = with_loudness(1, 1.0)
    assert first > 0 and with_loudness(1, 2.0) == first and judges.recognizer.calls == 2
    assert with_loudness(2, 2.0) == 2 * first


def test_names_of_measures_and_metrics_stand_once():
    metrics = [metric.name for measure in MEASURES for metric in measure.metrics]
    for names in (metrics, [measure.name for measure in MEASURES]):
        assert len(set(names)) == len(names)


def test_the_subset_is_the_same_for_every_system():
    utts = [f"u{k}" for k in range(50)]
    assert world_subset(utts, 5, 0) == world_subset(reversed(utts), 5, 0)
    assert len(world_subset(utts, 5, 0)) == 5 and world_subset(utts, None, 0) == set(utts)
    assert world_subset(utts, 0, 0) == set()


def test_the_shipped_configuration_is_complete():
    config = ScoringConfig.load("conf/scoring.yaml")
    assert config.world_limit("test") > config.world_limit("test_words") > 0
    with pytest.raises(UserError, match="unknown key"):
        ScoringConfig.load(_write("worldutts: 3"))
    with pytest.raises(UserError, match="f0_extractor"):
        ScoringConfig.load(_write("f0_extractor: crepe"))


def _write(text: str) -> str:
    import tempfile
    from pathlib import Path

    path = Path(tempfile.mkdtemp()) / "scoring.yaml"
    path.write_text(text)
    return str(path)


def test_wavs_must_belong_to_the_split(tmp_path):
    write_wav(tmp_path / "stranger.wav", tone(), FS)
    with pytest.raises(UserError, match="stranger"):
        read_hypotheses(tmp_path, {"u": "u.wav"}, tmp_path)
    expected = {"stranger": str(tmp_path / "stranger.wav")}
    assert read_hypotheses(tmp_path, {"stranger": "x"}, tmp_path) == expected


def test_a_table_of_systems(tmp_path):
    table = tmp_path / "table.tsv"
    head = "\t".join(COLUMNS)
    table.write_text(f"{head}\nlm+flow2+voc\ttest\tr\tw.scp\tlabel\tmel\n")
    (row,) = read_rows(str(table), "exp/scores")
    assert (row.system, str(row.out_dir)) == ("lm+flow2+voc", "exp/scores/lm+flow2+voc/test")
    for text, found in (("x", "table.tsv:1"), (f"{head}\na\tb", "table.tsv:2"),
                        (f"{head}\na\tb\tc\td\tguess\t", "timing")):  # fmt: skip
        table.write_text(text)
        with pytest.raises(UserError, match=found):
            read_rows(str(table), "exp/scores")


@pytest.mark.slow
def test_columns_that_have_to_be_asked_for(tmp_path, judges):
    pytest.importorskip("pyworld")
    plain = score_all([task(tmp_path, tone(30), world=True)], judges, tmp_path / "u", tmp_path)
    assert not any(name.startswith("espnet") or name == "spk_sim" for name in plain[0])
    loudness = SpeakerModel(lambda wav: np.array([1.0, np.std(wav)]), name="loudness")
    judges.speakers = {"spk_sim": loudness}
    (more,) = score_all([task(tmp_path, tone(30), world=True)], judges, tmp_path / "u", tmp_path,
                        espnet_svs=True)  # fmt: skip
    assert more["espnet_log_f0_rmse"] == pytest.approx(np.log(2) * 30 / 1200, abs=3e-3)
    assert more["espnet_vuv_error"] < 0.1 and more["espnet_mcd_db"] > 0
    assert more["spk_sim"] == pytest.approx(1, abs=1e-3)
    row = summarize("s", "test", [more])
    assert {"espnet_mcd_db", "espnet_semitone_acc", "spk_sim"} <= row["metrics"].keys()


def test_the_log_spectral_distance_is_measured_where_it_is_asked_for(tmp_path, judges):
    louder = task(tmp_path, tone())
    write_wav(tmp_path / "ref.wav", 0.5 * tone(), FS)
    (plain,) = score_all([louder], judges, tmp_path / "u", tmp_path)
    assert "lsd_db" not in plain
    (more,) = score_all([louder], judges, tmp_path / "u", tmp_path, lsd=True)
    assert 0 < more["lsd_db"] <= 20 * np.log10(2) + 0.5
    assert "lsd_db" in summarize("s", "test", [more])["metrics"]


def with_consonant(low_fs: int = FS) -> np.ndarray:
    """The tones behind a fricative, whose band ends at half of a rate."""
    noise = 0.05 * np.random.default_rng(1).standard_normal(FS // 4)
    wav = np.concatenate([noise, tone()[FS // 4 :]])
    return soxr.resample(soxr.resample(wav, FS, low_fs), low_fs, FS) if low_fs != FS else wav


@pytest.mark.parametrize(
    ("hyp_fs", "ref_fs", "said"),
    [
        (FS, FS, ""), (16000, 16000, ""), (48000, FS, ""), (22050, 22050, ""),
        (16000, FS, "u: 7.8 kHz, recording 11.3 kHz"),
        (FS, 16000, "u: 11.3 kHz, recording 7.8 kHz"),
        (FS, 22050, "u: 11.3 kHz, recording 10.8 kHz"),
    ],
)  # fmt: skip
def test_a_bandwidth_that_differs_is_warned_about(tmp_path, judges, caplog, hyp_fs, ref_fs, said):
    compared = task(tmp_path, with_consonant(hyp_fs))
    write_wav(tmp_path / "ref.wav", with_consonant(ref_fs), FS)
    score_all([compared], judges, tmp_path / "out", tmp_path)
    assert ("reach up to another frequency" in caplog.text) == bool(said) and said in caplog.text
    caplog.clear()
    score_all([compared], judges, tmp_path / "out", tmp_path)
    assert not caplog.text  # nothing is scored again


@pytest.mark.parametrize("fs", [8000, FS])
@pytest.mark.parametrize("asked", [True, False])
def test_models_of_speech_warn_of_a_telephones_band(tmp_path, judges, caplog, fs, asked):
    """At a low rate, and in a file of a high one (versa issue 83)."""
    wav = soxr.resample(with_consonant(), FS, 8000)
    for name in ("hyp", "ref"):
        write_wav(tmp_path / f"{name}.wav", soxr.resample(wav, 8000, fs), fs)
    if asked:
        judges.speakers = {"spk_sim": SpeakerModel(lambda wav: np.ones(2), name="fixed")}
    files = (str(tmp_path / "hyp.wav"), str(tmp_path / "ref.wav"))
    score_all([Task("u", *files, SCORE, "x", False)], judges, tmp_path / "out", tmp_path)
    assert ("mislead" in caplog.text) == asked


def test_silence_after_a_phrase_does_not_change_its_mos(tmp_path, judges):
    """Predictors average over frames: five seconds of silence lowered them (SoulX-Singer#19)."""
    judges.mos = {"singmos": MosPredictor(lambda wav: 20 * float(np.abs(wav).mean()))}
    cache, scores = FeatureCache(tmp_path), []
    for silence_sec in (0, 5):
        compared = task(tmp_path, np.pad(tone(), (0, silence_sec * FS)))
        scores.append(score_utterance(Rendition(compared, judges, cache))["singmos"])
    assert scores[0] > 0.5 and scores[1] == pytest.approx(scores[0], abs=0.05)


def test_the_written_note_is_measured_by_its_f0_alone(tmp_path, judges, caplog):
    pytest.importorskip("pyworld")
    sung = task(tmp_path, tone(), world=True)
    judges.mos = {"singmos": MosPredictor(lambda wav: 5.0)}
    (written,) = score_all([replace(sung, hyp=None)], judges, tmp_path / "out", tmp_path / "cache")
    assert judges.recognizer.calls == 0
    of_f0 = {m.name for measure in MEASURES if measure.of_f0 for m in measure.metrics}
    names = {metric.name for measure in MEASURES for metric in measure.metrics}
    assert names & written.keys() == of_f0
    assert written["note_acc"] == 1 and written["cents_rmse"] < 25 and written["f0_corr"] > 0.95
    row = summarize("score_f0", "test", [written], {"not_measured": not_measured(judges, False)})
    assert row["n_utt_world"] == 1 and row["metrics"]["per"] is None
    assert {"per", "mcd_db", "singer_sim"} <= row["not_measured"].keys()
    assert not of_f0 & row["not_measured"].keys()
    assert score_all([replace(sung, hyp=None)], judges, tmp_path / "out", tmp_path)[0] == written
    lowered = replace(SCORE, notes=(replace(SCORE.notes[0], midi=55), SCORE.notes[1]))
    other = score_utterance(
        Rendition(replace(sung, hyp=None, score=lowered), judges, FeatureCache(tmp_path))
    )
    assert other["cents_rmse"] > 200  # what the score says, not what was sung


def test_a_row_without_wavs_has_all_utterances_of_its_split(tmp_path):
    assert read_hypotheses(NO_WAVS, {"u": "u.wav", "v": "v.wav"}, tmp_path) == {
        "u": None,
        "v": None,
    }
