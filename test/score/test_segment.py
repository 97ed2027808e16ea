import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet2_ext.score.music_score import REST_PHONES, MusicScore, Note, Phone
from espnet2_ext.score.segment import Part, split_at_rests, transpose

from .strategies import scores

FPS = 50


def timed(*notes: tuple[float, int, str]) -> MusicScore:
    """Notes (seconds, midi, phones with spaces between), each performed as written."""
    written, phones, t = [], [], 0.0
    for index, (duration, midi, symbols) in enumerate(notes):
        names = tuple(symbols.split())
        written.append(Note(t, t + duration, midi, "la" if midi else "", names))
        step = duration / len(names)
        for k, symbol in enumerate(names):
            phones.append(Phone(t + k * step, t + (k + 1) * step, symbol, index))
        t += duration
    return MusicScore(tuple(written), tuple(phones))


def phrase(n_lines: int, leading_rest: bool = True, rest: str = "AP") -> MusicScore:
    """Lines of four half-second notes with a rest of .6 s between."""
    lines = [[(0.6, 0, rest), *((0.5, 60 + k, "l a") for k in range(4))] for _ in range(n_lines)]
    first = [(0.3, 0, "SP")] if leading_rest else []
    return timed(*first, *lines[0][1:], *itertools.chain(*lines[1:]))


def rejoined(parts: list[Part]) -> list[tuple[str, str, int, float, float]]:
    """Phone, lyric, midi and times of all parts; a rest that was cut is one again."""
    joined: list[tuple[str, str, int, float, float]] = []
    for part in parts:
        shift = part.start_sec - part.pad_before_sec
        phones = list(part.score.phones)
        phones = phones[part.pad_before_sec > 0 : len(phones) - (part.pad_after_sec > 0)]
        for k, phone in enumerate(phones):
            note = part.score.notes[phone.note]
            start, end = phone.start_sec + shift, phone.end_sec + shift
            if joined and not k:
                assert phone.phone == joined[-1][0] and phone.phone in REST_PHONES
                start = joined.pop()[3]
            joined.append((phone.phone, note.lyric, note.midi, start, end))
    return joined


def assert_joins_to(score: MusicScore, parts: list[Part]) -> None:
    joined = rejoined(parts)
    wanted = [(p, score.notes[p.note]) for p in score.phones]
    assert [j[:3] for j in joined] == [(p.phone, n.lyric, n.midi) for p, n in wanted]
    for found, (phone, _) in zip(joined, wanted, strict=True):
        assert found[3:] == pytest.approx((phone.start_sec, phone.end_sec), abs=1e-6)


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
        assert_joins_to(whole, parts)


def test_a_cut_does_not_fall_into_a_consonant_that_leads_the_beat():
    """Two thirds of the written rest are performed as the next syllable's consonant."""
    whole = timed((0.5, 0, "SP"), (8.0, 60, "a"), (0.3, 0, "AP"), (3.0, 62, "s i"), (0.5, 0, "SP"))
    early = [*whole.phones[:2], Phone(8.5, 8.6, "AP", 2), Phone(8.6, 8.8, "s", 3)]
    score = MusicScore(whole.notes, (*early, Phone(8.8, 11.8, "i", 3), whole.phones[-1]))
    first, second = split_at_rests(score, 10.0, FPS, 0.2)
    assert second.start_sec == pytest.approx(8.55, abs=0.011)
    assert [p.phone for p in second.score.phones] == ["AP", "s", "i", "SP"]
    assert [p.phone for p in first.score.phones] == ["SP", "a", "AP"]
    assert_joins_to(score, [first, second])


def test_a_cut_does_not_fall_into_a_vowel_that_is_held_into_the_rest():
    whole = timed((8.0, 60, "a"), (0.6, 0, "SP"), (3.0, 62, "s i"))
    held = (Phone(0, 8.4, "a", 0), Phone(8.4, 8.6, "SP", 1), *whole.phones[2:])
    parts = split_at_rests(MusicScore(whole.notes, held), 10.0, FPS, 0.2)
    assert parts[1].start_sec == pytest.approx(8.5)
    assert_joins_to(MusicScore(whole.notes, held), parts)


def test_a_rest_that_is_not_performed_is_no_place_to_cut():
    whole = timed((8.0, 60, "a"), (0.6, 0, "SP"), (3.0, 62, "s i"))
    held = (Phone(0, 8.55, "a", 0), Phone(8.55, 8.6, "SP", 1), *whole.phones[2:])
    assert len(split_at_rests(MusicScore(whole.notes, held), 10.0, FPS)) == 1


def test_a_silence_is_cut_rather_than_a_breath():
    lines = [(3.0, 60, "l a"), (0.4, 0, "SP"), (3.0, 60, "l a"), (0.8, 0, "AP"), (3.0, 60, "l a")]
    score = timed(*lines)
    assert [p.start_sec for p in split_at_rests(score, 8.0, FPS)] == [0.0, pytest.approx(3.2)]
    # where a breath must be cut too, the breaths after the silence are not forgotten
    starts = [p.start_sec for p in split_at_rests(score, 5.0, FPS)]
    assert starts == [0.0, pytest.approx(3.2), pytest.approx(6.8)]


def test_of_a_long_silence_only_the_edges_are_sung():
    score = timed((12.0, 0, "SP"), (1.0, 60, "l a"), (30.0, 0, "SP"), (1.0, 62, "l a"))
    parts = [p for p in split_at_rests(score, 10.0, FPS, 0.2) if not p.is_silent]
    assert [p.start_sec for p in parts] == pytest.approx([11.5, 42.5])
    assert [p.score.duration_sec for p in parts] == pytest.approx([2.0, 1.7])
    breath = timed((1.0, 60, "l a"), (30.0, 0, "AP"), (1.0, 62, "l a"))
    parts = split_at_rests(breath, 10.0, FPS, 0.2)
    assert not any(p.is_silent for p in parts)
    assert_joins_to(breath, parts)


def test_a_score_of_rests_has_nothing_to_sing():
    assert all(p.is_silent for p in split_at_rests(timed((60.0, 0, "SP")), 10.0, FPS, 0.2))
    assert not split_at_rests(timed((1.0, 0, "SP"), (1.0, 0, "AP")), 10.0, FPS)[0].is_silent


@given(
    scores(timed=True, max_notes=20, max_lead=0.95),
    st.floats(0.1, 4.0),
    st.sampled_from([50, 75, 12]),
)
def test_any_performance_can_be_cut_and_joined(score, max_sec, fps):
    parts = split_at_rests(score, max_sec, fps, 0.2)
    assert_joins_to(score, parts)
    for part in parts[1:]:
        assert part.start_sec * fps == pytest.approx(round(part.start_sec * fps))
        inside = [p for p in score.phones if p.start_sec < part.start_sec < p.end_sec]
        assert [p.phone in REST_PHONES for p in inside] == [True]


def test_a_stretch_without_rests_is_never_cut():
    assert len(split_at_rests(phrase(1), 0.5, FPS)) == 1


def test_transpose_moves_sung_notes_only():
    moved = transpose(phrase(2), -12)
    assert {n.midi for n in moved.notes} == {0, 48, 49, 50, 51}
    with pytest.raises(ValueError, match="midi 180"):
        transpose(phrase(1), 120)
