"""Jitter, shimmer and harmonics-to-noise ratio as Praat defines them, from samples and F0.

Written from Praat's manual ("Voice 2. Jitter", "Voice 3. Shimmer", "Sound & Pitch: To PointProcess
(cc)") and from Boersma (1993), "Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound"; what neither says was found by asking Praat, and a
test holds all three against it where praat-parselmouth is installed. The parameters are Praat's.
"""

from dataclasses import dataclass

import numpy as np

from espnet2_ext.metrics.harmonicity import mean_hnr_db

PERIOD_FLOOR_SEC, PERIOD_CEILING_SEC = 0.0001, 0.02
"""An interval between pulses outside these is no period of a voice."""
MAX_PERIOD_FACTOR = 1.3
"""Consecutive periods further apart are not compared: the pulse between them is a mistake."""
MAX_AMPLITUDE_FACTOR = 1.6
"""The same of consecutive amplitudes."""
AMPLITUDE_REACH = 0.2
"""Of a period, on either side of a pulse: where its amplitude is measured."""

SHORTEST_STEP, LONGEST_STEP = 0.8, 1.2
"""From a pulse to the next, in periods."""
LEAST_CORRELATION, EDGE_CORRELATION = 0.3, 0.7
"""Of a pulse with the one before it; of one just outside the voiced stretch."""


@dataclass(frozen=True)
class VoiceQuality:
    """Of a recording; NaN where there is too little voice.

    Args:
        jitter: Local jitter, a share of the mean period.
        shimmer: Local shimmer, a share of the mean amplitude.
        hnr_db: Mean harmonics-to-noise ratio (dB).
    """

    jitter: float
    shimmer: float
    hnr_db: float


def voice_quality(wav: np.ndarray, fs: int, times: np.ndarray, f0: np.ndarray) -> VoiceQuality:
    """Jitter and shimmer at the pulses that F0 leads to, and HNR, which needs none.

    Args:
        wav: Samples (N,).
        fs: Rate (Hz).
        times: Middles (s) of evenly spaced frames (T,).
        f0: Hz (T,), 0 where unvoiced.
    """
    wav = np.asarray(wav, np.float64)
    found = pulses(wav, fs, times, f0)
    return VoiceQuality(jitter(found), shimmer(wav, fs, found), mean_hnr_db(wav, fs))


def jitter(times: np.ndarray) -> float:
    """Jitter (local): mean absolute difference of consecutive periods over the mean period.

    Two neighbouring intervals are compared where both are between `PERIOD_FLOOR_SEC` and
    `PERIOD_CEILING_SEC` and their ratio is at most `MAX_PERIOD_FACTOR`. An interval that is further
    than that from both neighbours does not count in the mean period either.

    Args:
        times: Pulses (s) (K,), rising.

    Returns:
        A share, .01 being 1%; NaN without two periods to compare.
    """
    periods = np.diff(times)
    if len(periods) < 2:
        return float("nan")
    possible = _in_range(periods)
    far = _ratio(periods) > MAX_PERIOD_FACTOR
    compared = possible[1:] & possible[:-1] & ~far
    if not compared.any():
        return float("nan")
    lonely = np.r_[False, far] & np.r_[far, False]
    mean = float(np.mean(periods[possible & ~lonely]))
    return float(np.mean(np.abs(np.diff(periods))[compared])) / mean


def shimmer(wav: np.ndarray, fs: int, times: np.ndarray) -> float:
    """Shimmer (local): mean absolute difference of consecutive amplitudes over the mean amplitude.

    A pulse has an amplitude where the intervals before and after it are periods, as in `jitter`.
    Two are compared where they lie a period apart and their ratio is at most
    `MAX_AMPLITUDE_FACTOR`. As in Praat, the last amplitude is not part of the mean.

    Args:
        wav: Samples (N,).
        fs: Rate (Hz).
        times: Pulses (s) (K,), rising.

    Returns:
        A share, .01 being 1%; NaN without two amplitudes to compare.
    """
    at, amplitudes = pulse_amplitudes(wav, fs, times)
    if len(at) < 2:
        return float("nan")
    compared = _in_range(np.diff(at)) & (_ratio(amplitudes) <= MAX_AMPLITUDE_FACTOR)
    mean = float(np.mean(amplitudes[:-1]))
    if not compared.any() or mean <= 0:
        return float("nan")
    return float(np.mean(np.abs(np.diff(amplitudes))[compared])) / mean


