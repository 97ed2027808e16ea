"""F0 of a recording with WORLD, guided by the score where there is one: a training feature.

It is independent of `espnet2_ext.judges`, whose extractor measures what models trained on this one
produce.
"""

import numpy as np

from espnet2_ext.audio.pitch import A4_HZ, OCTAVE, hz_to_midi, midi_to_hz

VOICE_RANGE_HZ = (60.0, 1100.0)
"""Searched whatever the score says, and further where its notes lie outside."""

RANGE_MARGIN_SEMITONES = 5.0
"""A glide or a vibrato leaves the written notes by less than this."""

GUIDE_TOLERANCE_SEMITONES = 3.0
"""A frame further than this from every note around it may be an octave error."""

AGREED_SEMITONES = 1.0
"""The search among the notes is the finer one where it finds what the wide one found."""

GUIDE_REACH_SEC = 0.12
"""How far a note's pitch may reach beyond its frames: glides, and timing that leads the beat."""

SHORT_GAP_SEC = 0.03
"""Holes up to this long inside a voiced stretch are the extractor's, not the singer's."""

ODD_HARMONICS_DB = -15.0
"""Of two octaves the lower is sung where its odd harmonics lie above this against the even ones.

Where it is sung they are as strong, give or take formants; where it is not, they are noise.
"""
OCTAVE_JOIN_SEC, OCTAVE_HELD_SEC = 0.25, 0.05
"""Frames an octave off belong together across gaps up to the first; a singer holds them longer than
the second."""

ODD_HARMONICS_PERIODS, ODD_HARMONICS, ODD_HARMONICS_MAX_HZ = 4, 8, 4000.0
"""Periods of the lower octave that are looked at, and its harmonics: so many, below this."""


def extract_f0(
    wav: np.ndarray,
    fs: int,
    hop_length: int,
    note_range_midi: tuple[float, float] | np.ndarray | None = None,
) -> np.ndarray:
    """Extract F0 with WORLD's DIO, refined by StoneMask, one value per hop.

    Frame t is centred on the middle of its hop, as `LogMel` has it.

    Args:
        wav: Samples (N,) in [-1, 1].
        fs: Sampling rate in Hz.
        hop_length: Hop in samples.
        note_range_midi: What the score knows: lowest and highest note, or the nominal note of each
            frame (T,), 0 at rests. Either widens the search to notes outside `VOICE_RANGE_HZ`;
            notes per frame also repair octave errors. Whether a frame is voiced, and how far off
            its note it is, is heard and never taken from the score.

    Returns:
        F0 (T,) in Hz as float32, 0 where unvoiced; T = N // hop_length.

    Raises:
        ValueError: `wav` is not a vector, or the frame notes are not (T,).
    """
    import pyworld  # WORLD costs nothing where it is not used

    if wav.ndim != 1:
        raise ValueError(f"wav must be a vector of samples, not {wav.shape}")
    n_frames = len(wav) // hop_length
    notes = sung = np.zeros(0)
    if note_range_midi is not None:
        guide = np.asarray(note_range_midi, dtype=np.float64)
        if not isinstance(note_range_midi, tuple):
            notes = guide
            if notes.shape != (n_frames,):
                raise ValueError(f"notes must be ({n_frames},), one per frame, not {notes.shape}")
        sung = guide[guide > 0]
    if not n_frames:
        return np.zeros(0, dtype=np.float32)
    half = hop_length // 2  # WORLD centres its frames on multiples of the hop
    samples = np.pad(wav.astype(np.float64), (0, half))[half:]

    def search(low_hz: float, high_hz: float) -> tuple[np.ndarray, np.ndarray]:
        return pyworld.dio(
            samples,
            fs,
            f0_floor=float(low_hz),
            f0_ceil=float(high_hz),
            frame_period=1000.0 * hop_length / fs,
        )

    low_hz, high_hz = VOICE_RANGE_HZ
    if sung.size:
        low_note_hz = midi_to_hz(sung.min() - RANGE_MARGIN_SEMITONES)
        high_note_hz = midi_to_hz(sung.max() + RANGE_MARGIN_SEMITONES)
        low_hz, high_hz = min(low_hz, low_note_hz), max(high_hz, high_note_hz)
    f0, times = search(low_hz, high_hz)
    if notes.size:
        reach_frames = round(GUIDE_REACH_SEC * fs / hop_length)
        folded = fold_to_notes(f0[:n_frames], notes, reach_frames)
        f0[:n_frames] = choose_octaves(wav, fs, hop_length, f0[:n_frames], folded)
    if sung.size:
        narrow, _ = search(low_note_hz, high_note_hz)
        agreed = (f0 > 0) & (narrow > 0)
        agreed[agreed] = np.abs(np.log2(narrow[agreed] / f0[agreed])) < AGREED_SEMITONES / OCTAVE
        f0 = np.where(agreed, narrow, f0)
    f0 = pyworld.stonemask(samples, f0, times, fs)[:n_frames]
    return fill_short_gaps(f0, round(SHORT_GAP_SEC * fs / hop_length)).astype(np.float32)


