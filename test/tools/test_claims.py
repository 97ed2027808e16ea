"""Numbers that prose draws from results are those of the JSON."""

import json
from typing import Any

import pytest

from .claims import DOCS, bare, line_of, prose, rows, span, written, written_to

DEFAULT, SAMPLED = "lm+flow2+voc", "lm+flow2+voc (sampled codes, flow noise .2)"
TRUTH, CODEC = "gt_tokens+flow2+voc", "codec_resynthesis"
USUAL, FREE = "test", "test+test_takes"
EXPRESSED = [
    # split, system, key: words of docs/free_performances.md that state it
    (FREE, DEFAULT, "f0_spread", "F0 spread within notes is {}"),
    (FREE, DEFAULT, "vibrato_depth", "vibrato depth {}"),
    (FREE, DEFAULT, "takes_deviation_cents", "they have {} of the singers' variance in deviation"),
    (FREE, DEFAULT, "takes_spread_cents", "variance in deviation, {} in F0 spread"),
    (FREE, DEFAULT, "takes_vibrato_cents", "in F0 spread and {} in vibrato depth"),
    (FREE, SAMPLED, "f0_spread", "raise the spread within notes to {}"),
    (FREE, SAMPLED, "vibrato_depth", "and vibrato to {}"),
    (FREE, SAMPLED, "takes_spread_cents", "by {} of the singers' variance in F0 spread"),
    (FREE, SAMPLED, "takes_deviation_cents", "F0 spread and {} in deviation"),
    (FREE, SAMPLED, "mel_gv", "Global variance is right at {}"),
    (FREE, SAMPLED, "mel_laplacian", "sharpness stays at {}"),
    (FREE, SAMPLED, "deviation_var", "deviation ({} at best)"),
    (FREE, SAMPLED, "vibrato_depth", "vibrato depth ({} at best)"),
    (FREE, CODEC, "takes_deviation_cents", "they keep {} of the variance of deviation over takes"),
    (FREE, CODEC, "f0_spread", "their F0 spread is {}"),
    (FREE, TRUTH, "takes_deviation_cents", "keeps {} of it from the same tokens"),
    (USUAL, DEFAULT, "f0_spread", "F0 spread falls to {}"),
    (USUAL, DEFAULT, "vibrato_depth", "vibrato to {}"),
    (USUAL, DEFAULT, "mel_gv", "global variance to {}"),
]


@pytest.mark.parametrize(("split", "system", "key", "words"), EXPRESSED)
def test_what_is_said_of_freer_performances(split, system, key, words):
    (row,) = (
        row
        for row in rows("expressiveness.json")
        if (row["split"], row["system"]) == (split, system)
    )
    claim = words.format(written(row[key]["value"]))
    assert claim in prose(DOCS / "free_performances.md"), claim


def test_what_is_said_of_adaptation():
    of = {(r["system"], r["split"]): r for r in rows("adaptation.json")["scores"]}
    text = prose(DOCS / "results.md")

    def of_test(row: str, key: str) -> str:
        return bare(3, of[row, "test"]["metrics"][key])

    for claim in (
        f"falls from {of_test('scratch', 'per')} (scratch) to {of_test('full', 'per')} (full)",
        f"rises from {of_test('scratch', 'singer_acc')} to {of_test('full', 'singer_acc')}",
        "(similarity {}; LoRA {}, frozen {})".format(
            *(of_test(row, "singer_sim") for row in ("full", "lora", "frozen"))
        ),
    ):
        assert claim in text, claim
    for name, head in (("lora", "LoRA"), ("frozen", "frozen"), ("scratch", "scratch")):
        row = of[name, "test_singer"]
        low, high = (written(bound) for bound in row["ci95"]["singer_acc"])
        line_of("results.md", head, written(row["metrics"]["singer_acc"]), f"{low} to {high}")


