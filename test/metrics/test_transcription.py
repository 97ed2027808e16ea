"""Note and frame metrics: by hand, and against mir_eval where it is installed."""

import numpy as np
import pytest

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.metrics.transcription import (
    NoteCounts,
    Notes,
    frame_scores,
    note_counts,
    pooled_counts,
)

REF = Notes.of([(0.0, 1.0, 60), (1.0, 2.0, 62), (2.0, 2.1, 64)])


def counts(*rows):
    found = note_counts(Notes.of(rows), REF)
    return found.on, found.onp, found.onpoff


def test_what_each_of_the_three_asks_for():
    assert counts((0.05, 1.2, 60.5)) == (1, 1, 1), "at the edge of each tolerance"
    assert counts((0.0501, 1.0, 60)) == (0, 0, 0)
    assert counts((0.0, 1.0, 60.51)) == (1, 0, 0)
    assert counts((0.0, 1.21, 60)) == (1, 1, 0)
    assert counts((2.0, 2.15, 64)) == (1, 1, 1), "of a short note, 50 ms"
    assert counts((2.0, 2.16, 64)) == (1, 1, 0)


def test_a_note_answers_one_note_and_as_many_as_possible_do():
    ref = Notes.of([(0.0, 0.5, 60), (0.04, 0.5, 60)])
    assert note_counts(Notes.of([(0.0, 0.5, 60)] * 3), ref).on == 2
    # the first could take either; the second can take the first alone
    assert note_counts(Notes.of([(0.03, 0.5, 60), (-0.03, 0.5, 60)]), ref).on == 2


def test_f1_of_counts_and_of_nothing():
    found = pooled_counts([note_counts(REF, REF), NoteCounts(1, 3), NoteCounts()])
    assert found == NoteCounts(4, 6, 3, 3, 3)
    assert found.f1("on") == pytest.approx(0.6)
    assert (found.precision("onp"), found.recall("onpoff")) == (0.5, 0.75)
    assert np.isnan(NoteCounts().f1("on")) and NoteCounts(1, 0).f1("on") == 0


def random_notes(rng, n):
    starts = np.sort(rng.uniform(1, 5, n))  # mir_eval takes no times before 0
    return Notes(np.stack([starts, starts + rng.uniform(0.05, 0.6, n)], 1),
                 rng.choice([60, 60.4, 61, 62], n))  # fmt: skip


def test_it_counts_as_mir_eval_does():
    transcription = pytest.importorskip("mir_eval.transcription")
    rng = np.random.default_rng(0)
    for n in range(1, 30):
        ref = random_notes(rng, n)
        moved = Notes(ref.intervals + rng.uniform(-0.06, 0.06, (n, 1)), ref.midi)
        for est in (random_notes(rng, int(rng.integers(1, 30))), moved):
            found = note_counts(est, ref)
            given = (ref.intervals, midi_to_hz(ref.midi), est.intervals, midi_to_hz(est.midi))
            off = transcription.precision_recall_f1_overlap(*given)
            on_pitch = transcription.precision_recall_f1_overlap(*given, offset_ratio=None)
            on = transcription.onset_precision_recall_f1(ref.intervals, est.intervals)
            for name, theirs in (("on", on), ("onp", on_pitch), ("onpoff", off)):
                ours = (found.precision(name), found.recall(name), found.f1(name))
                assert ours == pytest.approx(theirs[:3])


def test_frames_by_hand():
    scores = frame_scores(np.array([0, 60, 60, 61]), np.array([0, 60, 61, 61]))
    assert scores.accuracy == 0.75
    assert scores.precision == pytest.approx((1 + 0.5 + 1) / 3)
    assert scores.recall == pytest.approx((1 + 1 + 0.5) / 3)
    assert scores.f1 == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


def test_frames_as_scikit_learn_has_them():
    from sklearn.metrics import precision_recall_fscore_support

    rng = np.random.default_rng(0)
    est, ref = rng.integers(0, 9, 200), rng.integers(1, 8, 200)
    theirs = precision_recall_fscore_support(ref, est, average="macro", zero_division=0)
    ours = frame_scores(est, ref)
    assert (ours.precision, ours.recall, ours.f1) == pytest.approx(theirs[:3])


def test_no_frames_are_refused():
    with pytest.raises(ValueError):
        frame_scores(np.array([]), np.array([]))
