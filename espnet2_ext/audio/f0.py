"""F0 of a recording with WORLD, guided by the score where there is one: a training feature.

It is independent of `espnet2_ext.judges`, whose extractor measures what models trained on this one
produce.
"""

import numpy as np

from espnet2_ext.audio.pitch import A4_HZ, hz_to_midi, midi_to_hz

VOICE_RANGE_HZ = (60.0, 1100.0)
"""Searched when nothing is known about the singer."""

RANGE_MARGIN_SEMITONES = 5.0
"""A glide or a vibrato leaves the written notes by less than this."""

GUIDE_TOLERANCE_SEMITONES = 3.0
"""A frame further than this from every note around it is an octave or consonant error."""

GUIDE_REACH_SEC = 0.12
"""How far a note's pitch may reach beyond its frames: glides, and timing that leads the beat."""

SHORT_GAP_SEC = 0.03
"""Holes up to this long inside a voiced stretch are the extractor's, not the singer's."""


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
            frame (T,), 0 at rests. Notes bound the search; notes per frame also repair octave
            errors and drop glitches at consonants.

    Returns:
        F0 (T,) in Hz as float32, 0 where unvoiced; T = N // hop_length.

    Raises:
        ValueError: `wav` is not a vector, or the frame notes are not (T,).
    """
    import pyworld  # WORLD costs nothing where it is not used

    if wav.ndim != 1:
        raise ValueError(f"wav must be a vector of samples, not {wav.shape}")
    n_frames = len(wav) // hop_length
    notes = None
    low_hz, high_hz = VOICE_RANGE_HZ
    if note_range_midi is not None:
        guide = np.asarray(note_range_midi, dtype=np.float64)
        if not isinstance(note_range_midi, tuple):
            notes = guide
            if notes.shape != (n_frames,):
                raise ValueError(f"notes must be ({n_frames},), one per frame, not {notes.shape}")
        sung = guide[guide > 0]
        if sung.size:
            low_hz = midi_to_hz(sung.min() - RANGE_MARGIN_SEMITONES)
            high_hz = midi_to_hz(sung.max() + RANGE_MARGIN_SEMITONES)
    if not n_frames:
        return np.zeros(0, dtype=np.float32)
    half = hop_length // 2  # WORLD centres its frames on multiples of the hop
    samples = np.pad(wav.astype(np.float64), (0, half))[half:]
    f0, times = pyworld.dio(
        samples,
        fs,
        f0_floor=float(low_hz),
        f0_ceil=float(high_hz),
        frame_period=1000.0 * hop_length / fs,
    )
    if notes is not None:
        f0[:n_frames] = fold_to_notes(
            f0[:n_frames], notes, round(GUIDE_REACH_SEC * fs / hop_length)
        )
    f0 = pyworld.stonemask(samples, f0, times, fs)[:n_frames]
    return fill_short_gaps(f0, round(SHORT_GAP_SEC * fs / hop_length)).astype(np.float32)


def fold_to_notes(f0: np.ndarray, notes: np.ndarray, reach_frames: int) -> np.ndarray:
    """Move octave errors to the score's octave and unvoice what no note nearby explains.

    Args:
        f0: F0 (T,) in Hz, 0 where unvoiced.
        notes: Nominal MIDI (T,), 0 at rests. Frames further than the reach from any note keep
            their value.
        reach_frames: Notes within this many frames are near.
    """
    # notes whose reach covers the frame: their lowest and highest pitch
    lowest = _sliding(np.where(notes > 0, notes, np.inf), reach_frames, np.minimum)
    highest = _sliding(np.where(notes > 0, notes, -np.inf), reach_frames, np.maximum)
    guided = (f0 > 0) & np.isfinite(lowest)
    midi = hz_to_midi(np.where(f0 > 0, f0, A4_HZ))
    folded = np.where(guided, 0.0, f0)
    for octaves in (0, 1, -1):  # the value itself first
        moved = midi + 12.0 * octaves
        fits = (
            guided
            & (folded == 0)
            & (moved >= lowest - GUIDE_TOLERANCE_SEMITONES)
            & (moved <= highest + GUIDE_TOLERANCE_SEMITONES)
        )
        folded[fits] = f0[fits] * 2.0**octaves
    return folded


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