def test_what_is_said_of_sampled_codes_against_the_regressions():
    of = {row["system"]: row for row in rows("expressiveness.json") if row["split"] == USUAL}
    for key, head in (("f0_spread", "F0 spread within notes"), ("vibrato_depth", "vibrato depth"),
                      ("mel_laplacian", "mel sharpness")):  # fmt: skip
        found = [of[name][key]["value"] for name in (SAMPLED, "toksing", "xiaoicesing_discrete")]
        line_of("free_performances.md", head, *map(written, found))
        assert found[0] > found[1]


def test_of_the_rows_that_sing_from_a_score_none_is_right():
    free = {r["system"]: r for r in rows("expressiveness.json") if r["split"] == FREE}
    for key in ("deviation_var", "vibrato_depth"):
        best = max((DEFAULT, SAMPLED), key=lambda name: free[name][key]["value"])
        assert best == SAMPLED and free[best][key]["high"] < 1


def test_drawn_durations_spread_as_singers_do():
    free = [row for row in rows("timing.json") if row["corpus"] == "mini_singing_free"]
    assert free[0]["takes_timing"]["low"] < 1 < free[0]["takes_timing"]["high"]
    for row in rows("timing.json"):
        assert row["timing_var"]["low"] < 1 < row["timing_var"]["high"], row["system"]


def test_what_the_readme_says_of_table_1():
    """Words are won, the singer and what the score gives are lost, the rest ties."""
    (ours,) = (row for row in rows("table1.json") if "paired" in row)
    tests = ours["paired"]
    text = prose(DOCS.parent / "README.md")
    low, high = (written_to(3, -bound) for bound in tests["per"]["ci95"])
    assert (
        f"by {written_to(3, -tests['per']['difference'])} (95% interval over songs: {high}" in text
    )
    assert f"{high} to {low}; p {written_to(3, tests['per']['p_holm'])} after Holm's" in text
    assert f"correction for {len(tests)} metrics" in text
    of = {r["system"]: r["metrics"]["per"] for r in rows("table1.json")}
    said = "has a PER of {} on `test`; the recordings themselves have {}."
    assert said.format(*(written_to(3, of[name]) for name in (DEFAULT, "ground_truth"))) in text
    verdicts = {name: test["verdict"] for name, test in tests.items()}
    assert [name for name, verdict in verdicts.items() if verdict == "better"] == ["per"]
    lost = {name for name, verdict in verdicts.items() if verdict == "worse"}
    assert lost == {"singer_sim", "rpa", "semitone_acc", "note_acc"}


def test_what_is_said_of_the_rows_of_table_1():
    of = {row["system"]: row["metrics"] for row in rows("table1.json")}
    text = prose(DOCS / "results.md")
    per = {name: written_to(3, metrics["per"]) for name, metrics in of.items() if metrics["per"]}
    mine = [f"lm+flow2+voc{seed}" for seed in ("", "#1", "#2")]
    discrete = [f"xiaoicesing_discrete{seed}(soft)" for seed in ("", "#1", "#2")]
    regression = [f"score_regression{seed}" for seed in ("", "#1", "#2")]
    codes = of["xiaoicesing_discrete"]
    assert min(of[n]["per"] for n in per if n not in mine and "lm" not in n and n[0] != "g") == min(
        of[name]["per"] for name in discrete
    )

    def bounds(key: str, names: list[str]) -> list[str]:
        values = [of[name][key] for name in names]
        return [written_to(3, x) if x < 1 else f"{x:.3f}" for x in (min(values), max(values))]

    by_flow = [name for name in of if "ing" in name and "+" not in name and "score" not in name]
    for cells in (
        ("`lm+flow2+voc`", *map(per.get, mine)),
        ("`xiaoicesing_discrete(soft)`, the best rival", *map(per.get, discrete)),
        ("with its codes", per["xiaoicesing_discrete"], f"{codes['mcd_db']:.2f}"),
        ("with expected embeddings", per[discrete[0]], f"{of[discrete[0]]['mcd_db']:.2f}"),
        ("token models through our flow", *bounds("singer_acc", by_flow)),
        ("`score_regression`", *bounds("singer_acc", regression)),
        ("`lm+flow2+voc`", *bounds("singer_acc", mine)),
        ("`score_regression`", *(written_to(3, of[name]["f0_corr"]) for name in regression)),
        ("`score_f0`", written_to(3, of["score_f0"]["f0_corr"])),
    ):
        line_of("results.md", *cells)
    (tests,) = (row["paired"] for row in rows("table1.json") if "paired" in row)
    similar = (written_to(3, tests["singer_sim"][whose]) for whose in ("ours", "theirs"))
    for claim in (
        f"with {of[discrete[0]]['mcd_db']:.2f} against {of[DEFAULT]['mcd_db']:.2f}; our third seed "
        f"has {of[mine[2]]['mcd_db']:.2f}.",
        "its PER is {} to {} over seeds".format(*bounds("per", regression)),
        "embedder is {} against {} of the best row".format(*similar),
        f"p {written_to(3, tests['per']['p_holm'])} after correction for {len(tests)} metrics",
    ):
        assert claim in text, claim


