"""Phone error rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet2_ext.metrics.per import edit_distance, phone_errors, sung_phones
from espnet2_ext.score.music_score import MusicScore, Note, Phone


@pytest.mark.parametrize(
    ("hyp", "ref", "errors"),
    [("n i h ao", "n i h ao", 0), ("n i h a", "n i h ao", 1), ("n h ao", "n i h ao", 1),
     ("n i i h ao", "n i h ao", 1), ("", "n i h ao", 4), ("b a", "", 2), ("a b c", "c a b", 2)],
)  # fmt: skip
def test_known_distances(hyp, ref, errors):
    assert phone_errors(hyp.split(), ref.split()).errors == errors


def test_rests_are_no_phones():
    counts = phone_errors(["SP", "n", "i", "AP"], ["AP", "n", "i", "SP"])
    assert (counts.errors, counts.n_ref) == (0, 2)


def test_a_rate_can_exceed_one_and_needs_a_reference():
    assert phone_errors(["a", "b", "c", "d"], ["e"]).rate == 4
    assert phone_errors([], []).rate != phone_errors([], []).rate


def test_slurs_add_no_phone():
    notes = (Note(0, 1, 60, "la", ("l", "a")), Note(1, 2, 62, "—", ("a",), slur=True),
             Note(2, 3, 62, "a", ("a",)), Note(3, 4, 0, "", ("SP",)))  # fmt: skip
    phones = (Phone(0, 0.1, "l", 0), Phone(0.1, 1, "a", 0), Phone(1, 2, "a", 1),
              Phone(2, 3, "a", 2), Phone(3, 4, "SP", 3))  # fmt: skip
    assert sung_phones(MusicScore(notes, phones)) == ["l", "a", "a"]


def test_consonants_that_close_a_melisma_are_heard():
    notes = Note(0, 1, 60, "love", ("L", "AH")), Note(1, 2, 62, "—", ("AH", "V"), slur=True)
    phones = Phone(0, 0.1, "L", 0), Phone(0.1, 1, "AH", 0)
    phones += Phone(1, 1.9, "AH", 1), Phone(1.9, 2, "V", 1)
    assert sung_phones(MusicScore(notes, phones, language="en")) == ["L", "AH", "V"]


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_matches_the_textbook_recursion(hyp, ref):
    table = [[i + j for j in range(len(hyp) + 1)] for i in range(len(ref) + 1)]
    for i, r in enumerate(ref, 1):
        for j, h in enumerate(hyp, 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1,
                              table[i - 1][j - 1] + (r != h))  # fmt: skip
    assert edit_distance(hyp, ref) == table[-1][-1]
