"""Musical metrics on tunes whose answer is known."""

import numpy as np
import pytest

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.metrics.musical import musical_scores, note_accuracy, sung_finals
from espnet2_ext.score.music_score import MusicScore, Note, Phone

FPS = 100


def phrase() -> MusicScore:
    """l-a on 60, a slur on 62, a rest, m-i on 64; half a second each."""
    return MusicScore(
        notes=(
            Note(0.0, 0.5, 60, "la", ("l", "a")),
            Note(0.5, 1.0, 62, "—", ("a",), slur=True),
            Note(1.0, 1.5, 0, "", ("SP",)),
            Note(1.5, 2.0, 64, "mi", ("m", "i")),
        ),
        phones=(
            Phone(0.0, 0.1, "l", 0),
            Phone(0.1, 0.5, "a", 0),
            Phone(0.5, 1.0, "a", 1),
            Phone(1.0, 1.5, "SP", 2),
            Phone(1.5, 1.6, "m", 3),
            Phone(1.6, 2.0, "i", 3),
        ),
    )


def sung(cents: float = 0.0) -> np.ndarray:
    """The phrase as written, consonants voiced, the rest unvoiced; detuned by `cents`."""
    f0 = np.repeat(midi_to_hz(np.array([60, 62, 0, 64])), 50) * 2 ** (cents / 1200)
    f0[100:150] = 0
    return f0


def finals():
    return sung_finals(phrase(), 200, FPS)


def test_the_grid_marks_finals_with_their_own_notes():
    marked = finals()
    assert (marked.note[:10] == -1).all() and (marked.note[10:50] == 0).all()
    assert (marked.midi[50:100] == 62).all() and (marked.midi[100:160] == 0).all()
    assert (marked.note[160:] == 3).all()


def test_singing_what_is_written_is_perfect():
    scores = musical_scores(sung(), sung(), finals())
    assert scores.f0_corr == pytest.approx(1) and scores.cents_rmse == 0
    assert (scores.semitone_acc, scores.note_acc, scores.vuv_error) == (1, 1, 0)
    assert (scores.n_frames, scores.n_notes) == (40 + 50 + 40, 3)


@pytest.mark.parametrize(("cents", "right"), [(49, 1), (-49, 1), (51, 0), (100, 0)])
def test_detuning_by_half_a_semitone_is_the_border(cents, right):
    scores = musical_scores(sung(cents), sung(), finals())
    assert scores.cents_rmse == pytest.approx(abs(cents))
    assert scores.semitone_acc == scores.note_acc == right
    assert scores.f0_corr == pytest.approx(1)


def test_an_octave_off_is_no_note_at_all():
    scores = musical_scores(sung(1200), sung(), finals())
    assert scores.cents_rmse == pytest.approx(1200)
    assert scores.semitone_acc == scores.note_acc == 0


def test_silence_wins_nothing():
    scores = musical_scores(np.zeros(200), sung(), finals())
    assert (scores.f0_corr, scores.semitone_acc, scores.note_acc) == (0, 0, 0)
    assert scores.vuv_error == pytest.approx(0.75) and np.isnan(scores.cents_rmse)


def test_one_wrong_note_of_three():
    f0 = sung()
    f0[50:100] *= 2 ** (2 / 12)
    assert musical_scores(f0, sung(), finals()).note_acc == pytest.approx(2 / 3)
    assert note_accuracy(f0, finals()) == (pytest.approx(2 / 3), 3)


def test_the_consonants_pitch_does_not_count_and_glides_only_where_they_last():
    f0 = sung()
    f0[:10] *= 3
    f0[50:60] = np.geomspace(midi_to_hz(60), midi_to_hz(62), 10)
    scores = musical_scores(f0, sung(), finals())
    assert scores.note_acc == 1 and 0.9 < scores.semitone_acc < 1


def test_a_longer_hypothesis_is_cut_and_a_shorter_one_is_unvoiced_where_it_ends():
    longer = np.r_[sung(), np.full(30, 500.0)]
    assert musical_scores(longer, sung(), finals()) == musical_scores(sung(), sung(), finals())
    shorter = musical_scores(sung()[:150], sung(), finals())
    assert shorter.vuv_error == pytest.approx(0.25)
    assert shorter.note_acc == pytest.approx(2 / 3)


def test_the_reference_must_be_on_the_scores_grid():
    with pytest.raises(ValueError, match="199 frames"):
        musical_scores(sung(), sung()[:199], finals())