PAPERS_TABLE_2 = {  # SLM-SVS: PER, MCD
    "lm+cd": (0.56, 8.26), "lm+flow1+cd": (0.45, 8.44), "lm+flow1+voc": (0.36, 7.86),
    "lm+flow2+voc": (0.42, 7.66),
}  # fmt: skip


def test_in_what_table_2_follows_the_papers_and_in_what_not():
    ours = {row["system"]: row["metrics"] for row in rows("table2.json")}
    mcd = {name: ours[name]["mcd_db_nodtw"] for name in ours}
    for name, (per, theirs) in PAPERS_TABLE_2.items():
        cells = written(ours[name]["per"]), written(per), f"{mcd[name]:.2f}", f"{theirs:.2f}"
        line_of("results.md", f"`{name}`", *cells)
    order = ["lm+cd", "lm+flow1+cd", "lm+flow1+voc"]
    for by_per in (lambda n: ours[n]["per"], lambda n: PAPERS_TABLE_2[n][0]):
        assert sorted(order, key=by_per, reverse=True) == order
    assert mcd["lm+flow1+cd"] < mcd["lm+cd"]
    assert PAPERS_TABLE_2["lm+flow1+cd"][1] > PAPERS_TABLE_2["lm+cd"][1]
    assert PAPERS_TABLE_2["lm+flow2+voc"][0] > PAPERS_TABLE_2["lm+flow1+voc"][0]


def test_which_parts_of_table_2_are_worth_what():
    of = {row["system"]: row["metrics"] for row in rows("table2.json")}
    text = prose(DOCS / "results.md")
    soft, flow = of["lm(soft)+cd"], of["lm+flow1+cd"]
    assert (
        f"`lm(soft)+cd` has PER {written_to(3, soft['per'])}" in text and soft["per"] < flow["per"]
    )
    (tests,) = (row["paired"] for row in rows("table2.json") if "paired" in row)
    verdicts = {name: test["verdict"] for name, test in tests.items()}
    better = {"rhythm_iou", "vibrato_error", "cents_rmse", "mcd_db", "mcd_db_nodtw", "secs"}
    assert {name for name, verdict in verdicts.items() if verdict == "better"} == better
    assert [name for name, verdict in verdicts.items() if verdict == "worse"] == ["semitone_acc"]
    for claim in (
        f"semitone accuracy: {written_to(3, of[DEFAULT]['semitone_acc'])} against "
        f"{written_to(3, soft['semitone_acc'])} of",
        f"the recordings have {written_to(3, of['ground_truth']['semitone_acc'])}",
        f"accuracy is {written_to(3, of['lm+flow1+voc']['note_acc'])}, that of Flow2 "
        f"{written_to(3, of[DEFAULT]['note_acc'])}.",
    ):
        assert claim in text, claim


