"""Scores on the clock of latents: speakers have phones of their own, and speech has no notes."""

import numpy as np
import pytest

from espnet2_ext.data.latent_scores import N_PHONES, latent_score
from espnet2_ext.data.lyric_symbols import LYRIC_SYMBOLS
from espnet2_ext.score.music_score import MusicScore, Note, Phone

NOTES = (Note(0.0, 0.2, 60, "la", ("l", "a")), Note(0.2, 0.5, 62, "ni", ("n", "i")))
PHONES = (
    Phone(0.0, 0.1, "l", 0), Phone(0.1, 0.2, "a", 0), Phone(0.2, 0.3, "n", 1),
    Phone(0.3, 0.5, "i", 1),
)  # fmt: skip
SCORE = MusicScore(NOTES, PHONES)
IDS = [LYRIC_SYMBOLS.index(phone.phone) for phone in PHONES]


def test_frames_are_the_scores_and_as_many_as_the_latents():
    frames = latent_score(SCORE, 10, 7)
    assert frames.dtype == np.int32
    assert frames[:, 0].tolist() == [*IDS[:3], IDS[3], IDS[3], IDS[3], IDS[3]]
    assert frames[:, 1].tolist() == [60, 60, 62, 62, 62, 62, 62]
    assert len(latent_score(SCORE, 10, 3)) == 3


def test_the_second_speakers_phones_have_numbers_of_their_own():
    words = ["[S0]", "l", "a", "[S1]", "n", "i"]
    frames = latent_score(SCORE, 10, 5, words, spoken=True)
    second = [one + len(LYRIC_SYMBOLS) for one in IDS[2:]]
    assert frames[:, 0].tolist() == [*IDS[:2], second[0], second[1], second[1]]
    assert not frames[:, 1].any() and frames[:, 0].max() < N_PHONES


def test_a_text_of_other_phones_is_refused():
    with pytest.raises(ValueError, match="3 phones of the text are not the 4 of the score"):
        latent_score(SCORE, 10, 5, ["[S0]", "l", "a", "n"])
