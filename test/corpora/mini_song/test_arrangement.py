"""Accompaniments: on the beat, of the chord, and each genre's own."""

import numpy as np
import pytest

from espnet2_ext.corpora.mini.composer import METRES
from espnet2_ext.corpora.mini_song.arrangement import SIXTEENTHS, Clip, arrange
from espnet2_ext.corpora.mini_song.genres import CHORDAL, GENRES
from espnet2_ext.corpora.mini_song.harmony import chords_of
from espnet2_ext.corpora.mini_song.mixing import (
    ACCOMPANIMENT_DB,
    VOCAL_DB,
    balance,
    level_db,
)
from espnet2_ext.corpora.mini_song.playing import DRUMS
from espnet2_ext.corpora.mini_song.songs import bar_quarters

TONIC, FIFTH = chords_of(60, "major")[0], chords_of(60, "major")[4]


def clip_of(name, instruments=None, tempo=100):
    genre = GENRES[name]
    metre = next(metre for metre in METRES if metre.name == genre.metre)
    bar = bar_quarters(metre)
    if instruments is None:
        instruments = (*genre.chordal, "bass", "drums")
    return Clip(genre, instruments, (TONIC, FIFTH, TONIC), bar, 3 * bar + 2, tempo, 0.8)


@pytest.mark.parametrize("name", GENRES)
def test_patterns_fill_a_bar(name):
    clip = clip_of(name)
    patterns = [*clip.genre.drums.values(), clip.genre.bass]
    patterns += [rhythm.partition(":")[0] for rhythm in clip.genre.chordal.values()]
    assert {len(pattern) for pattern in patterns} == {round(clip.bar_quarters * SIXTEENTHS)}
    assert set(clip.genre.chordal) <= set(CHORDAL) and set(clip.genre.drums) <= set(DRUMS)


@pytest.mark.parametrize("name", GENRES)
def test_notes_are_of_the_chord_of_their_bar(name):
    clip = clip_of(name)
    notes = arrange(clip, np.random.default_rng(0))
    bar_sec = clip.bar_quarters * 60 / clip.tempo
    for note in notes:
        assert note.start_sec >= 0 and note.seconds > 0 and 0 < note.velocity <= 1
        bar = min(int(note.start_sec / bar_sec + 0.05), 2)
        if note.instrument in CHORDAL:
            assert note.midi % 12 in clip.chords[bar].notes
    end = max(note.start_sec + note.seconds for note in notes if note.instrument in CHORDAL)
    assert end == pytest.approx(clip.quarters * 60 / clip.tempo, abs=0.1)


def test_four_to_the_floor_and_the_off_beat():
    notes = arrange(clip_of("electronic", ("drums",), tempo=120), np.random.default_rng(0))
    kicks = sorted(note.start_sec for note in notes if note.instrument == "kick")
    hats = sorted(note.start_sec for note in notes if note.instrument == "hat")
    assert kicks[:12] == pytest.approx(np.arange(12) * 0.5)
    assert hats == pytest.approx(np.arange(12) * 0.5 + 0.25)


def test_jazz_swings():
    notes = arrange(clip_of("jazz", ("drums",), tempo=120), np.random.default_rng(0))
    rides = sorted(note.start_sec for note in notes if note.instrument == "ride")
    assert rides[:3] == pytest.approx([0, 0.5, 0.5 + 0.66 * 0.5])


def test_only_the_instruments_of_a_clip_play():
    notes = arrange(clip_of("pop", ("strings", "bass")), np.random.default_rng(0))
    assert {note.instrument for note in notes} == {"strings", "bass"}


@pytest.mark.parametrize("gain_db", [-6.0, 0.0])
def test_the_mix_is_the_sum_and_the_vocal_is_above(gain_db):
    rng = np.random.default_rng(0)
    vocal = 0.1 * rng.normal(size=16000) * np.repeat([0, 1], 8000)
    stems = balance(vocal, 0.9 * rng.normal(size=16000), 16000, gain_db)
    pcm = stems.mix * 32768
    assert np.array_equal(pcm, np.round(pcm)) and np.abs(stems.mix).max() < 0.96
    assert level_db(stems.vocal, 16000) == pytest.approx(VOCAL_DB + gain_db, abs=0.2)
    above = level_db(stems.vocal, 16000) - level_db(stems.accompaniment, 16000)
    assert above == pytest.approx(VOCAL_DB - ACCOMPANIMENT_DB, abs=0.2)


def test_what_would_clip_is_turned_down_together():
    spike = np.zeros(16000)
    spike[100::2000] = 1.0
    stems = balance(spike, np.roll(spike, 0), 16000, 6.0)
    assert np.abs(stems.mix).max() == pytest.approx(0.95, abs=1e-3)
