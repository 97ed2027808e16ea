"""Mean durations of spoken phones, and phone times made of them."""

import pytest

from espnet2_ext.duration.phone_means import PhoneMeans
from espnet2_ext.errors import UserError
from espnet2_ext.score.music_score import MusicScore, Note, Phone

NOTES = (Note(0, 0.1, 0, "", ("SP",)), Note(0.1, 0.5, 60, "la", ("l", "a")),
         Note(0.5, 0.8, 60, "la", ("l", "a")))  # fmt: skip
PHONES = (Phone(0, 0.1, "SP", 0), Phone(0.1, 0.2, "l", 1), Phone(0.2, 0.5, "a", 1),
          Phone(0.5, 0.7, "l", 2), Phone(0.7, 0.8, "a", 2))  # fmt: skip
SCORE = MusicScore(NOTES, PHONES)


def test_means_are_of_each_phone_and_come_back(tmp_path):
    means = PhoneMeans.of([SCORE])
    assert means.seconds == pytest.approx({"a": 0.2, "l": 0.15}) and means.pause_sec == 0.1
    means.save(tmp_path / "means.json")
    assert PhoneMeans.load(tmp_path / "means.json") == means
    (tmp_path / "means.json").write_text('{"seconds": 3}')
    with pytest.raises(UserError, match="no mean durations"):
        PhoneMeans.load(tmp_path / "means.json")
    with pytest.raises(ValueError, match="no phones"):
        PhoneMeans.of([])


def test_durations_are_the_means_or_fill_a_length():
    means = PhoneMeans({"l": 0.1, "a": 0.3}, 0.2)
    assert means.durations(["SP", "l", "a", "x"]) == pytest.approx([0.2, 0.1, 0.3, 0.2])
    assert sum(means.durations(["SP", "l", "a"], 3.0)) == pytest.approx(3.0)


def test_a_score_is_performed_with_vowels_on_the_beat():
    notes = (Note(0, 0.5, 60, "la", ("l", "a")), Note(0.5, 1.0, 62, "la", ("l", "a")))
    performed = PhoneMeans({"l": 0.1, "a": 0.3}, 0.2).performed(MusicScore(notes))
    assert [p.phone for p in performed.phones] == ["l", "a", "l", "a"]
    assert performed.phones[2].start_sec == pytest.approx(0.4)
    assert performed.phones[3].start_sec == pytest.approx(0.5)
    assert performed.duration_sec == 1.0
