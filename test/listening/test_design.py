"""Who hears what when: balance over listeners, every pair once, ids that tell nothing."""

import itertools
from collections import Counter

import pytest

from espnet2_ext.listening.answers import expected_trials
from espnet2_ext.listening.design import Design, Designer
from espnet2_ext.listening.latin import williams

UTTS = [f"u{i}" for i in range(8)]


def build(n_systems, kinds, parts=(UTTS,), **options) -> Design:
    systems = [f"s{i}" for i in range(n_systems)]
    return Designer(systems, parts, "practice", 0, **options).build(kinds)


def key_of(design: Design):
    return {"sections": design.sections, "trials": design.trials}


def heard(design: Design, number: int, section: int = 0):
    """(system, utterance) of each MOS trial, in the order of the group's blocks."""
    part = design.sections[section]["parts"][0]
    group = part["groups"][number % len(part["groups"])]
    samples = [design.samples[e["samples"][0]] for block in group for e in block["trials"]]
    return [(s.system, s.utt) for s in samples]


@pytest.mark.parametrize("n", range(1, 9))
def test_williams_rows_put_each_item_everywhere_and_after_each_other_item_alike(n):
    rows = williams(n)
    assert len(rows) == (n if n % 2 == 0 or n == 1 else 2 * n)
    for place in range(n):
        assert set(Counter(row[place] for row in rows).values()) == {len(rows) // n}
    after = Counter(pair for row in rows for pair in itertools.pairwise(row))
    assert len(after) == n * (n - 1) and len(set(after.values())) <= 1


@pytest.mark.parametrize("n_systems", [3, 4])
@pytest.mark.parametrize("latin", [True, False])
def test_mos_every_listener_rates_every_pair_once(n_systems, latin):
    design = build(n_systems, ["mos"], latin=latin)
    for number in range(7):
        assert set(Counter(heard(design, number)).values()) == {1}
        assert len(heard(design, number)) == n_systems * len(UTTS)


@pytest.mark.parametrize("n_systems", [3, 4])
@pytest.mark.parametrize("latin", [True, False])
def test_mos_once_gives_each_utterance_once_and_every_pair_alike_over_a_round(n_systems, latin):
    design = build(n_systems, ["mos"], latin=latin, once=True)
    n_groups = len(design.sections[0]["parts"][0]["groups"])
    everything: Counter = Counter()
    for number in range(n_groups):
        pairs = heard(design, number)
        assert sorted(utt for _, utt in pairs) == UTTS
        everything.update(pairs)
    assert len(everything) == n_systems * len(UTTS)
    assert set(everything.values()) == {n_groups // n_systems}


def test_latin_mos_blocks_hold_each_system_once_with_different_utterances():
    design = build(4, ["mos"])
    for group in design.sections[0]["parts"][0]["groups"]:
        for block in group:
            samples = [design.samples[e["samples"][0]] for e in block["trials"]]
            assert len({s.system for s in samples}) == len({s.utt for s in samples}) == 4


def test_ab_sides_are_balanced_within_and_between_listeners():
    design = build(3, ["ab"])
    groups = design.sections[0]["parts"][0]["groups"]
    left = [
        {e["trial"]: design.samples[e["samples"][0]].system for block in g for e in block["trials"]}
        for g in groups
    ]
    assert len(groups) == 2 and all(left[0][trial] != left[1][trial] for trial in left[0])
    assert len(left[0]) == 3 * len(UTTS)
    pair = []
    for trial in left[0]:
        if {design.samples[s].system for s in design.trials[trial]["samples"]} == {"s0", "s1"}:
            pair.append(trial)
    assert Counter(left[0][t] for t in pair) == {"s0": 4, "s1": 4}


def test_abx_x_is_either_on_either_side_alike_and_has_an_id_of_its_own():
    design = build(2, ["abx"])
    seen = Counter()
    for group in design.sections[0]["parts"][0]["groups"]:
        for entry in (e for block in group for e in block["trials"]):
            trial = design.trials[entry["trial"]]
            assert trial["x"] not in trial["samples"] and trial["answer"] in trial["samples"]
            x, answer = design.samples[trial["x"]], design.samples[trial["answer"]]
            assert (x.system, x.utt) == (answer.system, answer.utt)
            seen[x.system, entry["samples"].index(trial["answer"])] += 1
    assert seen == {(s, place): 8 for s in ("s0", "s1") for place in (0, 1)}


def test_mushra_has_the_hidden_reference_under_another_id_and_the_anchors():
    design = build(3, ["mushra"], mid_anchor=True, not_in_mushra=["s2"])
    for trial in design.trials.values():
        names = sorted(design.samples[s].system for s in trial["samples"])
        assert names == ["hidden_reference", "low_anchor", "mid_anchor", "s0", "s1"]
        assert trial["reference"] not in trial["samples"]


def test_parts_share_the_utterances_out_and_numbers_go_round():
    design = build(2, ["mos", "ab"], parts=(UTTS[:4], UTTS[4:]), catch=1)
    key = key_of(design)
    heard_by = [{design.trials[t]["utt"] for t in expected_trials(key, n)} for n in range(4)]
    assert heard_by == [set(UTTS[:4]), set(UTTS[4:])] * 2
    groups = [frozenset(expected_trials(key, n)) for n in range(2)]
    assert groups[0].isdisjoint(groups[1])


def test_attention_trials_are_extra_and_practice_is_apart():
    design = build(3, ["mos", "ab", "abx", "mushra"], catch=2)
    catches = Counter(t["kind"] for t in design.trials.values() if t.get("catch"))
    assert catches == {"mos": 2, "ab": 2, "abx": 2, "mushra": 2}
    practice = [t for t in design.trials.values() if t.get("practice")]
    assert [t["utt"] for t in practice] == ["practice"] * 4
    expected = expected_trials(key_of(design), 0)
    assert not any(design.trials[t].get("practice") for t in expected)
    for trial in design.trials.values():
        spoiled = [s for s in trial["samples"] if design.samples[s].system == "spoiled"]
        assert bool(spoiled) == bool(trial.get("catch"))


def test_the_same_seed_gives_the_same_design():
    options = {"kinds": ["mos", "ab", "abx", "mushra"], "catch": 1, "latin": False}
    assert build(3, **options) == build(3, **options)


def test_given_pairs_alone_are_compared():
    design = build(3, ["ab"], pairs=[("s2", "s0")])
    assert {s.system for s in design.samples.values()} == {"s0", "s2"}
