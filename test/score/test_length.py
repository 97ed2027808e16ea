"""Joining a generator's own length to the score's: what is kept, counted and refused."""

import logging

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.flow.sampler import SamplingConfig
from espnet2_ext.score.length import LengthCount, shared_frames

OF_20 = {"short": 3, "right": 20, "one more": 21, "more": 23, "fewer": 14}


@pytest.mark.parametrize("policy", ["pad", "trim"])
def test_what_both_have_is_kept(policy):
    shared = {name: shared_frames(policy, n, 20, name) for name, n in OF_20.items()}
    assert shared == {"short": 3, "right": 20, "one more": 20, "more": 20, "fewer": 14}


def test_exact_refuses_any_other_count_and_says_what_would_not():
    assert shared_frames("exact", 20, 20, "utt") == 20
    for n in (19, 21):
        with pytest.raises(UserError, match=f"utt: tokens: {n} frames .*20 as the score.*pad or"):
            shared_frames("exact", n, 20, "utt")


def test_lengths_are_counted_and_far_ones_named(caplog):
    count = LengthCount.of((name, n, 20) for name, n in OF_20.items())
    assert (count.equal, count.longer, count.shorter) == (1, 2, 2)
    assert (count.missing_frames, count.score_frames) == (17 + 6, 100)
    assert count.far == [("short", 3, 20), ("fewer", 14, 20)]
    with caplog.at_level(logging.INFO):
        count.log("test")
    counted, warned = caplog.records
    assert (counted.levelname, warned.levelname) == ("INFO", "WARNING")
    text = "1 as their score, 2 longer, 2 shorter (23 of 100 frames of the scores, 23.0%"
    assert text in counted.message
    assert "2 of 5" in warned.message and "short (3 frames for 20)" in warned.message


def test_a_runaway_is_as_far_as_a_stub_and_many_names_are_not_all_shown(caplog):
    count = LengthCount.of((f"u{k}", 26 if k % 2 else 2, 20) for k in range(9))
    count.log("test")
    assert len(count.far) == 9 and caplog.records[-1].message.endswith("and 4 more")
    caplog.clear()
    LengthCount.of([("a", 25, 20), ("b", 15, 20)]).log("test")
    assert not [r for r in caplog.records if r.levelname == "WARNING"]


def test_an_unknown_policy_is_refused():
    with pytest.raises(ValueError, match="length_policy 'stretch' is none of exact, pad, trim"):
        SamplingConfig(length_policy="stretch")
