"""Frames to notes: the search against all segmentations, least lengths, repeated notes."""

import itertools

import numpy as np
import pytest

from espnet2_ext.transcription.decode import DecodingConfig, best_segments, decode
from espnet2_ext.transcription.inference import note_rows, pitch_tokens, written_rows

FPS = 50


def sure(pitches, n_tokens=128, p=0.9):
    """Log posteriors that are `p` sure of each frame's pitch (L, n_tokens)."""
    rest = (1 - p) / (n_tokens - 1)
    return np.log(np.where(np.arange(n_tokens) == np.array(pitches)[:, None], p, rest))


def spans(segments):
    return [(s.start, s.end, s.pitch) for s in segments]


def odds(n_frames, notes, vowels=()):
    """Log odds of onsets (L, 2)."""
    onset = np.full((n_frames, 2), -6.0)
    onset[list(notes), 0] = onset[list(vowels), 1] = 4.0
    return onset


def every_segmentation(L, C, min_frames, with_repeats):
    for n in range(1, L + 1):
        for cuts in itertools.combinations(range(1, L), n - 1):
            edges = [0, *cuts, L]
            for pitches in itertools.product(range(C), repeat=n):
                found = list(zip(edges, edges[1:], pitches, strict=False))
                repeats = [a[2] == b[2] for a, b in itertools.pairwise(found)]
                rests = [a[2] == b[2] == 0 for a, b in itertools.pairwise(found)]
                if any(rests) or (any(repeats) and not with_repeats):
                    continue
                if all(e - s >= min(L, min_frames[p]) for s, e, p in found):
                    yield found


@pytest.mark.parametrize("with_repeats", [False, True])
def test_the_search_finds_the_best_of_all_segmentations(with_repeats):
    rng = np.random.default_rng(0)
    L, C = 7, 3
    for _ in range(20):
        log_p = np.log(rng.dirichlet(np.ones(C), L))
        change, repeat = rng.normal(-0.5, 1, L), rng.normal(-0.5, 1, L)
        min_frames = rng.integers(1, 4, C)

        def score(found, log_p=log_p, change=change, repeat=repeat):
            total = sum(log_p[s:e, p].sum() for s, e, p in found)
            for a, b in itertools.pairwise(found):
                total += (repeat if a[2] == b[2] else change)[b[0]]
            return total

        best = max(every_segmentation(L, C, min_frames, with_repeats), key=score)
        given = repeat if with_repeats else None
        assert spans(best_segments(log_p, min_frames, change, given)) == best


def test_sure_frames_become_their_notes():
    pitches = [0] * 5 + [60] * 10 + [62] * 8 + [0] * 6
    found = spans(decode(sure(pitches), None, FPS))
    assert found == [(0, 5, 0), (5, 15, 60), (15, 23, 62), (23, 29, 0)]


def test_flickers_and_short_notes_are_smoothed():
    pitches = [60] * 9 + [61] + [60] * 9 + [0] + [60] * 3 + [64] + [62] * 10
    config = DecodingConfig(min_note_sec=0.08)
    found = spans(decode(sure(pitches, p=0.7), None, FPS, config))
    assert [pitch for _, _, pitch in found] == [60, 62] and found[1][0] in (23, 24)


def test_a_repeated_note_needs_an_onset():
    log_p = sure([60] * 20)
    onset = odds(20, [0, 10])
    assert spans(decode(log_p, onset, FPS)) == [(0, 10, 60), (10, 20, 60)]
    assert spans(decode(log_p, None, FPS)) == [(0, 20, 60)]
    assert spans(decode(log_p, onset, FPS, DecodingConfig(onset_weight=0))) == [(0, 20, 60)]


def test_a_written_note_begins_with_its_vowel():
    """The consonants before it belong to the note before it, or to the rest."""
    log_p = sure([0] * 10 + [60] * 20 + [62] * 20)
    segments = decode(log_p, odds(50, [10, 30], [14, 33]), FPS)
    assert spans(segments) == [(0, 10, 0), (10, 30, 60), (30, 50, 62)]
    assert [s.vowel for s in segments] == [0, 14, 33]
    assert note_rows(segments, FPS) == [(0.2, 0.6, 60), (0.6, 1.0, 62)]
    assert written_rows(segments, FPS) == [(0.28, 0.66, 60), (0.66, 1.0, 62)]
    assert pitch_tokens(segments).tolist() == [0] * 10 + [60] * 20 + [62] * 20
    assert written_rows(decode(log_p, None, FPS), FPS) == note_rows(segments, FPS)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_less_than_a_note_is_one_segment(n):
    assert spans(decode(sure([60] * n), None, FPS)) == [(0, n, 60)]


def test_negative_options_are_refused():
    with pytest.raises(ValueError):
        DecodingConfig(change_cost=-1)
