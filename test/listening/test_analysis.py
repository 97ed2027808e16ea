"""From results to tables: values worked by hand, screening, files that cannot be taken."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from espnet2_ext.bin.listening_test import main
from espnet2_ext.errors import UserError
from espnet2_ext.listening.analysis import analyse_test
from espnet2_ext.listening.answers import read_all, read_key
from espnet2_ext.listening.summary import markdown

from .conftest import SYSTEMS, fill_in, save

Z, Q, P = SYSTEMS


@pytest.fixture
def key(made) -> dict[str, Any]:
    return read_key(made.key)


def scale(kind: str, value: float) -> float:
    """Tastes are given on 1 to 5."""
    return value if kind != "mushra" else 100.0 if value == 5 else 20 * value


def taste_of(offset: float, **by_system: float):
    """Constant ratings of each system, moved by the listener's offset; reference best."""
    ratings = {Z: 4, Q: 3, P: 2, "hidden_reference": 5, "low_anchor": 1} | by_system

    def taste(system, utt, trial):
        value = ratings[system]
        return scale(trial["kind"], value if value in (1, 5) else value + offset)

    return taste


def people(folder: Path, key: dict[str, Any], offsets=(-0.5, 0, 0.5, 0.5)) -> list[Path]:
    return [save(folder, fill_in(key, f"L{i}", i, taste_of(x))) for i, x in enumerate(offsets)]


def test_means_intervals_and_tests_by_hand(key, tmp_path):
    listeners, rejected = read_all(people(tmp_path, key), key)
    analysis = analyse_test(key, listeners, rejected, n_draws=500)
    mos = analysis["kinds"]["mos"]
    assert [(r["system"], r["mean"]) for r in mos["systems"]] == [
        (Z, 4.125),
        (Q, 3.125),
        (P, 2.125),
    ]
    first = mos["systems"][0]
    # listeners' means 3.5 4 4.5 4.5: sd .478714, t(3) = 3.182446
    assert first["ci95_t"] == pytest.approx([4.125 - 0.761738, 4.125 + 0.761738], abs=1e-4)
    assert first["n_ratings"] == 16 and first["n_listeners"] == 4 and first["n_utts"] == 4
    low, high = first["ci95_bootstrap"]
    assert 3.5 <= low < 4.125 < high <= 4.5
    test = mos["tests"][0]
    assert (test["a"], test["b"], test["difference"]) == (Z, Q, 1)
    assert test["ci95_bootstrap"] == [1, 1]  # offsets cancel: the draws are paired
    assert test["p"] == pytest.approx(2 / 16) and test["p_holm"] == pytest.approx(3 * 2 / 16)
    mushra = {r["system"]: r["mean"] for r in analysis["kinds"]["mushra"]["systems"]}
    assert mushra == {"hidden_reference": 100, Z: 82.5, Q: 62.5, P: 42.5, "low_anchor": 20}
    ab = analysis["kinds"]["ab"]["pairs"]
    assert [(r["a"], r["b"]) for r in ab] == list(itertools.combinations(SYSTEMS, 2))
    assert all((r["wins_a"], r["wins_b"], r["no_preference"]) == (16, 0, 0) for r in ab)
    assert ab[0]["ci95_exact"] == pytest.approx([0.025 ** (1 / 16), 1], abs=1e-4)
    assert ab[0]["p"] == pytest.approx(2 / 2**16, abs=1e-5)
    abx = analysis["kinds"]["abx"]["pairs"][0]
    assert abx["right"] == abx["n"] == 16 and abx["p"] == pytest.approx(1 / 2**16, abs=1e-5)


def test_agreement_is_one_where_all_agree_and_ties_are_counted_as_half(key, tmp_path):
    same = people(tmp_path, key, (0, 0, 0))
    tied = save(tmp_path, fill_in(key, "tied", 3, taste_of(0, **{Q: 4})))
    listeners, _ = read_all(same, key)
    analysis = analyse_test(key, listeners, n_draws=100)
    assert analysis["kinds"]["mos"]["alpha"] == 1 and analysis["kinds"]["mos"]["tests"][0]["p"]
    listeners, _ = read_all([*same, tied], key)
    row = analyse_test(key, listeners, n_draws=100)["kinds"]["ab"]["pairs"][0]
    assert (row["wins_a"], row["no_preference"]) == (12, 4)
    assert row["preference_a"] == pytest.approx((12 + 2) / 16) and row["win_rate_a"] == 1


