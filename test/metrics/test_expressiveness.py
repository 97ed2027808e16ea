"""Expressiveness on contours and spectrograms whose answer is known."""

import numpy as np
import pytest

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.evaluation.expressive_scoring import (
    Expression,
    Pair,
    summarize_expression,
    summarize_timing,
)
from espnet2_ext.metrics.expressiveness import (
    global_variance,
    group_takes,
    laplacian_variance,
    note_pitches,
    onset_deviations,
    vibrato,
    within_variance,
)
from espnet2_ext.metrics.musical import SungFinals
from espnet2_ext.score.music_score import MusicScore, Note, Phone

FPS = 100


def wave(cents: float, hz: float, seconds: float = 1.0, slope: float = 0.0) -> np.ndarray:
    t = np.arange(round(seconds * FPS)) / FPS
    return cents * np.sin(2 * np.pi * hz * t + 0.7) + slope * t


def held(off_cents: np.ndarray) -> tuple[np.ndarray, SungFinals]:
    """A single note on 60, sung `off_cents` (T,) beside it."""
    n = len(off_cents)
    finals = SungFinals(np.zeros(n, int), np.full(n, 60))
    return midi_to_hz(np.full(n, 60)) * 2 ** (off_cents / 1200), finals


@pytest.mark.parametrize(("cents", "hz"), [(30, 5.5), (60, 4.0), (12, 7.0)])
def test_vibrato_is_found_under_a_slope(cents, hz):
    depth, rate = vibrato(wave(cents, hz, slope=40), np.arange(FPS) / FPS)
    assert depth == pytest.approx(cents, rel=0.05) and rate == pytest.approx(hz, abs=0.15)


def test_a_straight_note_has_no_vibrato():
    assert vibrato(np.linspace(-20, 30, 80), np.arange(80) / FPS)[0] == pytest.approx(0, abs=1e-6)


def test_a_note_off_by_20_cents_with_vibrato():
    (note,) = note_pitches(*held(20 + wave(30, 5.0)), FPS)
    assert note.deviation_cents == pytest.approx(20, abs=6)
    assert note.spread_cents == pytest.approx(30 / np.sqrt(2), rel=0.1)
    assert note.vibrato_cents == pytest.approx(30, rel=0.1)


def test_an_octave_error_or_a_wrong_note_is_no_expression():
    off = 10 + wave(30, 5.0)
    off[40:46] += 1200
    (note,) = note_pitches(*held(off), FPS)
    assert note.spread_cents < 30 and note.vibrato_cents == pytest.approx(30, rel=0.1)
    assert note_pitches(*held(off + 200), FPS) == []


def test_short_and_silent_notes_say_little():
    (note,) = note_pitches(*held(np.zeros(30)), FPS)
    assert np.isnan(note.vibrato_cents) and note.spread_cents == pytest.approx(0, abs=1e-9)
    f0, finals = held(np.zeros(30))
    assert note_pitches(f0 * 0, finals, FPS) == []
    assert note_pitches(f0[:18], SungFinals(finals.note[:18], finals.midi[:18]), FPS) == []


def test_sharpness_falls_when_a_spectrogram_is_averaged():
    rng = np.random.default_rng(0)
    sharp = rng.normal(size=(200, 40))
    # Independent cells of unit variance: 4 neighbours and -4 times the middle.
    assert laplacian_variance(sharp) == pytest.approx(20, rel=0.1)
    ramp = np.add.outer(np.arange(20.0), np.arange(10.0))
    assert laplacian_variance(ramp) == pytest.approx(0, abs=1e-12)
    averaged = (sharp + rng.normal(size=sharp.shape)) / 2
    assert laplacian_variance(averaged) / laplacian_variance(sharp) == pytest.approx(0.5, rel=0.1)
    np.testing.assert_allclose(global_variance(averaged).mean(), 0.5, rtol=0.1)


def test_variance_over_takes_is_around_each_scores_own_mean():
    assert within_variance([[1.0, 3.0], [10.0, 10.0, 13.0], [5.0]]) == (2.0 + 6.0, 1 + 2)


def phrase(start: float = 0.1) -> MusicScore:
    notes = (Note(0.0, 0.5, 60, "la", ("l", "a")), Note(0.5, 1.0, 0, "", ("SP",)))
    phones = (Phone(0.0, start, "l", 0), Phone(start, 0.5, "a", 0), Phone(0.5, 1.0, "SP", 1))
    return MusicScore(notes, phones)


def test_timing_and_takes_of_a_score():
    assert onset_deviations(phrase(0.1)) == {0: pytest.approx(0.1)}
    scores = {"a": phrase(0.1), "b": phrase(0.15), "c": phrase(0.1)}
    assert group_takes(scores, {"a": "x", "b": "x", "c": "y"}) == [["a", "b"]]


def test_a_timing_that_is_always_the_same_has_no_variance_over_takes():
    performed = {u: phrase(start) for u, start in zip("abcd", (0.1, 0.2, 0.15, 0.15), strict=True)}
    same = {utt: phrase(0.15) for utt in performed}
    row = summarize_timing(same, performed, [["a", "b"], ["c", "d"]])
    assert row["timing_var"].value == row["takes_timing"].value == pytest.approx(0)
    row = summarize_timing(performed, performed, [["a", "b"], ["c", "d"]])
    assert row["timing_var"].value == row["takes_timing"].value == pytest.approx(1)
    # starts of 100, 200, 150 and 150 ms: 35.36 ms about their mean, on both sides
    assert row["performed_sd_ms"] == row["predicted_sd_ms"] == pytest.approx(1250**0.5)


def expression(off_cents: np.ndarray, sharpness: float = 1.0) -> Expression:
    notes = note_pitches(*held(off_cents), FPS)
    return Expression({n.note: n for n in notes}, sharpness, np.full(4, sharpness))


def test_a_system_that_sings_the_mean_of_two_takes():
    takes = {"a": 10 + wave(30, 5.0), "b": -10 + wave(40, 6.0)}
    mean = (takes["a"] + takes["b"]) / 2
    pairs = {u: Pair(expression(mean, 0.5), expression(take)) for u, take in takes.items()}
    row = summarize_expression(pairs, [["a", "b"]])
    assert row["takes_deviation_cents"].value == pytest.approx(0, abs=1e-9)
    assert row["vibrato_depth"].value < 0.9 and row["f0_spread"].value < 0.9
    assert row["mel_laplacian"].value == row["mel_gv"].value == pytest.approx(0.5)
    same = {u: Pair(expression(take), expression(take)) for u, take in takes.items()}
    for name, value in summarize_expression(same, [["a", "b"]]).items():
        assert value.value == pytest.approx(1), name


def test_without_several_takes_their_variance_is_not_said():
    row = summarize_expression({"a": Pair(expression(wave(9, 5)), expression(wave(9, 5)))}, [])
    assert np.isnan(row["takes_vibrato_cents"].value)
