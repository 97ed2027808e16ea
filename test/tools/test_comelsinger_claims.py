"""Numbers that docs/comelsinger.md and its lab page draw from results are those of the JSON."""

from espnet2_ext.evaluation.prosody import STATISTICS

from .claims import DOCS, prose, rows, told, written, written_to


def test_what_is_said_of_comelsinger_on_dev():
    of = {row["system"]: row for row in rows("comelsinger_dev.json")}
    ours, plain, text = (
        of["comelsinger"],
        of["comelsinger-no_cl_svt"],
        prose(DOCS / "lab/comelsinger_dev.md"),
    )
    drawn = of["comelsinger(codes)"]["metrics"]["per"]
    assert f"The PER is {written_to(3, drawn)} with drawn codes" in text
    assert f"and {written_to(3, ours['metrics']['per'])} with expected embeddings" in text
    assert f"The prompts are {ours['prompt_cents']['value']:.0f} cents apart" in text
    leaks = told(ours["shift_cents"], 2), told(plain["shift_cents"], 2)
    assert "{} cents with them, {} without".format(*leaks) in text
    assert all(row["shift_cents"]["low"] < 0 < row["shift_cents"]["high"] for row in (ours, plain))

    def differs(system: str, metric: str) -> str:
        test = of[f"comelsinger-{system}"]["difference"][metric]
        return told((test["difference"], *test["ci95"]))

    tests = [test for row in of.values() for test in row.get("difference", {}).values()]
    assert {test["verdict"] for test in tests} == {"tie"}
    least = 2 / 2**12  # songs
    assert min(test["p_value"] for test in tests) >= least and least * len(tests) > 0.05
    assert of["comelsinger-no_cl"]["difference"]["semitone_acc"]["p_value"] == least  # every song
    times = f"{written_to(4, least)}, times {len(tests)} tests {written_to(3, least * len(tests))}"
    assert times in text
    assert f"within 50 cents of the note by {differs('no_cl', 'semitone_acc')}" in text
    assert f"{differs('no_cl', 'singer_sim')} of similarity" in text
    assert f"PER by {differs('no_svt', 'per')} and" in text
    shifts = [row["shift_cents"]["value"] for row in of.values()]
    assert max(abs(shift) for shift in shifts if shift is not None) < 0.5
    assert f"recognised in {written_to(3, ours['metrics']['singer_acc'])} of the utterances" in text
    lm = rows("tuning_dev.json")[-1]["metrics"]
    per, sim, acc = (written_to(3, lm[key]) for key in ("per", "singer_sim", "singer_acc"))
    assert f"has a PER of {per}, a singer similarity of {sim} and {acc} of the singers" in text


def test_what_is_said_of_comelsinger_on_the_test_sets():
    of = {(row["system"], row["split"]): row for row in rows("comelsinger.json")}
    text = prose(DOCS / "comelsinger.md")
    table = (DOCS / "comelsinger.md").read_text()

    def per(system: str, split: str) -> float:
        return of[system, split]["metrics"]["per"]

    tests = [test for row in of.values() for test in row.get("difference", {}).values()]
    assert f"for all {len(tests)} tests of the table" in text
    ours, theirs = per("comelsinger", "test_singer"), per("slm_svs", "test_singer")
    assert (
        f"singers is {written_to(3, ours)}, which is {written_to(3, ours - theirs)} above" in text
    )
    for split in ("test", "test_singer"):
        worse = of["slm_svs", split]["difference"]["per"]
        assert worse["ci95"][1] < 0 and worse["verdict"] == "tie"
    drawn, real = per("comelsinger(codes)", "test"), per("gt_semantic+comelsinger", "test")
    assert f"embeddings has a PER of {written_to(3, drawn)} on `test`" in text
    own = written_to(3, per("comelsinger", "test"))
    assert f"is {written_to(3, real)}, and with those that stage 6 generates it is {own}." in text
    known, lm, unseen = (
        written_to(3, of[system, split]["metrics"]["singer_acc"])
        for system, split in (
            ("comelsinger", "test"), ("slm_svs", "test"), ("comelsinger", "test_singer"),
        )
    )  # fmt: skip
    assert f"({known} of the utterances, SLM-SVS {lm};" in text
    assert f"among all 40 singers {unseen} of the utterances" in text
    low, high = of["slm_svs", "test"]["difference"]["singer_acc"]["ci95"]
    assert low < 0 < high
    rank = {row["system"]: row["unseen_acc"] for row in rows("comelsinger_unseen.json")}

    here, there = (told(rank[name]) for name in ("comelsinger", "slm_svs"))
    assert f"{here} are, and {there} of SLM-SVS's" in text

    losses = [f"comelsinger-{name}" for name in ("no_cl", "no_scl", "no_fcl")]
    for split in ("test", "test_singer"):
        for name in losses:
            assert {t["verdict"] for t in of[name, split]["difference"].values()} == {"tie"}
        test = of["comelsinger-no_svt", split]["difference"]["rpa"]
        assert test["verdict"] == "worse"
        value, low, high = -test["difference"], -test["ci95"][1], -test["ci95"][0]
        assert f"{told((value, low, high))} less" in table
    whole = {s: of["comelsinger-no_cl_svt", s]["difference"] for s in ("test", "test_singer")}
    assert whole["test"]["rpa"]["verdict"] == whole["test"]["semitone_acc"]["verdict"] == "worse"
    assert {test["verdict"] for test in whole["test_singer"].values()} == {"tie"}

    by_singer = [
        test
        for row in rows("comelsinger_by_singer.json")
        for test in row.get("difference", {}).values()
    ]
    assert {test["n_song"] for test in by_singer} == {8}
    assert {test["verdict"] for test in by_singer} == {"tie"}
    assert f"least p of eight pairs is {written_to(3, 2 / 2**8)}" in text


