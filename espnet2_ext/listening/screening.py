"""Which listeners count: attention trials, and the rules of BS.1534 for MUSHRA."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from espnet2_ext.listening.answers import Answer, Listener
from espnet2_ext.listening.design import HIDDEN, MID_ANCHOR

SPOILED_MOS = 2
"""Highest rating of a spoiled sample by someone who listens."""
CATCH_SHARE = 0.75
"""Attention trials to be passed."""
NEAR_REFERENCE, FAILED_SHARE = 90, 0.15
"""BS.1534-3: out who rates the hidden reference under 90, or the mid anchor over 90, in more than
15% of the items."""


@dataclass
class Screened:
    """Findings on one listener; `out_of` says from which kinds, or "all", and why."""

    catch_passed: int = 0
    catch_trials: int = 0
    out_of: dict[str, str] = field(default_factory=dict)


def attentive(answer: Answer, trial: Mapping[str, Any]) -> bool:
    """Whether an attention trial was passed."""
    if trial["kind"] == "mos":
        return max(answer.ratings.values()) <= SPOILED_MOS
    if trial["kind"] == "mushra":
        good = answer.ratings[trial["good"]]
        return all(good > v for sample, v in answer.ratings.items() if sample != trial["good"])
    return answer.choice == trial["good"]


def screen(listener: Listener, key: Mapping[str, Any]) -> Screened:
    """Judge one listener."""
    found = Screened()
    items = hidden_low = mid_high = 0
    for answer in listener.answers:
        trial = key["trials"][answer.trial]
        if trial.get("catch"):
            found.catch_trials += 1
            found.catch_passed += attentive(answer, trial)
        elif trial["kind"] == "mushra":
            items += 1
            system = {key["samples"][s]["system"]: value for s, value in answer.ratings.items()}
            hidden_low += system[HIDDEN] < NEAR_REFERENCE
            mid_high += system.get(MID_ANCHOR, 0) > NEAR_REFERENCE
    if found.catch_passed < CATCH_SHARE * found.catch_trials:
        passed = f"{found.catch_passed} of {found.catch_trials}"
        found.out_of["all"] = f"passed {passed} attention trials"
    elif hidden_low > FAILED_SHARE * items:
        found.out_of["mushra"] = f"hidden reference under 90 in {hidden_low} of {items} items"
    elif mid_high > FAILED_SHARE * items:
        found.out_of["mushra"] = f"mid anchor over 90 in {mid_high} of {items} items"
    return found
