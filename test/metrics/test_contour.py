"""The contour against the take: known answers of raw pitch accuracy, notes as sung, vibrato."""

import numpy as np
import pytest

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.metrics.contour import (
    contour_scores,
    interval_ious,
    raw_pitch_accuracy,
    sung_intervals,
)
from espnet2_ext.metrics.musical import SungFinals

FPS = 100


def sung(depth_semitones: float = 0.4) -> np.ndarray:
    """Notes of .6 s: two a tone apart in one breath, a pause of .1 s, the second one again."""
    t = np.arange(60) / FPS
    wave = depth_semitones * np.sin(2 * np.pi * 5.5 * t)
    return np.r_[midi_to_hz(60 + wave), midi_to_hz(62 + wave), np.zeros(10), midi_to_hz(62 + wave)]


def finals() -> SungFinals:
    note = np.r_[np.repeat([0, 1], 60), np.full(10, -1), np.full(60, 2)]
    return SungFinals(note, np.where(note < 0, 0, np.array([60, 62, 62])[note]))


def test_log_f0_is_compared_over_frames_voiced_in_both():
    reference = sung()
    raised = np.where(np.arange(len(reference)) < 30, 0, reference * np.exp(0.042))
    scores = contour_scores(raised, reference, finals(), FPS)
    assert scores.f0_rmse_log == pytest.approx(0.042)
    assert 1200 / np.log(2) * 0.042 == pytest.approx(72.7, abs=0.1)  # cents
    assert np.isnan(contour_scores(0 * reference, reference, finals(), FPS).f0_rmse_log)


def test_a_take_against_itself_is_right():
    scores = contour_scores(sung(), sung(), finals(), FPS)
    assert (scores.rpa, scores.rhythm_iou, scores.vibrato_error) == (1, 1, 0)
    assert (scores.n_voiced, scores.n_sung, scores.n_vibrato) == (180, 3, 3)


def test_raw_pitch_accuracy_counts_the_references_voiced_frames():
    reference = np.array([100.0, 100, 100, 100, 0, 0])
    f0 = np.array([100.0, 102.8, 103.0, 0, 100, 0])  # 48 and 51 cents
    assert raw_pitch_accuracy(f0, reference) == 0.5
    assert np.isnan(raw_pitch_accuracy(f0, np.zeros(6)))


@pytest.mark.parametrize("depth", [0, 0.4, 1.0])
def test_notes_are_told_apart_by_pitch_and_voice_and_not_by_vibrato(depth):
    found = sung_intervals(sung(depth), FPS)
    assert len(found) == 3
    assert np.abs(found - [[0, 60], [60, 120], [130, 190]]).max() <= 4
    lapse = sung(depth)
    lapse[[30, 31, 150]] = 0  # an extractor's
    assert np.abs(sung_intervals(lapse, FPS) - found).max() <= 4
    assert sung_intervals(np.zeros(50), FPS).shape == (0, 2)


def test_overlap_falls_with_late_short_and_missing_notes():
    reference = sung_intervals(sung(), FPS)
    assert interval_ious(reference + 12, reference)[2] == pytest.approx(48 / 72)
    ious = [
        contour_scores(f0, sung(), finals(), FPS).rhythm_iou
        for f0 in (np.r_[np.zeros(12), sung()], np.r_[sung()[:120], np.zeros(70)], np.zeros(190))
    ]
    late = [48 / 72, 48 / 72, 48 / 60]  # what lasts beyond the recording is cut
    assert ious[0] == pytest.approx(np.mean(late), abs=0.03)
    assert ious[1] == pytest.approx(2 / 3, abs=0.03) and ious[2] == 0
    joined = contour_scores(np.full(190, midi_to_hz(61)), sung(), finals(), FPS)  # one note for all
    assert joined.rhythm_iou == pytest.approx(60 / 190, abs=0.02)


def test_a_steady_voice_misses_the_depth_of_the_vibrato():
    scores = contour_scores(sung(0), sung(0.4), finals(), FPS)
    assert scores.vibrato_error == pytest.approx(40, abs=2)
    half = contour_scores(sung(0.2), sung(0.4), finals(), FPS)
    assert half.vibrato_error == pytest.approx(20, abs=2)
    silent = contour_scores(np.zeros(190), sung(), finals(), FPS)
    assert np.isnan(silent.vibrato_error) and silent.n_vibrato == 0
