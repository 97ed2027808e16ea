import pytest

from espnet2_ext.score.music_score import MusicScore, Note, Phone

NOTES = (Note(0, 0.5, 0, "", ("SP",)), Note(0.5, 1.0, 60, "wo"), Note(1.0, 1.5, 62, "—", slur=True))


def test_consonant_may_lead_the_beat():
    phones = (Phone(0, 0.45, "SP", 0), Phone(0.45, 0.52, "w", 1), Phone(0.52, 1.0, "o", 1))
    phones += (Phone(1.0, 1.5, "o", 2),)
    score = MusicScore(NOTES, phones)
    assert score.duration_sec == 1.5 and score.notes[0].is_rest and not score.notes[1].is_rest


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ((), "without notes"),
        ((Note(0, 1, 128),), "midi 128"),
        ((Note(0, 1, -1),), "midi -1"),
        ((Note(-0.5, 1, 60),), "before 0"),
        ((Note(0, 0, 60),), "note 0: ends"),
        ((Note(0, float("nan"), 60),), "not a number"),
        ((Note(0, 1, 60), Note(0.9, 2, 60)), "note 1: .*before the previous"),
        ((Note(0, 1, 60), Note(1.1, 2, 60)), "note 1: .*after a gap"),
        ((Note(0, 1, 60, slur=True),), "slur without"),
        ((Note(0, 1, 0), Note(1, 2, 60, slur=True)), "note 1: a slur"),
        ((Note(0, 1, 60), Note(1, 2, 0, slur=True)), "note 1: a slur"),
    ],
)
def test_bad_notes_are_named(notes, message):
    with pytest.raises(ValueError, match=message):
        MusicScore(notes)


@pytest.mark.parametrize(
    ("phones", "message"),
    [
        ((Phone(0, 0.5, "SP", 0), Phone(0.5, 0.4, "w", 1)), "phone 1: ends"),
        ((Phone(0, 0.5, "SP", 0), Phone(0.6, 0.9, "w", 1)), "phone 1: .*gap"),
        ((Phone(0, 0.5, "w", 1), Phone(0.5, 0.9, "SP", 0)), "phone 1 'SP': note index"),
        ((Phone(0, 0.5, "SP", 3),), "phone 0 'SP': note index 3"),
        ((Phone(0, 0.5, "a", 0),), "phone 0 'a': rest"),
        ((Phone(0, 0.5, "SP", 1),), "phone 0 'SP': rest"),
    ],
)
def test_bad_phones_are_named(phones, message):
    with pytest.raises(ValueError, match=message):
        MusicScore(NOTES, phones)


@pytest.mark.parametrize("tempo", [0, -1, float("nan"), float("inf")])
def test_bad_tempo(tempo):
    with pytest.raises(ValueError, match="tempo"):
        MusicScore(NOTES, tempo=tempo)
