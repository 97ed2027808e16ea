"""The report: curves from logs, pictures, and a page that needs no other file."""

import os
import re

import numpy as np
import pytest

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.audio.wav import write_wav
from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.curves import Curves, parse_log, read_curves
from espnet2_ext.evaluation.measures import METRICS
from espnet2_ext.evaluation.page import (
    Listener,
    Report,
    encode_audio,
    listen_to_split,
    pick,
    read_rows,
    read_training,
    result_tables,
)
from espnet2_ext.evaluation.plots import (
    ROLL_HEIGHT,
    piano_roll,
    plot_curves,
    plot_labelled_mel,
    plot_mel,
)
from espnet2_ext.files import write_json, write_table
from espnet2_ext.score.formats.espnet_format import Entry, write_data_dir
from espnet2_ext.score.music_score import MusicScore, Note, Phone

FS = 24000
SCORE = MusicScore(
    notes=(
        Note(0.0, 0.25, 0, "", ("SP",)),
        Note(0.25, 0.75, 60, "ni", ("n", "i")),
        Note(0.75, 1.0, 67, "—", ("i",), slur=True),
    ),
    phones=(
        Phone(0.0, 0.2, "SP", 0),
        Phone(0.2, 0.3, "n", 1),
        Phone(0.3, 0.75, "i", 1),
        Phone(0.75, 1.0, "i", 2),
    ),
)
LOG = (
    "2026-01-01 10:00:00,000 (trainer:1) INFO: 1epoch results: [train] iter_time=0.1, loss=4.5, "
    "clip=0.000e+00, optim0_lr0=1.000e-03, time=2 minutes and 1 seconds, total_count=2, "
    "[valid] loss=4.000, acc=0.25, time=0.1 seconds, total_count=1\n"
    "noise\n"
    "x INFO: 2epoch results: [train] loss=3.5, time=2 seconds, [valid] loss=nan, acc=0.5\n"
)


def test_curves_of_a_log():
    curves = Curves()
    parse_log(LOG, curves)
    assert curves.n_epochs == 2
    assert curves.train["loss"] == {1: 4.5, 2: 3.5}
    assert curves.train["optim0_lr0"] == {1: 1e-3}
    assert curves.valid["acc"] == {1: 0.25, 2: 0.5}
    assert np.isnan(curves.valid["loss"][2])


def test_logs_of_an_interrupted_training_are_joined(tmp_path):
    (tmp_path / "train.20260101-000000.log").write_text(LOG)
    (tmp_path / "train.log").write_text(
        "INFO: 3epoch results: [train] loss=2.0, [valid] loss=2.5, acc=1.0\n"
    )
    assert read_curves(tmp_path).train["loss"] == {1: 4.5, 2: 3.5, 3: 2.0}
    assert read_curves(tmp_path / "nothing").n_epochs == 0


def test_the_newest_log_is_told_by_its_name_though_a_copy_has_other_times(tmp_path):
    for time, (name, loss) in enumerate(
        [("train.log", 3.0), ("train.20260102-000000.log", 2.0), ("train.20260101-000000.log", 1.0)]
    ):
        (tmp_path / name).write_text(f"INFO: 1epoch results: [train] loss={loss}, [valid] acc=1\n")
        os.utime(tmp_path / name, (time, time))
    assert read_curves(tmp_path).train["loss"] == {1: 3.0}


def test_midi_to_hz():
    assert midi_to_hz(69) == 440
    assert midi_to_hz(81) == pytest.approx(880)


def test_piano_roll_places_notes_by_time_and_pitch():
    roll = piano_roll(SCORE, end_sec=2.0, width=200.0)
    assert [(note.x, note.lyric) for note in roll.notes] == [(25.0, "ni"), (75.0, "—")]
    assert roll.notes[0].width == pytest.approx(49)
    assert roll.notes[0].y - roll.notes[1].y == 7 * ROLL_HEIGHT  # a fifth higher is higher up
    assert all(0 <= note.y < roll.height for note in roll.notes)


def test_pictures_are_webp_even_of_silence():
    mel = np.random.default_rng(0).normal(size=(50, 80))
    for f0, score in ((np.full(50, 262.0), SCORE), (np.zeros(50), None)):
        assert plot_mel(mel, f0, score, 0.01, 1.0)[8:12] == b"WEBP"
        assert plot_labelled_mel(mel, f0, score, 0.01)[8:12] == b"WEBP"
    marked = [
        plot_labelled_mel(mel, np.zeros(50), SCORE, 0.01, [(0.4, 0.5)], max_sec)
        for max_sec in (0.3, 20.0)
    ]
    assert marked[0] != marked[1]  # the long one is shown in part
    curves = Curves()
    parse_log(LOG, curves)
    assert plot_curves(curves)[8:12] == b"WEBP"
    assert plot_curves(curves, "no_such_figure") is None


