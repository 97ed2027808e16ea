"""Chords: of the key, and those that a melody asks for."""

import pytest

from espnet2_ext.corpora.mini_song.harmony import Chord, chords_of, harmonise, is_minor

C, A = 60, 57


def test_chords_of_a_key_are_its_triads_tonic_first():
    assert [chord.notes for chord in chords_of(C, "major")] == [
        (0, 4, 7), (2, 5, 9), (4, 7, 11), (5, 9, 0), (7, 11, 2), (9, 0, 4),
    ]  # fmt: skip
    minor = chords_of(A, "minor")
    assert minor[0] == Chord(9, (9, 0, 4)) and len(minor) == 6
    assert chords_of(A, "minor pentatonic") == minor and is_minor("minor pentatonic")
    assert chords_of(C, "major", sevenths=True)[4].notes == (7, 11, 2, 5)


def test_a_melody_of_chord_tones_gets_its_chords():
    bars = [
        [(60, 1), (64, 1), (67, 2)],  # C
        [(65, 2), (69, 1), (72, 1)],  # F
        [(67, 1), (71, 1), (74, 2)],  # G
        [(72, 4)],  # C
    ]
    roots = [chord.root for chord in harmonise(bars, C, "major")]
    assert roots == [0, 5, 7, 0]


def test_a_bar_without_singing_and_the_last_one_are_the_tonics():
    bars = [[], [(69, 2), (65, 2)], [(60, 4)]]
    chords = harmonise(bars, C, "major")
    assert chords[0].root == chords[-1].root == 0 and chords[1].root in (5, 2)


@pytest.mark.parametrize("midi", [40, 60, 67])
def test_chords_are_voiced_near_a_note(midi):
    for chord in chords_of(C, "major", sevenths=True):
        voiced = chord.near(midi)
        assert sorted(note % 12 for note in voiced) == sorted(chord.notes)
        assert all(abs(note - midi) <= 6 for note in voiced)
        assert chord.root_above(29) % 12 == chord.root and 29 <= chord.root_above(29) < 41
