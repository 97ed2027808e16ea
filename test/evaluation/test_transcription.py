"""Which notes a transcription is held against, and its anchors."""

import numpy as np
import pytest

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.bin.report.transcription import table
from espnet2_ext.evaluation.transcription import (
    Transcribed,
    frame_notes,
    from_f0,
    majority_pitch,
    measure,
    of_one_pitch,
    sung_notes,
    written_notes,
)
from espnet2_ext.score.frames import expand
from espnet2_ext.score.music_score import MusicScore, Note, Phone
from espnet2_ext.transcription.decode import Segment

FPS = 50
SCORE = MusicScore(
    notes=(
        Note(0.0, 0.5, 0, "", ("SP",)),
        Note(0.5, 1.0, 60, "ta", ("t", "a")),
        Note(1.0, 1.5, 62, "—", ("a",), slur=True),
        Note(1.5, 2.0, 62, "ma", ("m", "a")),
        Note(2.0, 2.4, 0, "", ("SP",)),
    ),
    phones=(
        Phone(0.0, 0.4, "SP", 0),
        Phone(0.4, 0.52, "t", 1),
        Phone(0.52, 1.02, "a", 1),
        Phone(1.02, 1.4, "a", 2),
        Phone(1.4, 1.5, "m", 3),
        Phone(1.5, 2.06, "a", 3),
        Phone(2.06, 2.4, "SP", 4),
    ),
)
FRAMES = expand(SCORE, {"SP": 0, "t": 1, "a": 2, "m": 3}, FPS).stacked()


def rows(notes):
    return [
        (*map(float, span), int(m)) for span, m in zip(notes.intervals, notes.midi, strict=True)
    ]


def test_notes_begin_with_their_consonants_in_frames_and_with_their_vowels_in_scores():
    found = rows(frame_notes(FRAMES, FPS))
    assert found == [(0.4, 1.02, 60), (1.02, 1.4, 62), (1.4, 2.06, 62)]
    assert rows(sung_notes(SCORE)) == [(0.52, 1.02, 60), (1.02, 1.5, 62), (1.5, 2.06, 62)]
    assert rows(written_notes(SCORE)) == [(0.5, 1.0, 60), (1.0, 1.5, 62), (1.5, 2.0, 62)]


def test_what_is_right_scores_one():
    segments = [
        Segment(0, 20, 0, 0), Segment(20, 51, 60, 26), Segment(51, 70, 62, 51),
        Segment(70, 103, 62, 75), Segment(103, 120, 0, 103),
    ]  # fmt: skip
    result = measure([Transcribed.of(segments, FPS)], [FRAMES], FPS, [SCORE])
    assert result["frames"] == {"accuracy": 1, "precision": 1, "recall": 1, "f1": 1}
    for name in ("notes_of_frames", "sung_notes", "written_notes"):
        assert result[name]["COn"] == result[name]["COnPOff"] == 1, name
    assert result["sung_notes"]["n_ref"] == 3


def test_the_anchor_rounds_f0_and_hears_no_repeated_note():
    """Vibrato of half a semitone and a tuning of a fifth of one do not matter."""
    pitch = np.repeat(FRAMES[:, 1], 2)
    vibrato = 0.2 + 0.4 * np.sin(np.arange(len(pitch)) / 3)
    f0 = np.where(pitch, midi_to_hz(pitch + vibrato), 0.0)
    found = from_f0(f0, len(FRAMES), FPS)
    assert np.mean(found.pitch == FRAMES[:, 1]) > 0.95
    assert [m for *_, m in rows(found.notes)] == [60, 62]


def test_a_set_without_notes_has_no_note_metrics():
    rests = FRAMES[FRAMES[:, 1] == 0]
    found = of_one_pitch(len(rests), 0, FPS)
    systems = {"model": measure([found], [rests], FPS)}
    assert systems["model"]["notes_of_frames"]["COn"] is None
    shown = table({"n_utt": 1, "n_frames": len(rests), "systems": systems})
    assert "| model | 1.000 | 1.000 | 1.000 | 1.000 | n/a | n/a | n/a |" in shown


def test_the_majority_pitch():
    pitch = majority_pitch([FRAMES, FRAMES])
    assert pitch == 62
    found = of_one_pitch(len(FRAMES), pitch, FPS)
    expected = np.mean(FRAMES[:, 1] == 62)
    result = measure([found], [FRAMES], FPS)
    assert result["frames"]["accuracy"] == pytest.approx(expected)
    assert "sung_notes" not in result and len(of_one_pitch(9, 0, FPS).notes) == 0