def pulse_amplitudes(wav: np.ndarray, fs: int, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pulses (s) (M,) between two periods, and RMS (M,) around each.

    The RMS is weighted by a Hann window that reaches `AMPLITUDE_REACH` of the period before and of
    the period after the pulse.
    """
    periods = np.diff(times)
    possible = _in_range(periods)
    inner = possible[1:] & possible[:-1] & (_ratio(periods) <= MAX_PERIOD_FACTOR)
    places = np.flatnonzero(inner) + 1
    reach = AMPLITUDE_REACH * periods
    amplitudes = np.array(
        [_hann_rms(wav, fs, times[k], reach[k - 1], reach[k]) for k in places], np.float64
    )
    return times[places], amplitudes


def _hann_rms(wav: np.ndarray, fs: int, time: float, left: float, right: float) -> float:
    first = max(0, int(np.ceil((time - left) * fs - 0.5)))
    last = min(len(wav), int(np.floor((time + right) * fs - 0.5)) + 1)
    off = (np.arange(first, last) + 0.5) / fs - time  # a sample is in the middle of its interval
    window = 0.5 + 0.5 * np.cos(np.pi * off / np.where(off < 0, left, right))
    weight = float(np.sum(window**2))
    return float(np.sqrt(np.sum((wav[first:last] * window) ** 2) / weight)) if weight else 0.0


def _in_range(periods: np.ndarray) -> np.ndarray:
    return (periods >= PERIOD_FLOOR_SEC) & (periods <= PERIOD_CEILING_SEC)


def _ratio(values: np.ndarray) -> np.ndarray:
    """Of neighbours (n - 1,), the larger one over the smaller one."""
    pairs = np.maximum(np.stack([values[1:], values[:-1]]), 1e-300)
    return pairs.max(axis=0) / pairs.min(axis=0)


def pulses(wav: np.ndarray, fs: int, times: np.ndarray, f0: np.ndarray) -> np.ndarray:
    """Glottal pulses by cross-correlation of neighbouring periods.

    In each voiced stretch the first pulse is the largest sample within half a period of the middle.
    From there pulses are sought to both sides, .8 to 1.2 periods from the last, where the sound
    around (half a period to either side) correlates best with the sound around the last one. One
    that correlates by less than `LEAST_CORRELATION` is left out; one beyond the stretch's edge is
    the last, and is kept above `EDGE_CORRELATION`.

    Args:
        wav: Samples (N,).
        fs: Rate (Hz).
        times: Middles (s) of evenly spaced frames (T,).
        f0: Hz (T,), 0 where unvoiced.

    Returns:
        Times (s) (K,), rising; the first sample's middle is at half a sampling period.
    """
    found: list[float] = []
    voiced = np.flatnonzero(f0 > 0)
    if not len(voiced):
        return np.zeros(0)
    half = 0.5 * (times[1] - times[0]) if len(times) > 1 else 0.5 / f0[voiced[0]]
    for run in np.split(voiced, np.flatnonzero(np.diff(voiced) > 1) + 1):
        start, end = times[run[0]] - half, times[run[-1]] + half
        stretch = _Stretch(wav, fs, times[run], f0[run], start, end)
        middle = stretch.loudest()
        if middle is not None:
            left, right = stretch.walk(middle, -1), stretch.walk(middle, 1)
            found += [*left[::-1], middle, *right]
    return np.unique(found)


@dataclass(frozen=True)
class _Stretch:
    """A voiced stretch: samples (N,), F0 (Hz) at times (s) within it, its edges (s)."""

    wav: np.ndarray
    fs: int
    times: np.ndarray
    f0: np.ndarray
    start: float
    end: float

    def period(self, time: float) -> float:
        """In s."""
        return 1.0 / float(np.interp(time, self.times, self.f0))

    def loudest(self) -> float | None:
        """Time (s) of the largest sample around the middle; None where there is no sample."""
        middle = 0.5 * (self.start + self.end)
        half = 0.5 * self.period(middle)
        first = max(0, round((middle - half) * self.fs))
        part = np.abs(self.wav[first : round((middle + half) * self.fs) + 1])
        return (first + int(part.argmax()) + 0.5) / self.fs if len(part) else None

    def walk(self, time: float, way: int) -> list[float]:
        """Pulses (s) to one side of a pulse, to the right where `way` is 1, in walking order."""
        steps: list[float] = []
        while True:
            step, correlation = self._next(time, way)
            if step <= 0:
                return steps
            time += way * step
            inside = self.start <= time <= self.end
            if correlation >= (LEAST_CORRELATION if inside else EDGE_CORRELATION):
                steps.append(time)
            if not inside:
                return steps

    def _next(self, time: float, way: int) -> tuple[float, float]:
        """From a pulse to the next (s), and how well they correlate; 0 at the sound's ends."""
        period = self.period(time)
        half = max(1, round(0.5 * period * self.fs))
        width = 2 * half + 1
        centre = int(time * self.fs)
        least = int(np.floor(SHORTEST_STEP * period * self.fs))
        most = int(np.ceil(LONGEST_STEP * period * self.fs))
        here = self.wav[max(0, centre - half) : centre + half + 1]
        low = centre - half + (least if way > 0 else -most)
        there = self.wav[max(0, low) : low + width + most - least]
        if centre < half or low < 0 or len(here) < width or len(there) < width + most - least:
            return 0.0, 0.0
        products = np.correlate(there, here, "valid")
        squares = np.concatenate([[0.0], np.cumsum(there**2)])
        energies = (squares[width:] - squares[:-width]) * float(here @ here)
        r = products / np.sqrt(np.maximum(energies, 1e-300))
        best = int(r.argmax())
        peak, shift = float(r[best]), 0.0
        if 0 < best < len(r) - 1:
            bend = r[best - 1] - 2 * r[best] + r[best + 1]
            if bend < 0:
                shift = float(0.5 * (r[best - 1] - r[best + 1]) / bend)
        lag = (least + best + shift) if way > 0 else (most - best - shift)
        return lag / self.fs, peak
