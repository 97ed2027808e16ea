"""The benchmark of the MM-DiT runs, and both ways draw the same; nothing depends on its speed."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
mmdit = pytest.importorskip("mmdit")


def test_the_row_has_ours_and_a_peer_that_draws_the_same(tmp_path):
    path = tmp_path / "rows.json"
    mmdit.main(["--size", "debug", "--repeats", "1", "--json", str(path)])
    (row,) = json.loads(path.read_text())["rows"]
    assert row["unit"] == "RTF" and row["note"].endswith("latents equal to 0.001")
    assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])


def test_latents_that_differ_end_it(monkeypatch):
    monkeypatch.setattr(mmdit.Work, "largest_difference", lambda self: 0.5)
    with pytest.raises(SystemExit, match="latents differ by 0.5"):
        mmdit.main(["--size", "debug", "--repeats", "1"])
