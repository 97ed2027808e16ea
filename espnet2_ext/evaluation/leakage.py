"""Does the prompt's melody leak into the singing? (Zhao et al., CoMelSinger, Table I.)

The same score is sung with two prompts of one recording an octave apart. As the score says what to
sing, the output should be equally far from either prompt: differences to its own prompt (paired)
and to the other (unpaired) are compared, statistic by statistic. What the octave did to the output
is also measured directly: nothing leaks at 0, all of it at 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espnet2_ext.evaluation.bootstrap import Interval, mean_interval
from espnet2_ext.metrics.musical import cents

MOMENTS = ("mean", "std", "skew", "kurt")
SIDES = ("low", "high")
_ENERGY_WINDOW_SEC = 0.02
_FLOOR = 1e-10


@dataclass(frozen=True)
class Prosody:
    """What is compared: F0 (Hz, every 10 ms, 0 where unvoiced) and energy (dB) of a recording."""

    f0: np.ndarray
    energy_db: np.ndarray

    def statistics(self) -> dict[str, float]:
        """Mean, standard deviation, skewness and excess kurtosis of both; NaN without voice."""
        values = {"pitch_hz": self.f0[self.f0 > 0], "energy_db": self.energy_db}
        return {
            f"{name}_{moment}": value
            for name, samples in values.items()
            for moment, value in zip(MOMENTS, moments(samples), strict=True)
        }


@dataclass(frozen=True)
class Sung:
    """A score sung with both prompts: prosody of outputs and prompts, by side."""

    outputs: Mapping[str, Prosody]
    prompts: Mapping[str, Prosody]


@dataclass(frozen=True)
class Leakage:
    """Over utterances, each with its 95% bootstrap interval.

    Args:
        paired: Mean absolute difference of a statistic to the output's own prompt.
        unpaired: The same to the other prompt.
        excess: Unpaired minus paired: above 0, outputs resemble their own prompt.
        shift_cents: Mean interval from the output of the low prompt to that of the high one, over
            frames voiced in both.
        prompt_cents: The same between the prompts' median F0: about 1200.
        share: `shift_cents` over `prompt_cents`.
        n_utt: Utterances.
    """

    paired: dict[str, Interval]
    unpaired: dict[str, Interval]
    excess: dict[str, Interval]
    shift_cents: Interval
    prompt_cents: Interval
    share: Interval
    n_utt: int


def moments(samples: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, standard deviation, skewness, excess kurtosis (N,); NaN for fewer than two samples."""
    if len(samples) < 2:
        return (float("nan"),) * 4
    mean, std = float(np.mean(samples)), float(np.std(samples))
    z = (samples - mean) / std if std > 0 else np.zeros(len(samples))
    return mean, std, float(np.mean(z**3)), float(np.mean(z**4)) - 3 if std > 0 else 0.0


def energy_db(wav: np.ndarray, fs: int) -> np.ndarray:
    """Level (T,) of windows of 20 ms, in dB of full scale."""
    n = round(_ENERGY_WINDOW_SEC * fs)
    frames = wav[: len(wav) // n * n].reshape(-1, n)
    return 10 * np.log10(np.mean(frames**2, axis=1) + _FLOOR)


def measure(sung: Sequence[Sung]) -> Leakage:
    """Table I over utterances, and what the octave between the prompts did to the outputs."""
    differences: dict[str, list[tuple[float, float]]] = {}
    shifts, octaves = [], []
    for utterance in sung:
        outputs = {side: utterance.outputs[side].statistics() for side in SIDES}
        prompts = {side: utterance.prompts[side].statistics() for side in SIDES}
        for name in outputs["low"]:
            own = [abs(outputs[side][name] - prompts[side][name]) for side in SIDES]
            other = [
                abs(outputs[side][name] - prompts[opposite][name])
                for side, opposite in zip(SIDES, reversed(SIDES), strict=True)
            ]
            differences.setdefault(name, []).append((float(np.mean(own)), float(np.mean(other))))
        shifts.append(interval_between(utterance.outputs["low"].f0, utterance.outputs["high"].f0))
        low, high = (np.median(p.f0[p.f0 > 0]) for p in (utterance.prompts[s] for s in SIDES))
        octaves.append(float(cents(high, low)))
    table = {name: np.array(pairs) for name, pairs in differences.items()}
    shift, octave = np.array(shifts), np.array(octaves)
    return Leakage(
        paired={name: mean_interval(pairs[:, 0]) for name, pairs in table.items()},
        unpaired={name: mean_interval(pairs[:, 1]) for name, pairs in table.items()},
        excess={name: mean_interval(pairs[:, 1] - pairs[:, 0]) for name, pairs in table.items()},
        shift_cents=mean_interval(shift),
        prompt_cents=mean_interval(octave),
        share=mean_interval(shift / octave),
        n_utt=len(sung),
    )


def interval_between(low: np.ndarray, high: np.ndarray) -> float:
    """Mean interval (cents) from one F0 contour to another over frames voiced in both."""
    n = min(len(low), len(high))
    both = (low[:n] > 0) & (high[:n] > 0)
    return float(np.mean(cents(high[:n][both], low[:n][both]))) if both.any() else float("nan")
