"""Audio and score brought to one length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet2_ext.errors import UserError
from espnet2_ext.score.frames import expand
from espnet2_ext.score.music_score import MusicScore, Note, Phone
from espnet2_ext.tokenizer.align import extend_with_rest, fit_audio

FS, FPS = 24000, 50
SUNG = MusicScore(
    (Note(0, 0.5, 60, "a", ("a",)),), (Phone(0, 0.2, "a", 0), Phone(0.2, 0.45, "a", 0))
)
RESTED = MusicScore((*SUNG.notes, Note(0.5, 0.7, 0)), (*SUNG.phones[:1], Phone(0.2, 0.7, "SP", 1)))
BREATH = MusicScore(RESTED.notes, (*SUNG.phones[:1], Phone(0.2, 0.7, "AP", 1)))


def fit(n_samples: int, score):
    wav, fitted = fit_audio(np.ones(n_samples, np.float32), FS, FPS, score, "data: a")
    assert len(wav) == len(expand(fitted, {"a": 0, "SP": 1, "AP": 2}, FPS)) * FS // FPS
    return wav, fitted


def test_short_audio_is_padded():
    wav, score = fit(round(0.64 * FS), RESTED)
    assert score is RESTED and wav[-1] == 0 and wav.sum() == round(0.64 * FS)


def test_audio_that_misses_more_than_a_tenth_of_a_second_is_refused():
    with pytest.raises(UserError, match=r"data: a: audio of 0.500 s for a score of 0.700 s"):
        fit(round(0.5 * FS), RESTED)


def test_long_audio_lengthens_the_last_rest():
    _, score = fit(FS, RESTED)
    assert score.notes[-1].end_sec == score.phones[-1].end_sec == 1.0
    assert len(score.notes) == 2 and len(score.phones) == 2


def test_after_a_breath_comes_silence():
    _, score = fit(FS, BREATH)
    assert [p.phone for p in score.phones] == ["a", "AP", "SP"] and len(score.notes) == 2


def test_after_a_note_comes_a_rest():
    _, score = fit(FS, SUNG)
    assert score.notes[-1].is_rest and score.notes[-1].start_sec == 0.5
    assert score.phones[-1] == Phone(0.45, 1.0, "SP", 1)


def test_a_note_whose_nominal_time_reaches_further_is_held():
    score = extend_with_rest(SUNG, 0.49)
    assert score.notes == SUNG.notes and score.phones[-1].end_sec == 0.49


@given(st.integers(round(0.61 * FS), 2 * FS), st.sampled_from([RESTED, BREATH]))
def test_lengths_always_agree(n_samples, score):
    fit(n_samples, score)


def test_speech_is_cut_or_padded_to_whole_frames():
    for n_samples, n_frames in ((480 * 3 + 239, 3), (480 * 3 + 240, 4)):
        wav, score = fit_audio(np.ones(n_samples, np.float32), FS, FPS, None, "a")
        assert score is None and len(wav) == 480 * n_frames
    with pytest.raises(UserError, match="100 samples"):
        fit_audio(np.ones(100, np.float32), FS, FPS, None, "a")
