"""Paired tests against values worked out by hand, stages on made-up scores, the table."""

import json

import numpy as np
import pytest

from espnet2_ext.bin import report
from espnet2_ext.evaluation.attribution import attribute
from espnet2_ext.evaluation.comparison import compare_systems, markdown
from espnet2_ext.evaluation.measures import EXTRA_METRICS, METRICS
from espnet2_ext.evaluation.metric import Metric
from espnet2_ext.evaluation.paired import against_best, best_of, paired_test
from espnet2_ext.evaluation.table import summarize

from .test_table import utterance

BY_NAME = {metric.name: metric for metric in (*METRICS, *EXTRA_METRICS)}


def system(**columns) -> list[dict]:
    """Utterances u0, u1 ... whose values are given by column."""
    n = len(next(iter(columns.values())))
    return [utterance(utt=f"u{k}") | {name: v[k] for name, v in columns.items()} for k in range(n)]


def write_scores(folder, systems):
    for name, utts in systems.items():
        for utt in utts:
            path = folder / name / "test" / "utts" / f"{utt['utt']}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(utt))
        summary = summarize(name, "test", utts, {"timing": "label", "f0_source": "feats"})
        (folder / name / "test" / "summary.json").write_text(json.dumps(summary))


def test_every_metric_says_which_way_is_better():
    """An error, a distance or a distortion is better low; all else is better high."""
    for name, metric in BY_NAME.items():
        is_error = any(word in name for word in ("rmse", "error", "mcd", "lsd")) or name.endswith(
            "per"
        )
        assert metric.lower_is_better is is_error, name
    with pytest.raises(TypeError, match="lower_is_better"):
        Metric("new", "New", "new", lambda u: 1.0, lambda u: 1.0)


@pytest.mark.parametrize("name", ["espnet_mcd_db", "espnet_log_f0_rmse", "espnet_vuv_error"])
def test_an_error_of_espnets_scripts_is_better_low(name):
    low = system(**{name: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]})
    high = system(**{name: [0.2, 0.4, 0.6, 0.8, 1.0, 1.2]})
    metric = BY_NAME[name]
    assert best_of(metric, {"low": low, "high": high}) == "low"
    assert paired_test(metric, low, high).verdict == "better"
    assert paired_test(metric, high, low).verdict == "worse"
    stages = [("codec", "low", "high")]
    (loss,) = attribute({"low": low, "high": high}, [metric], stages)
    assert loss.loss == pytest.approx(0.35)  # .7 less .35: what the codec costs


def test_wilcoxon_of_six_equal_signs_is_one_in_thirty_two():
    # All 2^6 signs of the ranks are equally likely; two of them are as extreme.
    ours = system(mcd_db=[5.0, 5.1, 5.2, 5.3, 5.4, 5.5])
    theirs = system(mcd_db=[6.0, 6.2, 6.4, 6.6, 6.8, 7.0])
    test = paired_test(BY_NAME["mcd_db"], ours, theirs)
    assert test.p_value == pytest.approx(2 / 2**6)
    assert test.difference == pytest.approx(-1.25)
    assert test.ci95[0] < -1.25 < test.ci95[1] < 0
    assert test.n_utt == 6 and test.verdict == "better"
    swapped = paired_test(BY_NAME["mcd_db"], theirs, ours)
    assert swapped.verdict == "worse" and swapped.gain == pytest.approx(-test.gain)


def test_the_interval_is_that_of_a_bootstrap_of_differences():
    rng = np.random.default_rng(5)
    ours, theirs = rng.normal(0.8, 0.1, 40), rng.normal(0.7, 0.1, 40)
    test = paired_test(
        BY_NAME["f0_corr"], system(f0_corr=ours.tolist()), system(f0_corr=theirs.tolist())
    )
    apart = ours - theirs
    spread = 1.96 * apart.std() / len(apart) ** 0.5  # the mean's normal interval
    assert test.difference == pytest.approx(apart.mean())
    assert test.ci95 == pytest.approx((apart.mean() - spread, apart.mean() + spread), abs=0.01)


def test_shared_difficulty_does_not_hide_a_difference():
    hard = np.linspace(0, 50, 12)
    ours, theirs = system(mcd_db=(hard + 1).tolist()), system(mcd_db=(hard + 2).tolist())
    low, high = summarize("s", "test", ours)["ci95"]["mcd_db"]
    assert high - low > 10
    test = paired_test(BY_NAME["mcd_db"], ours, theirs)
    assert test.ci95 == pytest.approx((-1, -1)) and test.verdict == "better"


def test_rates_are_pooled_and_utterances_matched_by_name():
    ours = system(phone_errors=[1, 0], n_phones=[10, 90])
    theirs = [*reversed(system(phone_errors=[5, 5], n_phones=[10, 90])), utterance(utt="other")]
    test = paired_test(BY_NAME["per"], ours, theirs)
    assert (test.value, test.other, test.n_utt) == (0.01, 0.1, 2)
    assert paired_test(BY_NAME["per"], ours, [utterance(utt="other")]) is None