def test_what_a_gpu_did():
    found = json.loads((DOCS / "results/gpu_check.json").read_text())
    results, speed = ((DOCS / page).read_text() for page in ("results.md", "speed.md"))
    logs = [(DOCS / "lab" / page).read_text() for page in ("results_log.md", "speed_log.md")]
    assert all(f"commit {found['commit']}" in log for log in logs)
    for name, measured in found["rows"].items():
        if isinstance(measured, str):
            assert f"| {name} | {measured} |" in results, name
    one, many = (found["rows"][f"decode {name}"] for name in ("batch1", "batch32"))
    assert f"{one['ratio']:.1f}x as fast as the plain loop at batch 1" in results
    assert f"{many['ratio']:.0f}x at batch 32" in results
    assert f"utterance | {one['ours']:.2f} | {one['peer']:.2f} | {one['ratio']:.1f}x |" in speed
    ours = written(many["ours"])
    assert f"together | {ours} | {many['peer']:.2f} | {many['ratio']:.0f}x |" in speed


def test_what_the_new_training_f0_was_worth():
    """The table's "after" is the run whose JSON is committed."""
    ours = {
        row["split"]: row["metrics"]
        for row in rows("mini_singing_few.json")
        if row["system"] == DEFAULT
    }
    for head, key, digits in (
        ("PER", "per", 3), ("V/UV error", "vuv_error", 3), ("F0 corr", "f0_corr", 3),
        ("MCD dB, DTW", "mcd_db", 2),
    ):  # fmt: skip
        cells = line_of("lab/results_log.md", head).strip("| ").split(" | ")[2::2]
        for split, cell in zip(("test", "test_words", "test_singer"), cells, strict=True):
            after = f"{ours[split][key]:.{digits}f}".removeprefix("0")
            assert cell == after, (head, split)


def test_what_is_said_to_be_lost_in_which_stage():
    of_test = rows("attribution.json")["test"]
    lost = {(loss["stage"], loss["metric"]): loss["loss"] for loss in of_test}
    text = prose(DOCS / "results.md")
    vocoder, codec, lm = (f"{lost[s, 'mcd_db']:.1f}" for s in ("vocoder", "codec", "speech LM"))
    gain = f"{-lost['flow', 'mcd_db']:.1f}".removeprefix("0")
    assert f"The vocoder costs {vocoder} dB, the codec {codec} dB and the speech LM {lm} dB" in text
    assert f"the flow gives {gain} dB back" in text
    codec, lm = (f"{lost[s, 'per']:.3f}".removeprefix("0") for s in ("codec", "speech LM"))
    assert f"in the codec, {codec} of PER, and in the speech LM, {lm}." in text
    assert f"PER is within {lm} of what real tokens give" in text
    similarity = f"{lost['speech LM', 'singer_sim']:.3f}".removeprefix("0")
    assert f"loses {similarity} of similarity" in text and f"within {similarity} of simil" in text


def test_what_is_said_of_real_singing():
    found = rows("real_singing.json")
    text = prose(DOCS / "real_singing.md")
    copies: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        if row["stage"] == "copies":
            copies.setdefault(row["system"], []).append(row)
    by_song = {row["split"]: row for row in copies["codec"]}
    loud, low = by_song["antagata_dokosa_denoise"], by_song["vocadito_1"]
    seconds = sum(row["seconds"] for row in found if row["stage"] == "recordings")
    gated = next(r for r in copies["vocoder"] if r["split"] == "antagata_dokosa_denoise")
    by_hand, training = (
        next(row for row in found if row["system"] == name)
        for name in ("vocadito_1: judge against hand",
                     "antagata_dokosa_denoise: training against judge")
    )  # fmt: skip
    for claim in (
        f"never heard: MCD with DTW is {span(copies['vocoder'], 'mcd_db', 2)} dB",
        f"(SECS {bare(2, min(row['secs_sim'] for row in copies['vocoder']))} at least)",
        f"{seconds * 2 / 3:.0f} s of the same voices bring MCD to "
        f"{span(copies['fitted vocoder'], 'mcd_db', 2)} dB",
        f"The embedded codec has MCD {span(copies['codec'], 'mcd_db', 2)} dB",
        f"warbles by {span(copies['codec'], 'level_sd_db', 1)} dB",
        f"comes out {max(row['level_max_db'] for row in copies['codec']):.1f} dB too loud",
        f"50 cents in {bare(3, loud['within_50_cents'])} of the frames, that of `vocadito_1` in "
        f"{bare(3, low['within_50_cents'])}.",
        f"on the real voices has {span(copies['fitted codec'], 'mcd_db', 2)} dB",
        f"agrees with the hand on {bare(3, by_hand['within_50_cents'])} of the frames",
        f"({bare(3, training['vuv_error'])} of its frames differ from the judge)",
        f"{gated['mcd_db_nodtw']:.2f} dB after the embedded vocoder, and "
        f"{gated['mcd_db_sound']:.2f} dB without",
        f"leaves soft frames out ({gated['mcd_db']:.2f} dB)",
    ):
        assert claim in text, claim
    for head, name in (("F0 predicted from the mel", "vocoder"), ("given F0", "vocoder with F0")):
        bounds = span(copies[name], "within_50_cents", 3).split(" to ")
        line_of("real_singing.md", head, *bounds)
    assert all(row["secs_acc"] == 1 for row in copies["vocoder"])
    sung = [row for row in found if row["stage"] == "sung"]
    assert len(sung) == 6 and all(row["secs_own"] > row["secs_sim"] for row in sung)
    assert max(row["per"] for row in sung) == 0.02 and {row["note_acc"] for row in sung} == {1}
    assert [row["secs_acc"] for row in sung if "nit" not in row["system"]] == [0] * 4
    refused = [row for row in found if row["stage"] == "refused"]
    assert [row["sung"] for row in refused] == [False, True] and "'cl'" in refused[0]["said"]


