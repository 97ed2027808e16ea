"""The benchmark of decoding runs; nothing here depends on how fast the machine is."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
decode = pytest.importorskip("decode")


def test_every_row_has_ours_and_a_peer(tmp_path):
    path = tmp_path / "rows.json"
    decode.main(["--size", "tiny", "--frames", "6", "--repeats", "1", "--json", str(path)])
    rows = json.loads(path.read_text())["rows"]
    names = [row["name"] for row in rows]
    assert names == ["batch1", "batch32", "nbest8", "free_length", "score_weight", "prefix"]
    assert all(row["unit"] == "ms/frame" and row["ours"] > 0 for row in rows)
    for row in rows:
        assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])
