"""svs_lb tokens of frames and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet2_ext.score.frames import expand
from espnet2_ext.score.music_score import MusicScore, Note, Phone
from espnet2_ext.tokenizer.svs_lb import (
    PLACEHOLDER,
    SvsLabelConfig,
    frames_to_tokens,
    tokens_to_frames,
)

PHONES = ["SP", "AP", "n", "i"]


def test_golden():
    tokens = frames_to_tokens([2, 3, 3], [60, 60, 60], [0, 1, 1], PHONES)
    assert tokens == ["svs_n", "svs_60", "svs_i", "svs_60", "svs_i", "svs_60"]
    tokens = frames_to_tokens([2, 3, 3], [60, 60, 60], [0, 1, 1], PHONES, placeholder=True)
    assert tokens == ["svs_n", "svs_60", PLACEHOLDER, "svs_i", "svs_60", "svs_i", "svs_60"]


segments = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 127), st.integers(1, 4)), min_size=1, max_size=8
)


@given(segments)
def test_round_trip_with_placeholders_is_exact(spans):
    rows = [(p, m, i) for i, (p, m, n) in enumerate(spans) for _ in range(n)]
    phone_id, midi, index = np.array(rows).T
    frames = tokens_to_frames(frames_to_tokens(phone_id, midi, index, PHONES, True), PHONES)
    if len(spans) > 1:
        assert np.array_equal(frames.phone_index, index)
    assert np.array_equal(frames.phone_id, phone_id) and np.array_equal(frames.midi, midi)


@given(segments)
def test_round_trip_without_placeholders_keeps_phones_and_pitch(spans):
    rows = [(p, m, i) for i, (p, m, n) in enumerate(spans) for _ in range(n)]
    phone_id, midi, index = np.array(rows).T
    frames = tokens_to_frames(frames_to_tokens(phone_id, midi, index, PHONES), PHONES)
    assert np.array_equal(frames.phone_id, phone_id) and np.array_equal(frames.midi, midi)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["svs_zz", "svs_60"], "token 0 'svs_zz'"),
        (["n", "svs_60"], "token 0 'n'"),
        (["svs_n"], "token 1"),
        (["svs_n", "svs_128"], "token 1"),
        (["svs_n", "svs_60", "svs_60"], "token 2 'svs_60'"),
    ],
)
def test_malformed_tokens_are_named(tokens, message):
    with pytest.raises(ValueError, match=message):
        tokens_to_frames(tokens, PHONES)


def test_per_phone_rounding_drifts_as_upstream_does():
    score = MusicScore(
        notes=(Note(0, 0.06, 60, "ni", ("n", "i")), Note(0.06, 0.12, 0, "", ("SP",))),
        phones=(Phone(0, 0.03, "n", 0), Phone(0.03, 0.06, "i", 0), Phone(0.06, 0.12, "SP", 1)),
    )
    frames = expand(score, {phone: i for i, phone in enumerate(PHONES)}, 50, "per_phone")
    tokens = frames_to_tokens(frames.phone_id, frames.midi, frames.phone_index, PHONES)
    # .03 s is 1.5 frames, rounded to 2 twice: 7 frames where the audio has 6
    assert tokens[::2] == ["svs_n"] * 2 + ["svs_i"] * 2 + ["svs_SP"] * 3
    assert tokens[-1] == "svs_0"


def test_unknown_rounding_is_refused():
    with pytest.raises(ValueError, match="nearest"):
        SvsLabelConfig(rounding="nearest")
