"""A metric is added by the two files that docs/metrics.md names, and everything follows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .test_paired import system

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "espnet2_ext"
LOUDNESS = '''
"""How loud a rendition is."""

import numpy as np


def peak(samples: np.ndarray) -> float:
    """The largest sample's magnitude."""
    return float(np.abs(samples).max())
'''
MEASURE = """
    Measure("loudness", lambda r: {"loudness": peak(r.hyp)}, (
        mean("loudness", "Loudness (peak)", "loudness", LOWER, 2),
    )),
"""
USE = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from espnet2_ext.bin import report
from espnet2_ext.evaluation import scoring
from espnet2_ext.evaluation.attribution import attribute
from espnet2_ext.evaluation.measures import MEASURES, METRICS
from espnet2_ext.evaluation.table import summarize

scoring.MEASURES = tuple(m for m in MEASURES if m.name == "loudness")  # the others need judges
rendition = SimpleNamespace(task=SimpleNamespace(utt="u"), sounds=True, hyp=np.array([0.5, -0.75]))
assert scoring.score_utterance(rendition) == {"utt": "u", "loudness": 0.75}

folder, systems = Path(sys.argv[1]), json.loads(sys.argv[2])
for name, utts in systems.items():
    for utt in utts:
        path = folder / name / "test/utts" / (utt["utt"] + ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(utt))
    summary = summarize(name, "test", utts, {"timing": "label", "f0_source": "feats"})
    (folder / name / "test/summary.json").write_text(json.dumps(summary))
(metric,) = (m for m in METRICS if m.name == "loudness")
losses = attribute(systems, [metric], [("speech LM", "ground_truth", "lm+flow2+voc")])
assert [loss.metric for loss in losses] == ["loudness"]
commands = [
    ["results", "--scores_dir", str(folder), "--out_dir", str(folder)],
    ["compare", "--scores_dir", str(folder), "--systems", *systems, "--ours", "lm+flow2+voc",
     "--baselines", "toksing", "--out", str(folder / "table.json")],
]
for command in commands:
    try:
        report.main(command)
    except SystemExit as end:
        assert not end.code
"""


def overlay(folder: Path) -> Path:
    """A copy of the package that shares all files with it but the two."""
    copy = folder / "espnet2_ext"
    for room in (copy, copy / "evaluation", copy / "metrics"):
        room.mkdir(parents=True)
        for path in (PACKAGE / room.relative_to(copy)).iterdir():
            if not (room / path.name).exists() and path.name not in ("evaluation", "metrics"):
                (room / path.name).symlink_to(path)
    (copy / "metrics/loudness.py").write_text(LOUDNESS)
    measures = copy / "evaluation/measures.py"
    text = measures.read_text().replace("MEASURES = (\n", f"MEASURES = ({MEASURE}", 1)
    measures.unlink()
    line = "from espnet2_ext.metrics.per import"
    measures.write_text(
        text.replace(line, f"from espnet2_ext.metrics.loudness import peak\n{line}")
    )
    return copy


@pytest.mark.slow
def test_two_files_add_a_metric(tmp_path):
    overlay(tmp_path / "site")
    values = {"ground_truth": 0.1, "toksing": 0.8, "lm+flow2+voc": 0.4}
    systems = {
        name: system(loudness=[value + 0.01 * k for k in range(12)])
        for name, value in values.items()
    }
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path / "scores"), json.dumps(systems)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Loudness (peak)" in (tmp_path / "scores/RESULTS.md").read_text()
    row = json.loads((tmp_path / "scores/table.json").read_text())[-1]
    assert row["paired"]["loudness"]["verdict"] == "better"  # lower than the baseline's
    assert row["paired"]["loudness"]["baseline"] == "toksing"
