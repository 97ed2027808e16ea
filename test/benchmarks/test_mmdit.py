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


def test_memory_is_what_autograd_keeps_and_grows_with_the_frames(capsys):
    mmdit_memory = pytest.importorskip("mmdit_memory")
    mmdit_memory.main(["--width", "32", "--frames", "100"])
    said = capsys.readouterr().out.splitlines()
    assert "parameters" in said[0] and len(said) == 4 + len(mmdit_memory.GPUS)
    network = mmdit_memory.MMDiT(40, 1024, 0, 1024, channels=32)
    sizes = [mmdit_memory.kept_bytes(network, n) for n in (20, 40, 60)]
    assert sizes[2] - sizes[1] == pytest.approx(sizes[1] - sizes[0], rel=0.02) and sizes[0] > 0