def fold_to_notes(f0: np.ndarray, notes: np.ndarray, reach_frames: int) -> np.ndarray:
    """Move F0 by an octave where that, and not the value itself, is a note nearby.

    Args:
        f0: F0 (T,) in Hz, 0 where unvoiced.
        notes: Nominal MIDI (T,), 0 at rests.
        reach_frames: Notes within this many frames are near.

    Returns:
        F0 (T,) in Hz, voiced where `f0` is. What no octave explains keeps its value: the singer is
        off the notes.
    """
    # notes whose reach covers the frame: their lowest and highest pitch
    lowest = _sliding(np.where(notes > 0, notes, np.inf), reach_frames, np.minimum)
    highest = _sliding(np.where(notes > 0, notes, -np.inf), reach_frames, np.maximum)
    midi = hz_to_midi(np.where(f0 > 0, f0, A4_HZ))
    folded, open_ = f0.copy(), f0 > 0
    for octaves in (0, 1, -1):  # the value itself first
        moved = midi + 12.0 * octaves
        fits = (
            open_
            & (moved >= lowest - GUIDE_TOLERANCE_SEMITONES)
            & (moved <= highest + GUIDE_TOLERANCE_SEMITONES)
        )
        folded[fits] = f0[fits] * 2.0**octaves
        open_ &= ~fits
    return folded


def choose_octaves(
    wav: np.ndarray, fs: int, hop_length: int, f0: np.ndarray, folded: np.ndarray
) -> np.ndarray:
    """Take the score's octave, except where the sound has the other one.

    Singers sing an octave off what is written, a whole song at times; extractors miss by one too.
    The sound tells which: the odd harmonics of the lower octave are there or not.

    Args:
        wav: Samples (N,).
        fs: Their rate (Hz).
        hop_length: Hop in samples.
        f0: F0 (T,) in Hz as it was found.
        folded: F0 (T,) in Hz in the score's octaves.

    Returns:
        F0 (T,) in Hz, each frame that of `f0` or of `folded`.
    """
    chosen = folded.copy()
    for up in (True, False):
        moved = np.flatnonzero(folded > f0 if up else folded < f0)
        gaps = np.flatnonzero(np.diff(moved) > OCTAVE_JOIN_SEC * fs / hop_length) + 1
        for frames in np.split(moved, gaps):
            if len(frames) < OCTAVE_HELD_SEC * fs / hop_length:
                continue
            levels = [
                odd_harmonics_db(wav, fs, (frame + 0.5) * hop_length, min(f0[frame], folded[frame]))
                for frame in frames
            ]
            lower_is_sung = float(np.median(levels)) > ODD_HARMONICS_DB
            if lower_is_sung == up:
                chosen[frames] = f0[frames]
    return chosen


def odd_harmonics_db(wav: np.ndarray, fs: int, centre: float, hz: float) -> float:
    """Power of the odd harmonics of `hz` around a sample over that of the even ones, dB."""
    half = round(ODD_HARMONICS_PERIODS * fs / hz / 2)
    start = max(0, round(centre) - half)
    part = wav[start : round(centre) + half].astype(np.float64)
    part = (part - part.mean()) * np.hanning(len(part))
    highest = int(min(ODD_HARMONICS_MAX_HZ, fs / 2) / hz)
    harmonics = np.arange(1, max(2, min(ODD_HARMONICS, highest)) + 1)
    phases = -2j * np.pi * hz / fs * np.outer(harmonics, np.arange(len(part)))
    power = np.abs(np.exp(phases) @ part) ** 2
    odd, even = power[::2].sum(), power[1::2].sum()
    return float(10.0 * np.log10((odd + 1e-20) / (even + 1e-20)))


def fill_short_gaps(f0: np.ndarray, max_frames: int) -> np.ndarray:
    """Interpolate (in log F0) unvoiced holes of at most `max_frames` inside voiced stretches."""
    voiced = np.flatnonzero(f0 > 0)
    if voiced.size < 2:
        return f0
    filled = f0.copy()
    gaps = np.diff(voiced)
    for start, gap in zip(voiced[:-1][gaps > 1], gaps[gaps > 1], strict=True):
        if gap - 1 <= max_frames:
            inside = np.arange(1, gap) / gap
            ratio = f0[start + gap] / f0[start]
            filled[start + 1 : start + gap] = f0[start] * ratio**inside
    return filled


def _sliding(values: np.ndarray, reach: int, reduce: np.ufunc) -> np.ndarray:
    """Running minimum or maximum (T,) over ``2 * reach + 1`` frames."""
    edge = np.inf if reduce is np.minimum else -np.inf
    padded = np.pad(values, reach, constant_values=edge)
    return reduce.reduce(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1)
