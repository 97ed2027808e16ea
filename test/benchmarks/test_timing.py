"""The benchmarks' common part; nothing here depends on how fast the machine is."""

import argparse
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
timing = pytest.importorskip("timing")


def parse(*argv):
    parser = argparse.ArgumentParser()
    timing.add_arguments(parser)
    return parser.parse_args(argv)


def test_ours_and_peer_take_turns_and_the_warm_up_is_left_out(monkeypatch):
    calls, clock = [], iter([100.0, 100.0, 2.0, 6.0, 1.0, 8.0, 4.0, 4.0])
    monkeypatch.setattr(timing, "_seconds", lambda run: (run(), next(clock))[1])
    row = timing.compare(
        "x", lambda: calls.append("ours"), lambda: calls.append("peer"), repeats=3, per=2.0
    )
    assert calls == ["ours", "peer"] * 4
    assert (row.ours, row.peer, row.ratio) == (1.0, 3.0, 3.0)


def test_a_peer_may_do_another_amount_or_be_missing(monkeypatch):
    monkeypatch.setattr(timing, "_seconds", lambda run: 6.0)
    row = timing.compare("x", int, int, per=3.0, peer_per=1.0)
    assert (row.ours, row.peer, row.ratio) == (2.0, 6.0, 3.0)
    assert timing.compare("x", int, None).peer is None


def test_rows_are_printed_and_written(tmp_path, capsys):
    args = parse("--json", str(tmp_path / "rows.json"), "--repeats", "5")
    rows = (
        timing.Row("a", 0.5, 1.0, 2.0, "RTF", "batch 3"),
        timing.Row("b", 1, None, None, "s", ""),
    )
    timing.finish(rows, args)
    out = capsys.readouterr().out
    assert timing.hardware() in out and "| a | 0.5 | 1 | 2.00x | RTF | batch 3 |" in out
    written = json.loads((tmp_path / "rows.json").read_text())
    assert written["repeats"] == 5 and written["hardware"] == timing.hardware()
    assert written["rows"][0] == {
        "name": "a", "ours": 0.5, "peer": 1.0, "ratio": 2.0, "unit": "RTF", "note": "batch 3"
    }  # fmt: skip
    assert written["rows"][1]["peer"] is None