def test_who_does_not_listen_is_left_out(key, tmp_path):
    results = fill_in(key, "asleep", 0, taste_of(0))
    for answer in results["answers"]:
        trial = key["trials"][answer["trial"]]
        if trial.get("catch") and trial["kind"] in ("mos", "mushra"):
            answer["ratings"] = dict.fromkeys(answer["ratings"], 3)
    files = [*people(tmp_path, key), save(tmp_path, results)]
    listeners, _ = read_all(files, key)
    analysis = analyse_test(key, listeners, n_draws=100)
    asleep = analysis["listeners"][-1]
    assert asleep["catch_trials"] == 4 and asleep["catch_passed"] == 2
    assert asleep["excluded"] == {"all": "passed 2 of 4 attention trials"}
    assert analysis["kinds"]["mos"]["n_listeners"] == 4
    assert analysis["kinds"]["mos"]["n_before_screening"] == 5
    everyone = analyse_test(key, listeners, screening=False, n_draws=100)
    assert everyone["kinds"]["mos"]["n_listeners"] == 5
    with pytest.raises(UserError, match="every listener is screened out"):
        analyse_test(key, listeners[-1:], n_draws=100)


@pytest.mark.parametrize(("low", "out"), [(0, False), (1, True)])
def test_a_hidden_reference_under_90_too_often_leaves_mushra_out(key, tmp_path, low, out):
    results = fill_in(key, "deaf", 0, taste_of(0))
    items = [a for a in results["answers"] if a["kind"] == "mushra"]
    items = [a for a in items if not key["trials"][a["trial"]].get("catch")]
    assert len(items) == 4  # one of four is more than 15%
    for answer in items[:low]:
        for sample in answer["ratings"]:
            if key["samples"][sample]["system"] == "hidden_reference":
                answer["ratings"][sample] = 89
    listeners, _ = read_all([save(tmp_path, results), *people(tmp_path, key)], key)
    analysis = analyse_test(key, listeners, n_draws=100)
    assert ("mushra" in analysis["listeners"][0]["excluded"]) == out
    assert analysis["kinds"]["mushra"]["n_listeners"] == 5 - out
    assert analysis["kinds"]["mos"]["n_listeners"] == 5


def broken(key: dict[str, Any], folder: Path) -> dict[str, str]:
    """Files that must be refused, by name, and what is said of each."""
    good = fill_in(key, "good", 0, taste_of(0.1))
    first, said = good["answers"][0], {}

    def keep(name: str, expected: str, **change: Any) -> None:
        save(folder, {**good, "listener": name, **change})
        said[name] = expected

    keep("foreign", "of test 'ffff'", test="ffff")
    keep("other_file", "not results of a listening test", format="recipe")
    keep("newer", "version 9", version=9)
    keep("nobody_did", "no answers", answers=[])
    keep("dict_of_answers", "no answers", answers={"a": 1})
    keep("twice_the_same", "a trial answered twice", answers=[first, *good["answers"]])
    keep("made_up", "unknown trial 'xyz'", answers=[{**first, "trial": "xyz"}])
    keep("no_trial", "unknown trial", answers=[7])
    keep("negative", "the listener's number", number=-1)
    keep("unfinished", "unfinished: 3 of", answers=good["answers"][:3])
    mos = next(a for a in good["answers"] if a["kind"] == "mos")
    (sample,) = mos["samples"]
    for name, value in {"six": 6, "nan": float("nan"), "text": "5", "true": True}.items():
        keep(name, f"trial {mos['trial']}: rating", answers=[{**mos, "ratings": {sample: value}}])
    keep("vast", f"trial {mos['trial']}: rating", answers=[{**mos, "ratings": {sample: 10**400}}])
    keep("no_ratings", "ratings of other samples", answers=[{**mos, "ratings": {}}])
    ab = next(a for a in good["answers"] if a["kind"] == "ab")
    keep("chose_another", "choice", answers=[{**ab, "choice": "zzz"}])
    abx = next(a for a in good["answers"] if a["kind"] == "abx")
    keep("abx_none", "choice 'none'", answers=[{**abx, "choice": "none"}])
    practice = next(t for t, facts in key["trials"].items() if facts.get("practice"))
    keep("practised", "unknown trial", answers=[{**mos, "trial": practice}])
    (folder / "again.json").write_text(json.dumps({**good, "listener": "L0"}))
    said["again"] = "listener 'L0' again"
    (folder / "copied.json").write_text(
        json.dumps({**json.loads((folder / "L1.json").read_text()), "listener": "someone else"})
    )
    said["copied"] = "a copy of"
    (folder / "truncated.json").write_text(json.dumps(good)[:500])
    said["truncated"] = "JSON"
    (folder / "binary.json").write_bytes(b"\xff\xfe\x00")
    said["binary"] = "not UTF-8"
    return said


