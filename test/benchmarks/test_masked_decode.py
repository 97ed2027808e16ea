"""The benchmark of masked decoding runs, and finds equal tokens; nothing depends on its speed."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
masked = pytest.importorskip("masked_decode")


@pytest.mark.slow
def test_every_row_has_ours_and_a_peer_whose_tokens_are_equal(tmp_path):
    path = tmp_path / "rows.json"
    masked.main(["--size", "debug", "--bfloat16", "--repeats", "1", "--json", str(path)])
    rows = json.loads(path.read_text())["rows"]
    names = [f"{stage}, batch {n}" for stage in ("semantic", "acoustic") for n in (1, 16)]
    assert [r["name"] for r in rows] == [n + e for n in names for e in ("", ", bfloat16")]
    for row in rows:
        assert row["unit"] == "ms/frame" and row["note"].endswith("tokens equal")
        assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])
