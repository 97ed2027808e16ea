"""Differences of rows from one of them."""

import pytest

from espnet2_ext.bin import report
from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.ablation import ablation_rows
from espnet2_ext.files import read_json

from .test_paired import system, write_scores


@pytest.fixture
def scores(tmp_path):
    n = 12
    start = [6.0 + 0.1 * k for k in range(n)]
    write_scores(
        tmp_path,
        {
            "start": system(mcd_db=start),
            "same": system(mcd_db=start),
            "lever": system(mcd_db=[v - 0.5 - 0.01 * k for k, v in enumerate(start)]),
        },
    )
    return tmp_path


def test_a_row_is_held_against_the_reference_on_the_same_utterances(scores, capsys):
    out = scores / "table.json"
    with pytest.raises(SystemExit) as end:
        report.main(
            ["ablation", "--scores_dir", str(scores),
             "--split", "test", "--systems", "start", "same", "lever",
             "--against", "start", "--out", str(out)]
        )  # fmt: skip
    assert end.value.code == 0
    start, same, lever = read_json(out)
    assert "difference" not in start
    assert same["difference"]["mcd_db"]["difference"] == 0
    found = lever["difference"]["mcd_db"]
    assert found["difference"] == pytest.approx(-0.555) and found["verdict"] == "better"
    text = out.with_suffix(".md").read_text()
    assert "**-0.5" in text and "+0.00 [+0.00, +0.00]" in text


def test_the_reference_must_be_a_row(scores):
    with pytest.raises(UserError, match="nobody"):
        ablation_rows(scores, "test", ["start"], "nobody")
