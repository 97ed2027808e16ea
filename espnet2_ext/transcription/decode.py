"""From each frame's pitch posteriors to notes: the likeliest path of notes that are long enough."""

from dataclasses import dataclass, replace

import numpy as np

from espnet2_ext.transcription.net import NOTE_ONSET, VOWEL_ONSET

REST = 0
MAX_CONSONANTS_SEC = 0.3
"""Before a vowel."""


@dataclass(frozen=True)
class DecodingConfig:
    """How frames become notes; the YAML's of inference.

    Args:
        min_note_sec: No note is shorter (s).
        min_rest_sec: No rest between notes is shorter (s).
        change_cost: Nats that a change of pitch costs, beyond what the posteriors say: the higher,
            the fewer notes. With onsets, beyond what these say.
        onset_weight: Of the onsets' log odds, where the model has them; 0: notes are told apart by
            pitch alone, and a repeated note is one.
    """

    min_note_sec: float = 0.1
    min_rest_sec: float = 0.06
    change_cost: float = 0.0
    onset_weight: float = 1.0

    def __post_init__(self) -> None:
        if min(self.min_note_sec, self.min_rest_sec, self.change_cost, self.onset_weight) < 0:
            raise ValueError("a negative time, cost or weight")


@dataclass(frozen=True)
class Segment:
    """Frames [start, end) of one note or rest.

    Args:
        start: First frame, of a note's first phone.
        end: After the last.
        pitch: Its pitch token.
        vowel: Frame at which its vowel begins; `start` where that is not known.
    """

    start: int
    end: int
    pitch: int
    vowel: int


def best_segments(
    log_probability: np.ndarray,
    min_frames: np.ndarray,
    change: np.ndarray,
    repeat: np.ndarray | None = None,
) -> list[Segment]:
    """The likeliest segments, by a Viterbi search over segments of at least a minimal length.

    What is sought has the largest sum of each frame's log posterior of its segment's pitch, and of
    what each boundary adds. The first and the last segment have a minimal length too, unless all
    is shorter.

    Args:
        log_probability: Of pitch tokens, two or more (L, C).
        min_frames: Least length of a segment of each pitch, from 1 (C,).
        change: What a boundary to another pitch at the start of a frame adds (L,).
        repeat: What a boundary between two notes of one pitch adds (L,); None: there is none.
    """
    L, C = log_probability.shape
    pitches = np.arange(C)
    again = np.full((L, C), -np.inf)
    if repeat is not None:
        again[:, pitches != REST] = repeat[:, None]
    total = np.concatenate([np.zeros((1, C)), np.cumsum(log_probability, axis=0)])
    # Of the frames before t, where a segment of pitch c, long enough, may end or go on at t:
    best = np.full((L + 1, C), -np.inf)
    begin = np.zeros((L + 1, C), np.int64)  # where it begins
    before = np.full((L + 1, C), -1)  # the pitch of the one before it
    top = np.zeros((L + 1, 2), np.int64)  # the two best pitches
    for t in range(1, L + 1):
        start = t - np.minimum(min_frames, L)
        s = np.maximum(start, 0)
        source = np.where(top[s, 0] != pitches, top[s, 0], top[s, 1])
        entry = best[s, source] + change[s]
        repeated = best[s, pitches] + again[s, pitches]
        source, entry = np.where(repeated > entry, pitches, source), np.maximum(entry, repeated)
        entry = np.where(s == 0, np.where(start < 0, -np.inf, 0.0), entry)
        opened = entry + total[t] - total[s, pitches]
        held = best[t - 1] + log_probability[t - 1]
        new = opened > held
        best[t] = np.where(new, opened, held)
        begin[t] = np.where(new, s, begin[t - 1])
        before[t] = np.where(new, source, before[t - 1])
        top[t] = np.argsort(best[t])[:-3:-1]
    segments: list[Segment] = []
    t, pitch = L, int(best[L].argmax())
    while t > 0:
        start = int(begin[t, pitch])
        segments.append(Segment(start, t, pitch, start))
        t, pitch = start, int(before[t, pitch])
    return segments[::-1]


def decode(
    log_probability: np.ndarray,
    onset: np.ndarray | None,
    fps: float,
    config: DecodingConfig | None = None,
) -> list[Segment]:
    """Segments of an utterance from what the model says of its frames.

    Args:
        log_probability: Log posteriors of pitch tokens (L, 128).
        onset: Log odds that a note begins at a frame, and that its vowel does (L, 2); None: the
            model does not tell.
        fps: Frames per second.
        config: How.
    """
    config = config or DecodingConfig()
    L, C = log_probability.shape
    least = [max(1, round(sec * fps)) for sec in (config.min_rest_sec, config.min_note_sec)]
    min_frames = np.where(np.arange(C) == REST, *least)
    boundary = np.full(L, -config.change_cost)
    if onset is None:
        return best_segments(log_probability, min_frames, boundary)
    boundary = boundary + config.onset_weight * onset[:, NOTE_ONSET]
    repeat = boundary if config.onset_weight else None
    segments = best_segments(log_probability, min_frames, boundary, repeat)
    most = max(1, round(MAX_CONSONANTS_SEC * fps))
    return [_with_vowel(segment, onset[:, VOWEL_ONSET], most) for segment in segments]


def _with_vowel(segment: Segment, log_odds: np.ndarray, most: int) -> Segment:
    """Find the likeliest beginning of a note's vowel, at most so many frames after its start."""
    if segment.pitch == REST:
        return segment
    last = min(segment.start + most + 1, (segment.start + segment.end + 1) // 2)
    vowel = segment.start + int(log_odds[segment.start : max(last, segment.start + 1)].argmax())
    return replace(segment, vowel=vowel)