def test_audio_is_small_and_inline():
    wav = 0.3 * np.sin(2 * np.pi * 220 * np.arange(FS) / FS).astype(np.float32)
    uri = encode_audio(wav, FS)
    assert uri.startswith("data:audio/mpeg;base64,")
    assert len(uri) < len(wav) * 2


def test_picked_utterances_are_spread():
    assert pick(["d", "a", "c", "b"], 2) == ["a", "c"]
    assert pick(["b", "a"], 5) == ["a", "b"]


@pytest.fixture
def scored(tmp_path):
    """A data directory, a second system's wavs, systems.tsv and an utterance's score."""
    wav = 0.3 * np.sin(2 * np.pi * midi_to_hz(60) * np.arange(FS) / FS).astype(np.float32)
    paths = {}
    for system in ("ground_truth", "lm+flow2+voc"):
        paths[system] = tmp_path / f"{system}.wav"
        write_wav(paths[system], wav, FS)
    entries = [Entry("utt1", str(paths["ground_truth"]), "singer<1>", SCORE)]
    write_data_dir(tmp_path / "test", entries)
    lines = ["system\tsplit\tref_dir\twav_scp\ttiming\tf0_source"]
    for system, path in paths.items():
        write_table(tmp_path / f"{system}.scp", {"utt1": str(path)})
        lines.append(f"{system}\ttest\t{tmp_path}/test\t{tmp_path}/{system}.scp\tlabel\tfeats")
    (tmp_path / "systems.tsv").write_text("\n".join(lines) + "\n")
    utt = {"f0_corr": 0.93, "mcd_db": None, "n_phones": 3, "phone_errors": 1.0}
    write_json(tmp_path / "scores/lm+flow2+voc/test/utts/utt1.json", utt)
    return tmp_path


def test_page_holds_everything_it_shows(scored):
    exp = scored / "exp"
    exp.mkdir()
    (exp / "config.yaml").write_text("lr: 0.001 # <script>\n")
    (exp / "train.log").write_text(LOG)
    results = [
        {
            "system": "lm+flow2+voc", "split": "test", "n_utt": 1, "n_utt_world": 0,
            "timing": "label", "f0_source": "feats",
            "metrics": {m.name: None for m in METRICS} | {"per": 0.125},
            "ci95": {m.name: None for m in METRICS} | {"per": [0.1, 0.15]},
        }
    ]  # fmt: skip
    metrics, tables = result_tables(results)
    report = Report("A <title>", {"commit": "abc"}, metrics, tables, ["judge"])
    extractor = lambda wav, fs, ceiling_hz: np.full(len(wav) * 100 // fs, midi_to_hz(60))  # noqa: E731
    listener = Listener(MelConfig(), extractor, scored / "scores")
    report.splits["test"] = listen_to_split(read_rows(scored / "systems.tsv"), listener, 4)
    report.trainings = [t for t in (read_training(exp), read_training(scored)) if t]
    html = report.html()
    (utterance,) = report.splits["test"]
    assert utterance.lyrics == "ni"
    assert [sound.system for sound in utterance.sounds] == ["ground_truth", "lm+flow2+voc"]
    assert utterance.sounds[1].facts == "f0_corr 0.930, phone errors 1/3"
    assert html.count("<audio") == 2 and html.count("data:image/webp") == 2 + 2
    assert "0.125<small>0.100–0.150</small>" in html
    assert "A &lt;title&gt;" in html and "singer&lt;1&gt;" in html and "# &lt;script&gt;" in html
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert all(source.startswith(("data:", "#")) for source in sources)


def test_a_system_without_the_utterances_is_named(scored):
    write_table(scored / "lm+flow2+voc.scp", {"other": "x.wav"})
    rows = read_rows(scored / "systems.tsv")
    with pytest.raises(UserError, match="no utterance that every system rendered"):
        listen_to_split(rows, None, 4)


def test_another_table_is_refused(tmp_path):
    (tmp_path / "t.tsv").write_text("a\tb\n")
    with pytest.raises(UserError, match=r"t\.tsv:1"):
        read_rows(tmp_path / "t.tsv")
