"""F0 extraction on signals whose F0 is known."""

import numpy as np
import pytest

from espnet2_ext.audio.f0 import extract_f0, fill_short_gaps, fold_to_notes
from espnet2_ext.audio.pitch import midi_to_hz

FS, HOP = 24000, 240


def sing(f0: np.ndarray) -> np.ndarray:
    """A buzz (harmonics falling by 1/k) at F0 (T,) Hz, silent where F0 is 0."""
    n = np.arange(len(f0) * HOP)
    hz = np.interp(n / HOP - 0.5, np.arange(len(f0)), f0)
    phase = 2 * np.pi * np.cumsum(hz) / FS
    wav = sum(np.cos(k * phase) / k for k in range(1, 16))
    loud = np.interp(n / HOP - 0.5, np.arange(len(f0)), (f0 > 0).astype(float))
    return (0.05 * wav * loud + 1e-4 * np.random.default_rng(0).standard_normal(len(n))).astype(
        np.float32
    )


def cents(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.abs(1200 * np.log2(found / true))


@pytest.mark.parametrize("guide", [None, "range", "frames"])
def test_vibrato_melody(guide: str | None) -> None:
    notes = np.repeat([60.0, 64.0, 67.0, 62.0], 60)
    t = np.arange(len(notes)) / 100
    true = midi_to_hz(notes + 0.3 * np.sin(2 * np.pi * 5.5 * t))
    given = {None: None, "range": (60.0, 67.0), "frames": notes}[guide]
    found = extract_f0(sing(true), FS, HOP, given)
    assert found.dtype == np.float32 and found.shape == notes.shape
    steady = np.abs(np.diff(notes, prepend=60)) == 0
    voiced = found > 0
    assert voiced.mean() > 0.97
    assert np.median(cents(found[voiced & steady], true[voiced & steady])) < 5


def test_silence_is_unvoiced_and_length_is_exact() -> None:
    assert (extract_f0(np.zeros(HOP * 20 + 7, np.float32), FS, HOP) == 0).all()
    assert extract_f0(np.zeros(HOP * 20 + 7, np.float32), FS, HOP).shape == (20,)
    assert extract_f0(np.zeros(HOP - 1, np.float32), FS, HOP).shape == (0,)


def test_octave_errors_fold_and_glitches_go() -> None:
    notes = np.full(40, 60.0)
    notes[30:] = 0
    true = float(midi_to_hz(60))
    f0 = np.full(40, true)
    f0[5], f0[6], f0[7] = true * 2, true / 2, true * 1.5
    f0[39] = 900.0  # far from any note: nothing to judge it by
    folded = fold_to_notes(f0, notes, reach_frames=3)
    np.testing.assert_allclose(folded[[5, 6]], true)
    assert folded[7] == 0 and folded[39] == 900.0
    np.testing.assert_array_equal(np.delete(folded, [5, 6, 7]), np.delete(f0, [5, 6, 7]))


def test_only_short_gaps_are_filled() -> None:
    f0 = np.array([0, 100, 0, 0, 100, 0, 0, 0, 200, 0.0])
    np.testing.assert_allclose(fill_short_gaps(f0, 2), [0, 100, 100, 100, 100, 0, 0, 0, 200, 0])


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="vector"):
        extract_f0(np.zeros((2, 4800), np.float32), FS, HOP)
    with pytest.raises(ValueError, match="one per frame"):
        extract_f0(np.zeros(4800, np.float32), FS, HOP, np.zeros(3))