def test_files_that_cannot_be_taken_are_named_and_the_others_count(key, made, tmp_path, capsys):
    folder = tmp_path / "sent"
    people(folder, key)
    said = broken(key, folder)
    out = tmp_path / "analysis"
    files = [str(folder), str(tmp_path / "gone.json")]
    with pytest.raises(SystemExit) as stop:
        main(["analyse", *files, "--key", str(made.key), "-o", str(out), "--n_bootstrap", "200"])
    assert stop.value.code == 0, capsys.readouterr().err
    analysis = json.loads((out / "analysis.json").read_text())
    assert [one["listener"] for one in analysis["listeners"]] == ["L0", "L1", "L2", "L3"]
    reasons = {Path(r["file"]).stem: r["reason"] for r in analysis["rejected"]}
    assert set(reasons) == {*said, "gone"}
    for name, expected in said.items():
        assert expected in reasons[name] and "\n" not in reasons[name], (name, reasons[name])
    text = (out / "analysis.md").read_text()
    assert "truncated.json: rejected" in text and text == capsys.readouterr().out
    assert (out / "analysis.png").read_bytes().startswith(b"\x89PNG")


def test_with_nothing_left_the_command_ends_in_one_line(key, made, tmp_path, capsys):
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    for files, expected in (
        ([str(bad)], "no usable file of 1"),
        ([str(tmp_path / "no")], "no such"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["analyse", *files, "--key", str(made.key), "-o", str(tmp_path / "out")])
        said = capsys.readouterr().err
        assert stop.value.code == 2 and said.count("\n") == 1
        assert expected in said.lower() and not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="not the key"):
        read_key(save(tmp_path, fill_in(key, "x", 0, taste_of(0))))


def test_unfinished_results_are_taken_when_asked_and_the_fuller_of_two_counts(key, tmp_path):
    half = fill_in(key, "L0", 0, taste_of(0))
    half["answers"] = half["answers"][:5]
    first = save(tmp_path / "a", half)
    whole = save(tmp_path / "b", fill_in(key, "L0", 0, taste_of(0)))
    listeners, rejected = read_all([first], key, keep_partial=True)
    assert len(listeners[0].answers) == 5 and not listeners[0].complete
    listeners, rejected = read_all([first, whole], key, keep_partial=True)
    assert listeners[0].complete and [r.file for r in rejected] == [first]


def test_what_listeners_write_does_not_break_the_tables(key, tmp_path):
    results = fill_in(key, "L|0", 0, taste_of(0))
    results["comment"] = "a | b\n# <script>\ud800"
    path = tmp_path / "x.json"
    path.write_text(json.dumps(results))
    listeners, _ = read_all([path], key)
    text = markdown(analyse_test(key, listeners, n_draws=100))
    assert "L\\|0 says: a \\| b # &lt;script>" in text
    text.encode("utf-8")
    assert "| n/a |" in text  # one listener: no t interval
