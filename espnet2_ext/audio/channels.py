"""One channel of several: the mean, and what is known of it beforehand.

Two microphones before one voice, or the same samples twice, have a mean that is the voice. Channels
of opposite phase have a mean that is silence, and are refused. Channels that hold different sounds
(accompaniment left, voice right) have a mean that is both, which no rule here can part: said aloud.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from espnet2_ext.errors import UserError

CANCELLED_DB = -9.0
"""The mean has so much less power than that of unrelated channels would: little is left of them."""
EMPTY_DB = -40.0
"""Against the loudest: a channel that holds nothing."""
UNRELATED, LEVELS_AGREE = 0.1, 0.6
"""Of two channels that hold different sounds, the waveforms, at the best delay, correlate less than
the one, and the levels over time less than the other. One real singer before two microphones, in
rooms of up to 1 s, reaches .19 and .90; two singers, or one and his voice transposed, .02
and .38."""
DIFFERENT_EXPECTED = "a voice alone, or one channel"
DELAY_SEC, LEVEL_SEC = 0.02, 0.02
BLOCK_SEC, MOST_BLOCKS = 1.0, 30
_SILENCE = 1e-12
"""Power (-120 dB of full scale)."""


@dataclass(frozen=True)
class Channels:
    """How the channels of a recording go together.

    Args:
        number: Channels.
        differ: Whether any sample does.
        mean_db: Power of their mean (dB), 0 being that of the mean of unrelated channels.
        unrelated: Whether neighbours, empty ones left out, hold different sounds.
    """

    number: int
    differ: bool
    mean_db: float = 0.0
    unrelated: bool = False

    @classmethod
    def of(cls, wav: np.ndarray, fs: int) -> "Channels":
        """Compare the channels of finite samples (N, channels) at a rate (Hz)."""
        number = wav.shape[1]
        if number == 1 or not (wav != wav[:, :1]).any():
            return cls(number, False)
        power = np.mean(wav**2, axis=0, dtype=np.float64)
        mean_power = float(np.mean(mean(wav) ** 2, dtype=np.float64))
        mean_db = _db(mean_power) - _db(power.sum() / number**2)
        loud = np.flatnonzero(power > power.max() * 10 ** (EMPTY_DB / 10))
        pairs = itertools.pairwise(loud)
        unrelated = any(not _related(wav[:, pair], fs) for pair in pairs)
        return cls(number, True, mean_db, unrelated)

    @property
    def cancel(self) -> bool:
        """Whether their mean is next to nothing."""
        return self.mean_db < CANCELLED_DB

    @property
    def different(self) -> str:
        """In words, for messages."""
        return f"{self.number} channels that hold different sounds"


def mean(wav: np.ndarray) -> np.ndarray:
    """Samples (N, channels) to one channel (N,): the mean of all, so that none is lost."""
    if wav.shape[1] == 1:
        return np.ascontiguousarray(wav[:, 0])
    return wav.mean(axis=1, dtype=wav.dtype)


def mix(wav: np.ndarray, fs: int, place: object) -> tuple[np.ndarray, Channels]:
    """Samples (N, channels) to one channel (N,), and how they go together.

    Raises:
        UserError: they cancel each other; `place` names them.
    """
    channels = Channels.of(wav, fs)
    if channels.cancel:
        found = f"{channels.number} channels that cancel each other"
        raise UserError(place, found, "channels of one phase, or one channel")
    return mean(wav), channels


def _db(power: float) -> float:
    return float(10.0 * np.log10(power + _SILENCE))


def _related(pair: np.ndarray, fs: int) -> bool:
    """Whether two channels (N, 2) are of one sound: as a waveform, however delayed, or in level."""
    from scipy import fft

    size = min(len(pair), round(BLOCK_SEC * fs))
    number = len(pair) // size
    chosen = np.unique(np.linspace(0, number - 1, min(number, MOST_BLOCKS)).astype(int))
    blocks = np.stack([pair[k * size : (k + 1) * size] for k in chosen])  # (B, W, 2)
    power = np.sum(blocks**2, axis=(0, 1), dtype=np.float64)
    if power.min() < _SILENCE:
        return True  # not judged
    delay = min(size - 1, round(DELAY_SEC * fs))
    n_fft = fft.next_fast_len(size + delay, real=True)
    spectra = fft.rfft(blocks, n_fft, axis=1)
    correlation = fft.irfft((spectra[..., 0].conj() * spectra[..., 1]).sum(axis=0), n_fft)
    near = np.concatenate([correlation[: delay + 1], correlation[n_fft - delay :]])
    if np.abs(near).max() > UNRELATED * np.sqrt(power.prod()):
        return True
    hop = max(1, round(LEVEL_SEC * fs))
    frames = blocks[:, : size // hop * hop].reshape(-1, hop, 2)
    level = np.mean(frames**2, axis=1, dtype=np.float64)
    if len(level) < 3:
        return True
    level_db = 10.0 * np.log10(level + level.max(axis=0) * 10 ** (EMPTY_DB / 10))
    steady = level_db.std(axis=0) < 1e-3
    return bool(not steady.any() and np.corrcoef(level_db.T)[0, 1] > LEVELS_AGREE)
