"""Benchmarks of data and acoustic models, run small: every step is measured, rows are written."""

import importlib.util
import sys
from pathlib import Path

import pytest

from espnet2_ext.files import read_json

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))


def load(name: str):
    """By file: a package of tests may have the same name."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(benchmark, tmp_path, *options: str) -> dict[str, dict]:
    benchmark.main([*options, "--repeats", "1", "--json", str(tmp_path / "rows.json")])
    rows = {row["name"]: row for row in read_json(tmp_path / "rows.json")["rows"]}
    for row in rows.values():
        assert row["ours"] > 0
        if row["peer"] is not None:
            assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])
    return rows


def test_every_step_of_preparing_a_directory_is_timed(tmp_path):
    rows = rows_of(load("data_dir"), tmp_path, "--utts", "32", "--dir", str(tmp_path))
    steps = ["validate", "fix", "filter by length", "subset of half", "split into 16", "combine 16"]
    assert list(rows) == [*steps, "draw prompts", "all"]
    assert rows["all"]["ours"] == pytest.approx(sum(r["ours"] for r in list(rows.values())[:-1]))


def test_flow_is_timed_alone_and_with_its_vocoder(tmp_path):
    rows = rows_of(load("flow"), tmp_path, "--utterances", "2", "--sec", "0.2")
    assert list(rows) == ["flow", "flow, bfloat16", "flow, few steps", "flow + vocoder"]
