"""Results that listeners sent back: read strictly, each file taken whole or rejected by name."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json
from espnet2_ext.ids import check_id
from espnet2_ext.listening.headphones import PASSED

KEY_FORMAT = "espnet2_ext.listening_test.key"
RESULTS_FORMAT = "espnet2_ext.listening_test.results"
VERSION = 1
MAX_BYTES = 20_000_000
SCALES = {"mos": (1, 5), "mushra": (0, 100)}
NO_PREFERENCE = "none"


@dataclass(frozen=True)
class Answer:
    """One trial's answer: `ratings` by sample id, or the sample id (or "none") of the `choice`."""

    trial: str
    ratings: Mapping[str, float] = field(default_factory=dict)
    choice: str = ""


@dataclass(frozen=True)
class Listener:
    """One accepted file."""

    name: str
    file: Path
    answers: Sequence[Answer]
    expected: int
    headphones: str
    checks_right: int | None
    comment: str

    @property
    def complete(self) -> bool:
        """Whether every trial of the session was answered."""
        return len(self.answers) == self.expected

    @property
    def wears_headphones(self) -> bool | None:
        """Outcome of the headphones check; None where there was none."""
        return None if self.checks_right is None else self.checks_right >= PASSED


@dataclass(frozen=True)
class Rejection:
    """A file that was not taken, and why."""

    file: Path
    reason: str


def read_key(path: str | Path) -> dict[str, Any]:
    """Read a key.

    Raises:
        UserError: it is not the key of a listening test.
    """
    key = read_json(path)
    if not isinstance(key, dict) or key.get("format") != KEY_FORMAT:
        raise UserError(path, "not the key of a listening test", f"format {KEY_FORMAT!r}")
    if key.get("version") != VERSION:
        raise UserError(path, f"version {key.get('version')!r}", str(VERSION))
    names = {"test", "systems", "splits", "samples", "trials", "sections", "check"}
    if missing := names - set(key):
        raise UserError(path, f"lacks {', '.join(sorted(missing))}", "a key as it was written")
    check_id(str(key["test"]), path, "test")
    return key


def expected_trials(key: Mapping[str, Any], number: int) -> set[str]:
    """Trials of the listener with that number; the page's `arrange` draws from the same."""
    trials = set()
    for section in key["sections"]:
        parts = section["parts"]
        part, turn = parts[number % len(parts)], number // len(parts)
        blocks = part["groups"][turn % len(part["groups"])]
        trials.update(entry["trial"] for block in blocks for entry in block["trials"])
        trials.update(entry["trial"] for entry in part["extra"])
    return trials


def _words(value: Any, limit: int) -> str:
    """What a listener wrote, shortened, as text that can be written as UTF-8."""
    text = value if isinstance(value, str) else ""
    return text[:limit].encode("utf-8", "replace").decode("utf-8").strip()