def test_what_is_said_of_leaks_and_of_adaptations_of_comelsinger():
    text = prose(DOCS / "comelsinger.md")
    leaks = rows("comelsinger_leakage.json")
    assert {row["leaks"] for row in leaks if "leaks" in row} == {0}
    of_octave = {row["system"]: row["share"] for row in leaks if row["split"] == "octave"}
    assert all(share["low"] < 0 < share["high"] for share in of_octave.values())
    own, largest = of_octave["comelsinger"]["high"], max(x["high"] for x in of_octave.values())
    bounds = f"{written_to(3, own)} for `comelsinger`, and at {written_to(3, largest)} or below"
    assert f"share followed ends at {bounds} for all three systems" in text
    (ours,) = (r for r in leaks if (r["system"], r["split"]) == ("comelsinger", "test"))
    mean, deviation = (ours[name]["high"] for name in ("pitch_hz_mean", "pitch_hz_std"))
    assert f"ends at {written(mean)} Hz for the mean of the pitch" in text
    assert f"at {deviation:.2f} Hz for its standard deviation" in text
    intervals = [row[s.name] for row in leaks if row["split"] != "octave" for s in STATISTICS]
    above = sum(interval["low"] > 0 for interval in intervals)
    below = sum(interval["high"] < 0 for interval in intervals)
    assert (len(intervals), above, below) == (66, 1, 2)
    for row in leaks:
        if row["split"] == "test_singer":  # where the mean of the pitch shows nothing
            assert max(abs(x) for x in row["pitch_hz_mean"].values()) < 1e-12

    of = {row["system"]: row for row in rows("comelsinger_adaptations.json")}

    def loss(system: str, metric: str) -> list[float]:
        test = of[system]["difference"][metric]
        assert test["verdict"] == "worse"
        return [-test["difference"], -test["ci95"][1], -test["ci95"][0]]

    assert f"With them {told(loss('full_no_cl_svt', 'semitone_acc'))} more" in text
    full, plain = (of[s]["metrics"]["semitone_acc"] for s in ("full", "full_no_cl_svt"))
    assert f"({written_to(3, full)} against {written_to(3, plain)})" in text
    scratch, adapted = (written_to(3, of[s]["metrics"]["per"]) for s in ("scratch", "full"))
    assert f"has a PER of {scratch}, where `full` has {adapted}" in text
    assert (
        max(row["metrics"]["semitone_acc"] for row in of.values())
        == (of["scratch"]["metrics"]["semitone_acc"])
    )
    for name in ("lora", "llrd", "progressive"):
        assert {test["verdict"] for test in of[name]["difference"].values()} == {"tie"}
    notes = [told(loss(name, "note_acc")) for name in ("pitch", "prefix")]
    assert "accuracy {} and {} lower".format(*notes) in text
    for name in ("pitch", "prefix"):
        assert of[name]["difference"]["singer_sim"]["difference"] > 0

    octave = {row["system"]: row["shift_cents"] for row in rows("comelsinger_octave.json")}
    apart = [told(octave[name], 0) for name in ("full", "full_no_cl_svt")]
    assert f"lie {apart[0]} cents apart" in text and f"and {apart[1]} without" in text
    assert all(shift["low"] > 0 for shift in octave.values())
