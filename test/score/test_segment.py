import pytest

from espnet2_ext.score.music_score import MusicScore, Note, Phone
from espnet2_ext.score.segment import join_phones, split_at_rests, transpose

FPS = 50


def phrase(n_lines: int, leading_rest: bool = True) -> MusicScore:
    """Lines of four half-second notes with a rest of .6 s between."""
    notes, phones, t = [], [], 0.0

    def add(duration, midi, symbols):
        nonlocal t
        notes.append(Note(t, t + duration, midi, "la" if midi else "", symbols))
        step = duration / len(symbols)
        for k, symbol in enumerate(symbols):
            phones.append(Phone(t + k * step, t + (k + 1) * step, symbol, len(notes) - 1))
        t += duration

    if leading_rest:
        add(0.3, 0, ("SP",))
    for line in range(n_lines):
        if line:
            add(0.6, 0, ("AP",))
        for k in range(4):
            add(0.5, 60 + k, ("l", "a"))
    return MusicScore(tuple(notes), tuple(phones))


@pytest.mark.parametrize("leading_rest", [True, False])
@pytest.mark.parametrize("with_phones", [True, False])
def test_parts_add_up_and_join_to_the_whole(leading_rest, with_phones):
    whole = phrase(6, leading_rest)
    score = whole if with_phones else MusicScore(whole.notes)
    parts = split_at_rests(score, 5.5, FPS, 0.2)
    assert len(parts) == 3
    lengths = [p.score.duration_sec - p.pad_before_sec - p.pad_after_sec for p in parts]
    assert sum(lengths) == pytest.approx(whole.duration_sec)
    assert max(lengths) <= 5.5
    for part in parts:
        assert part.score.notes[0].is_rest and part.score.notes[-1].is_rest
    if with_phones:
        joined = join_phones(score, parts)
        assert [(p.phone, p.note) for p in joined.phones] == [
            (p.phone, p.note) for p in whole.phones
        ]
        for a, b in zip(joined.phones, whole.phones, strict=True):
            assert (a.start_sec, a.end_sec) == pytest.approx((b.start_sec, b.end_sec), abs=0.011)


def test_a_stretch_without_rests_is_never_cut():
    assert len(split_at_rests(phrase(1), 0.5, FPS)) == 1


def test_transpose_moves_sung_notes_only():
    moved = transpose(phrase(2), -12)
    assert {n.midi for n in moved.notes} == {0, 48, 49, 50, 51}
    with pytest.raises(ValueError, match="midi 180"):
        transpose(phrase(1), 120)