def test_equal_systems_tie():
    utts = system(per=[0.1] * 5, singer_sim=[0.5, 0.6, 0.7, 0.8, 0.9])
    for name in ("per", "singer_sim", "cents_rmse"):
        test = paired_test(BY_NAME[name], utts, utts)
        assert (test.difference, test.p_value, test.verdict) == (0, 1, "tie")


def test_each_metric_has_its_own_best_baseline():
    a = system(mcd_db=[5.0] * 12, singer_sim=[0.5] * 12)
    b = system(mcd_db=[7.0] * 12, singer_sim=[0.9] * 12)
    baselines = {"a": a, "b": b}
    assert best_of(BY_NAME["mcd_db"], baselines) == "a"
    assert best_of(BY_NAME["singer_sim"], baselines) == "b"
    assert best_of(BY_NAME["singmos"], baselines) is None
    ours = system(mcd_db=[6.0] * 12, singer_sim=[0.95] * 12)
    tests = against_best(ours, baselines, METRICS)
    assert (tests["mcd_db"]["baseline"], tests["mcd_db"]["verdict"]) == ("a", "worse")
    assert (tests["singer_sim"]["baseline"], tests["singer_sim"]["verdict"]) == ("b", "better")


def test_stages_add_up_and_a_gain_is_negative():
    corr = {"ground_truth": 1.0, "vocoder_gt_mel": 0.9, "codec_resynthesis": 0.7,
            "gt_tokens+flow2+voc": 0.8, "lm+flow2+voc": 0.75}  # fmt: skip
    systems = {
        name: system(f0_corr=[value] * 4, phone_errors=[k] * 4)
        for k, (name, value) in enumerate(corr.items())
    }
    losses = attribute(systems, [BY_NAME["f0_corr"], BY_NAME["per"]])
    by_stage = {loss.stage: loss.loss for loss in losses if loss.metric == "f0_corr"}
    wanted = {"vocoder": 0.1, "codec": 0.2, "flow": -0.1, "speech LM": 0.05}
    assert by_stage == pytest.approx(wanted)
    assert sum(by_stage.values()) == pytest.approx(1 - 0.75)
    assert [loss.loss for loss in losses if loss.metric == "per"] == pytest.approx([0.1] * 4)
    del systems["codec_resynthesis"]
    assert {loss.stage for loss in attribute(systems, METRICS)} == {"vocoder", "speech LM"}


def test_the_table_has_the_form_of_the_results(tmp_path):
    scores = {
        "ground_truth": system(mcd_db=[0.0] * 10),
        "toksing": system(mcd_db=[8.0, 8.1, 8.2, 8.3, 8.4, 8.5, 8.1, 8.2, 8.3, 8.4]),
        "lm+flow2+voc": system(mcd_db=[7.0, 7.2, 7.1, 7.4, 7.3, 7.5, 7.1, 7.2, 7.3, 7.4]),
    }
    write_scores(tmp_path, scores)
    out = tmp_path / "table1.json"
    argv = ["--scores_dir", str(tmp_path), "--systems", *scores, "--ours", "lm+flow2+voc",
            "--baselines", "toksing", "--out", str(out)]  # fmt: skip
    with pytest.raises(SystemExit, match="0"):
        report.main(["compare", *argv])
    rows = json.loads(out.read_text())
    assert [row["system"] for row in rows] == list(scores)
    for row in rows:
        assert row["split"] == "test" and row["n_utt"] == row["n_song"] == 10
        low, high = row["ci95"]["mcd_db"]
        assert low <= row["metrics"]["mcd_db"] <= high
    test = rows[2]["paired"]["mcd_db"]
    assert (test["baseline"], test["verdict"]) == ("toksing", "better")
    assert test["p_value"] == pytest.approx(2 / 2**10)
    assert test["p_holm"] == pytest.approx(12 * 2 / 2**10)  # twelve metrics were tested
    assert test["difference"] == pytest.approx(-1.0)
    text = (tmp_path / "table1.md").read_text()
    assert "| **lm+flow2+voc** | 10 (10) | " in text
    assert "7.25 | 8.25 (toksing) | -1.00 [" in text and "| 0.023 | better |" in text
    for table in text.strip().split("\n\n"):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_a_table_without_baselines_has_no_test(tmp_path):
    write_scores(tmp_path, {"a": system(mcd_db=[1.0])})
    table = compare_systems(tmp_path, "test", ["a"])
    assert "paired" not in table.rows[0] and "verdict" not in markdown(table)


def test_what_was_not_scored_is_named(tmp_path, capsys):
    write_scores(tmp_path, {"a": system(mcd_db=[1.0])})
    common = ["--scores_dir", str(tmp_path), "--out", str(tmp_path / "t.json")]
    for argv, message in (
        (["--systems", "a", "b"], "b/test/summary.json"),
        (["--systems", "a", "--ours", "b"], "no row 'b'"),
    ):
        with pytest.raises(SystemExit, match="2"):
            report.main(["compare", *argv, *common])
        assert message in capsys.readouterr().err
