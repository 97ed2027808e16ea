"""Pitch in Hz and as MIDI numbers, in equal temperament: A4, MIDI 69, has 440 Hz."""

from typing import Any

import numpy as np

A4_HZ, A4_MIDI = 440.0, 69.0
OCTAVE = 12.0
"""In semitones."""


def midi_to_hz(midi: Any) -> Any:
    """Frequency (Hz) of MIDI numbers, which may be fractions: a number, an array or a tensor."""
    if hasattr(midi, "exp2"):  # a tensor, which keeps its precision
        return A4_HZ * ((midi - A4_MIDI) / OCTAVE).exp2()
    return A4_HZ * 2.0 ** ((np.asarray(midi, np.float64) - A4_MIDI) / OCTAVE)


def hz_to_midi(f0: Any) -> Any:
    """MIDI numbers, with fractions, of frequencies above 0 Hz: a number, an array or a tensor."""
    ratio = f0 / A4_HZ
    return A4_MIDI + OCTAVE * (ratio.log2() if hasattr(ratio, "log2") else np.log2(ratio))