def test_how_often_an_unseen_singer_is_sung():
    of = {row["system"]: row["unseen_acc"] for row in rows("unseen_singers.json")}
    sung, low, high = (written_to(3, of["lm+flow2+voc"][key]) for key in ("value", "low", "high"))
    page, readme = prose(DOCS / "results.md"), prose(DOCS / "../README.md")
    assert f"Of the 72 utterances of `test_singer`, {sung} are nearest" in page
    assert f"interval over 24 songs is {low} to {high}" in page
    assert float(low) < 0.5 < float(sung) and line_of(
        "lab/results_log.md",
        "unseen singers nearest to their own, of eight",
        ".5",
        f"{sung}, interval {low} to {high}",
        "met by the value and not by the interval",
    )
    assert f"{sung} of the sung utterances are nearest to their own singer" in readme
    assert f"(95% interval over songs: {low} to {high})" in readme
    assert f"and the codec {written_to(3, of['codec_resynthesis']['value'])}." in page
    (timing,) = rows("timing_many.json")
    spread = (timing["timing_var"][key] for key in ("value", "low", "high"))
    assert "a variance ratio of {:.2f} [{:.2f}, {:.2f}]".format(*spread) in page
    kept = rows("tuning_dev.json")[-1]["unseen_acc"]
    told = (written_to(3, kept[key]) for key in ("value", "low", "high"))
    assert "the value {} has an interval of {} to {}".format(*told) in page


def test_what_is_said_of_the_run_on_many_singers():
    of = {(r["system"], r["split"]): r["metrics"] for r in rows("mini_singing.json")}
    ours, note = of["lm+flow2+voc", "test"], of["score_f0", "test"]
    text = prose(DOCS / "results.md")
    assert f"PER {written_to(3, ours['per'])}, where the recordings have" in text
    assert f"has a V/UV error of {written_to(3, note['vuv_error'])}, and it is within" in text
    assert (
        f"in {written_to(3, note['rpa'])} of the frames. The system is in "
        f"{written_to(3, ours['rpa'])}" in text
    )
    assert (
        f"{written_to(3, ours['singer_acc'])} of the utterances are recognised as their sing"
        in text
    )
    (alive,) = (r for r in rows("expressiveness_many.json") if r["system"] == "lm+flow2+voc")
    spread, depth, gv = (
        written_to(2, alive[k]["value"]) for k in ("f0_spread", "vibrato_depth", "mel_gv")
    )
    assert f"F0 spreads within notes {spread} as much as in" in text
    assert f"vibrato is {depth} as deep. The global variance is {gv}:" in text
