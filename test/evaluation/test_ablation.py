"""Differences of rows from one of them."""

import pytest

from espnet2_ext.bin import report
from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.ablation import ablation_rows
from espnet2_ext.files import read_json, write_json

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
    names = ("start", "same", "lever")
    for seconds, name in enumerate(names):
        write_json(scores / f"exp_{name}/training.json", {"cpu_sec": seconds})
    with pytest.raises(SystemExit) as end:
        report.main(
            ["ablation", "--scores_dir", str(scores), "--split", "test", "--systems", *names,
             "--against", "start", "--exp_dirs", *(str(scores / f"exp_{name}") for name in names),
             "--out", str(out)]
        )  # fmt: skip
    assert end.value.code == 0
    start, same, lever = read_json(out)
    assert [row["training"]["cpu_sec"] for row in (start, same, lever)] == [0, 1, 2]
    assert "difference" not in start
    assert same["difference"]["mcd_db"]["difference"] == 0
    found = lever["difference"]["mcd_db"]
    assert found["difference"] == pytest.approx(-0.555) and found["verdict"] == "better"
    text = out.with_suffix(".md").read_text()
    assert "**-0.5" in text and "+0.00 [+0.00, +0.00]" in text


def test_the_reference_must_be_a_row(scores):
    with pytest.raises(UserError, match="nobody"):
        ablation_rows(scores, ["test"], ["start"], "nobody")


def test_one_table_of_two_splits_corrects_for_all_of_its_tests(scores):
    """A row that was scored on one split only has one row; singers may be counted for songs."""
    n = 12
    systems = {"start": system(mcd_db=[1.0] * n), "lever": system(mcd_db=[0.5] * n)}
    write_scores(scores / "more", systems)
    for name in systems:
        (scores / "more" / name / "test").rename(scores / name / "test_singer")
    names = ["start", "same", "lever"]
    rows = ablation_rows(scores, ["test", "test_singer"], names, "start")
    places = [(row["split"], row["system"]) for row in rows]
    assert places == [("test", "start"), ("test", "same"), ("test", "lever"),
                      ("test", "start"), ("test", "lever")]  # fmt: skip
    lever = rows[-1]["difference"]["mcd_db"]
    assert lever["n_song"] == n and lever["p_value"] == pytest.approx(2 / 2**n)
    alone = ablation_rows(scores, ["test"], names, "start")[2]["difference"]["mcd_db"]
    both = rows[2]["difference"]["mcd_db"]
    assert alone["p_value"] == both["p_value"] and alone["p_holm"] < both["p_holm"]

    singers = {f"u{k}": "ab"[k % 2] for k in range(n)}
    by_singer = ablation_rows(scores, ["test"], names, "start", singers)[2]["difference"]["mcd_db"]
    assert by_singer["n_song"] == 2 and by_singer["p_value"] == pytest.approx(2 / 2**2)
    with pytest.raises(UserError, match="no scores of nobody"):
        ablation_rows(scores, ["test", "test_singer"], [*names, "nobody"], "start")
