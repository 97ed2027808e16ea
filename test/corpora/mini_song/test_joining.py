"""Joined speech: each piece where it is to be, rests joined, labels as long as the audio."""

import numpy as np
import pytest

from espnet2_ext.corpora.mini_song.joining import Piece, join
from espnet2_ext.score.music_score import MusicScore, Note, Phone

FS = 1000


def piece(phone, pause_sec):
    notes = (Note(0.0, 0.4, 60, "a", (phone,)), Note(0.4, 0.5, 0, "", ("SP",)))
    phones = (Phone(0.0, 0.4, phone, 0), Phone(0.4, 0.5, "SP", 1))
    return Piece(np.ones(500), MusicScore(notes, phones, language="zh"), pause_sec)


def test_pieces_stand_one_after_another():
    wav, score = join([piece("a", 0.3), piece("o", 0.1)], FS, 0.2)
    assert len(wav) == 200 + 500 + 300 + 500 + 100
    assert [(p.phone, round(p.start_sec, 6), round(p.end_sec, 6)) for p in score.phones] == [
        ("SP", 0, 0.2), ("a", 0.2, 0.6), ("SP", 0.6, 1.0), ("o", 1.0, 1.4), ("SP", 1.4, 1.6),
    ]  # fmt: skip
    assert [note.midi for note in score.notes] == [0, 60, 0, 60, 0]
    assert score.duration_sec == pytest.approx(len(wav) / FS)


def test_pieces_begin_and_end_softly():
    wav, _ = join([piece("a", 0.3)], FS, 0.0)
    assert wav[0] == wav[499] == 0 and wav[250] == 1 and not wav[500:].any()


def test_without_silence_there_is_no_rest():
    _, score = join([piece("a", 0.0)], FS, 0.0)
    assert [phone.phone for phone in score.phones] == ["a", "SP"]