def _fits(value: Any, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def _answer(place: str, given: Any, key: Mapping[str, Any]) -> Answer:
    trial_id = given.get("trial") if isinstance(given, dict) else None
    trial = key["trials"].get(trial_id) if isinstance(trial_id, str) else None
    if trial is None or trial.get("practice"):
        raise UserError(place, f"unknown trial {str(trial_id)[:20]!r}", "a trial of the test")
    place = f"{place}: trial {trial_id}"
    if trial["kind"] in SCALES:
        ratings = given.get("ratings")
        if not isinstance(ratings, dict) or set(ratings) != set(trial["samples"]):
            raise UserError(place, "ratings of other samples", "one for each of the trial's")
        low, high = SCALES[trial["kind"]]
        for value in ratings.values():
            if not _fits(value, low, high):
                raise UserError(place, f"rating {str(value)[:20]}", f"{low} to {high}")
        return Answer(trial_id, {sample: float(value) for sample, value in ratings.items()})
    allowed = [*trial["samples"], *([NO_PREFERENCE] if trial["kind"] == "ab" else [])]
    if given.get("choice") not in allowed:
        raise UserError(place, f"choice {str(given.get('choice'))[:20]!r}", "one of its samples")
    return Answer(trial_id, choice=given["choice"])


def read_listener(path: Path, key: Mapping[str, Any]) -> Listener:
    """Read one file of results.

    Raises:
        UserError: not JSON, not results, of another test, or answers that the test cannot have got.
    """
    data = read_json(path, MAX_BYTES)
    if not isinstance(data, dict) or data.get("format") != RESULTS_FORMAT:
        raise UserError(path, "not results of a listening test", f"format {RESULTS_FORMAT!r}")
    if data.get("version") != VERSION:
        raise UserError(path, f"version {str(data.get('version'))[:20]}", str(VERSION))
    if data.get("test") != key["test"]:
        raise UserError(path, f"of test {str(data.get('test'))[:20]!r}", key["test"])
    name, number, given = data.get("listener"), data.get("number"), data.get("answers")
    if not isinstance(name, str) or not name.strip():
        raise UserError(path, "no listener", "a name or number", "listener")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise UserError(path, str(number)[:20], "the listener's number", "number")
    if not isinstance(given, list) or not given:
        raise UserError(path, "no answers", "a list of answers", "answers")
    answers = [_answer(str(path), one, key) for one in given]
    trials = [answer.trial for answer in answers]
    expected = expected_trials(key, number)
    if len(set(trials)) < len(trials):
        raise UserError(path, "a trial answered twice", "each trial once", "answers")
    if foreign := set(trials) - expected:
        raise UserError(path, f"trial {min(foreign)}", f"trials of listener number {number}")
    checks = data.get("headphones_check") if key["check"] else None
    right = None
    if isinstance(checks, dict):
        right = sum(checks.get(name) == tone for name, tone in key["check"].items())
    return Listener(
        name=_words(" ".join(name.split()), 40), file=path, answers=answers, expected=len(expected),
        headphones=_words(data.get("headphones"), 20), checks_right=right,
        comment=_words(data.get("comment"), 4000),
    )  # fmt: skip


def read_all(
    paths: Sequence[Path], key: Mapping[str, Any], keep_partial: bool = False
) -> tuple[list[Listener], list[Rejection]]:
    """Read every file; what cannot be taken is named instead of stopping the analysis.

    Of two files of one listener the more complete one counts, then the first; the same answers
    under another name are a copy.

    Args:
        paths: Files, or folders whose .json files are taken.
        key: The test's key.
        keep_partial: Take unfinished sessions too.

    Raises:
        UserError: nothing is left.
    """
    files: list[Path] = []
    for path in paths:
        files += sorted(path.glob("*.json")) if path.is_dir() else [path]
    rejected, readable = [], []
    for path in files:
        try:
            listener = read_listener(path, key)
        except UserError as error:
            rejected.append(Rejection(path, str(error).removeprefix(f"{path}: ")))
            continue
        if not listener.complete and not keep_partial:
            done = f"unfinished: {len(listener.answers)} of {listener.expected} trials"
            rejected.append(Rejection(path, done + " (--keep_partial takes it)"))
        else:
            readable.append(listener)
    names: dict[str, Path] = {}
    contents: dict[str, Path] = {}
    kept = []
    for listener in sorted(readable, key=lambda one: -len(one.answers)):
        content = json.dumps(read_json(listener.file)["answers"], sort_keys=True)
        if content in contents:
            rejected.append(Rejection(listener.file, f"a copy of {contents[content]}"))
        elif listener.name in names:
            again = f"listener {listener.name!r} again: {names[listener.name]} counts"
            rejected.append(Rejection(listener.file, again))
        else:
            names[listener.name] = contents[content] = listener.file
            kept.append(listener)
    if not kept:
        why = f"{rejected[0].file}: {rejected[0].reason}" if rejected else "no .json files"
        raise UserError("results", f"no usable file of {len(files)}; {why}", "finished results")
    return sorted(kept, key=lambda one: files.index(one.file)), rejected
