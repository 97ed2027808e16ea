"""Aggregation, the results file and the table."""

import json

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.measures import METRICS
from espnet2_ext.evaluation.table import aggregate, collect, judge_lines, markdown, summarize

BY_NAME = {metric.name: metric for metric in METRICS}


def utterance(**values) -> dict:
    base = {
        "f0_corr": 0.9, "cents_rmse": 30.0, "semitone_acc": 0.5, "note_acc": 1.0, "vuv_error": 0.1,
        "n_frames": 100, "n_notes": 4, "n_f0": 200, "phone_errors": 1, "n_phones": 10,
        "singer_sim": 0.8, "singer_acc": 1.0, "mcd_db": 6.0, "mcd_db_nodtw": 7.0,
        "f0_rmse_hz": 50.0, "f0_corr_versa": 0.7,
    }  # fmt: skip
    return base | values


def test_rates_are_pooled_and_the_rest_averaged():
    utts = [utterance(), utterance(phone_errors=9, n_phones=90, f0_corr=0.5, semitone_acc=0.0,
                                   n_frames=300, cents_rmse=60.0)]  # fmt: skip
    row = summarize("s", "test", utts)
    assert row["metrics"]["per"] == pytest.approx(10 / 100)
    assert row["metrics"]["f0_corr"] == pytest.approx(0.7)
    assert row["metrics"]["semitone_acc"] == pytest.approx(0.125)
    assert row["metrics"]["cents_rmse"] == pytest.approx(((30**2 + 3 * 60**2) / 4) ** 0.5)
    assert (row["n_utt"], row["n_utt_world"]) == (2, 2)


def test_the_interval_holds_the_value_and_closes_on_equal_utterances():
    value, (low, high) = aggregate(
        BY_NAME["f0_corr"], [utterance(f0_corr=k / 10) for k in range(10)]
    )
    assert low < value < high and value == pytest.approx(0.45)
    value, (low, high) = aggregate(BY_NAME["per"], [utterance()] * 5)
    assert low == pytest.approx(value) == pytest.approx(high)


def test_utterances_without_a_metric_are_left_out():
    utts = [utterance(), utterance(mcd_db=None, f0_rmse_hz=None, cents_rmse=None)]
    row = summarize("s", "test", utts)
    assert row["n_utt_world"] == 1 and row["metrics"]["mcd_db"] == 6
    assert row["metrics"]["cents_rmse"] == pytest.approx(30)
    assert aggregate(BY_NAME["mcd_db"], utts[1:]) == (None, None)


def test_collecting_orders_rows_and_the_table_names_definitions(tmp_path):
    for system in ("lm+flow2+voc", "ground_truth", "mine"):
        facts = {"timing": "label", "f0_source": "mel", "not_measured": {"singmos": "no weights"}}
        row = summarize(system, "test", [utterance()], facts)
        folder = tmp_path / system / "test"
        folder.mkdir(parents=True)
        (folder / "summary.json").write_text(json.dumps(row))
    rows = collect(tmp_path)
    assert [row["system"] for row in rows] == ["ground_truth", "lm+flow2+voc", "mine"]
    wanted = {"f0_rmse_hz", "f0_corr_versa", "f0_corr", "cents_rmse", "semitone_acc", "note_acc",
              "vuv_error", "mcd_db", "per", "singer_sim", "singer_acc"}  # fmt: skip
    assert wanted <= rows[0]["metrics"].keys()
    judges = {
        "f0_extractor": "swift",
        "f0": {"swift": {"corr": 0.99, "n_utt": 9, "within_50_cents": 1, "vuv_error": 0.01,
                         "qualifies": True}},
        "dev_per": 0.02,
    }  # fmt: skip
    text = markdown(rows, judges)
    assert "0.990" in text and "qualifies" in text and "VERSA, no DTW" in text
    assert "singmos: no weights" in text and text.count("\n| lm+flow2+voc") == 1
    assert "PER 0.0200" in text and "| 1 (1) | label | mel |" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_nothing_to_collect_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"summary\.json"):
        collect(tmp_path)


def test_of_one_singer_alone_no_other_is_named():
    judges = {"dev_singer_acc": 1.0, "n_singers": 1, "dev_singer_sim": 0.973, "dev_other_sim": None}
    (line,) = judge_lines(judges)
    assert line.endswith("their own singer of 1; cosine to the own singer 0.973.")
    (line,) = judge_lines({**judges, "n_singers": 2, "dev_other_sim": 0.5})
    assert line.endswith("0.973, to the nearest other 0.500.")
    assert judge_lines({**judges, "dev_singer_acc": None}) == []
    attributes = {"gender": {"accuracy": 0.75, "n_utt": 4, "mistaken": {"male as female": 1}}}
    (line,) = judge_lines({"synthetic": True})
    assert line == "- The recordings are synthetic: nobody sang or spoke in them."
    (line,) = judge_lines({"attribute_quality": attributes})
    assert line.endswith("gender 0.750 (4).")
