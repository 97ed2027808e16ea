import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet2_ext.score.frames import expand, round_boundaries
from espnet2_ext.score.music_score import MusicScore, Note, Phone

durations = st.lists(st.floats(0, 2), min_size=1, max_size=40)


@given(durations, st.sampled_from([50, 100, 12.5, 86.1328125]))
def test_frames_sum_exactly_and_boundaries_stay_within_a_frame(seconds, fps):
    ends = np.cumsum(seconds)
    frames = round_boundaries(ends, fps)
    assert (frames >= 0).all()
    assert frames.sum() == np.floor(ends[-1] * fps + 0.5 + 1e-6)
    assert (np.abs(np.cumsum(frames) - ends * fps) <= 1.5 + 1e-6).all()
    for i in np.flatnonzero(frames == 0):
        around = frames[max(0, i - 1) : i + 2]
        assert (around <= 1).all(), "a neighbour could have given a frame"


@given(durations)
def test_long_phones_are_rounded_cumulatively(seconds):
    ends = np.cumsum(np.asarray(seconds) + 0.04)
    frames = round_boundaries(ends, 50)
    assert (np.cumsum(frames) == np.floor(ends * 50 + 0.5 + 1e-6)).all()


@pytest.mark.parametrize(
    ("ends", "frames"),
    [
        ([0.1, 0.2], [5, 5]),
        ([0.1, 0.104, 0.2], [4, 1, 5]),  # both neighbours have five; the earlier gives
        ([0.1, 0.1, 0.3], [5, 1, 9]),  # zero-length: the longer neighbour gives
        ([0.0, 0.1], [1, 4]),
        ([0.1, 0.1], [4, 1]),
        ([0.02, 0.02, 0.04], [1, 0, 1]),  # nothing to give
        ([0.0, 0.0, 0.1], [0, 1, 4]),
        ([0.25], [13]),
        ([0.004], [0]),
    ],
)
def test_golden_boundaries(ends, frames):
    assert round_boundaries(ends, 50).tolist() == frames


def test_boundaries_must_not_fall():
    with pytest.raises(ValueError, match="fall"):
        round_boundaries([0.5, 0.1], 50)


def test_expand_rest_slur_and_leading_consonant():
    notes = (Note(0, 0.1, 0), Note(0.1, 0.2, 60, "wo"), Note(0.2, 0.3, 64, "—", slur=True))
    phones = (Phone(0, 0.06, "SP", 0), Phone(0.06, 0.1, "w", 1), Phone(0.1, 0.2, "o", 1))
    score = MusicScore(notes, (*phones, Phone(0.2, 0.3, "o", 2)))
    frames = expand(score, {"SP": 7, "w": 8, "o": 9}, 50)
    assert (
        len(frames) == 15
        and frames.stacked().shape == (15, 4)
        and frames.stacked().dtype == np.int32
    )
    assert frames.phone_id.tolist() == [7] * 3 + [8] * 2 + [9] * 10
    assert frames.midi.tolist() == [0] * 3 + [60] * 7 + [64] * 5
    assert frames.phone_index.tolist() == [0] * 3 + [1] * 2 + [2] * 5 + [3] * 5
    assert frames.note_index.tolist() == [0] * 3 + [1] * 7 + [2] * 5


def test_expand_refuses_by_name():
    note = Note(0, 1, 60, "a")
    with pytest.raises(ValueError, match="'a' is not in the phone list"):
        expand(MusicScore((note,), (Phone(0, 1, "a", 0),)), {"o": 0}, 50)
    with pytest.raises(ValueError, match="without performed phones"):
        expand(MusicScore((note,)), {"a": 0}, 50)
    with pytest.raises(ValueError, match="not at 0"):
        expand(MusicScore((note,), (Phone(0.5, 1, "a", 0),)), {"a": 0}, 50)
