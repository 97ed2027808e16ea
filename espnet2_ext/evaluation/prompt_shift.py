"""The same scores sung with two prompts of a singer: how far F0 follows from one to the other."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espnet2_ext.evaluation.bootstrap import Interval, ratio_interval
from espnet2_ext.evaluation.prosody import Prosody
from espnet2_ext.evaluation.songs import sum_by_song
from espnet2_ext.metrics.musical import CENTS_PER_OCTAVE, cents
from espnet2_ext.metrics.versa_f0_mcd import MISMATCH_TOLERANCE

Tables = tuple[Mapping[str, str], Mapping[str, str]]


@dataclass(frozen=True)
class Twice:
    """A score sung with prompts A and B: F0 (Hz, 0 where unvoiced) of outputs and prompts, A first.

    Outputs are compared frame by frame: they have the same timing.
    """

    utt: str
    song: str
    outputs: tuple[np.ndarray, np.ndarray]
    prompts: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class UttShift:
    """Of one score; cents are those of B above A.

    Args:
        shift_cents: Mean over frames voiced in both outputs.
        median_cents: Median over them: octave errors of the F0 extractor do not move it.
        prompt_cents: Between the medians of the prompts' F0.
        n_frames: Frames voiced in both outputs.
    """

    utt: str
    song: str
    shift_cents: float
    median_cents: float
    prompt_cents: float
    n_frames: int


@dataclass(frozen=True)
class PromptShift:
    """Over scores, with 95% bootstrap intervals over songs.

    Args:
        shift_cents: Mean of the utterances' `shift_cents`.
        median_cents: Mean of their `median_cents`.
        prompt_cents: Mean of their `prompt_cents`.
        share: Of the prompts' interval, what the outputs follow: the slope, through the origin, of
            `shift_cents` over `prompt_cents`. 0: none; 1: all. Prompts of one pitch weigh nothing,
            and which prompt is called A does not matter.
        n_utt: Scores that could be measured.
        n_song: Their songs.
        utts: Each of them.
    """

    shift_cents: Interval
    median_cents: Interval
    prompt_cents: Interval
    share: Interval
    n_utt: int
    n_song: int
    utts: list[UttShift]


def measure(sung: Sequence[Twice]) -> PromptShift:
    """Compare the outputs of prompts A and B.

    Outputs whose lengths differ by a tenth or more (as VERSA counts it), and those without a frame
    voiced in both, are left out with a warning.
    """
    utts = [found for score in sung if (found := _shift(score)) is not None]
    songs = [utt.song for utt in utts]
    shift, median, prompt = (
        np.array([getattr(utt, name) for utt in utts], np.float64)
        for name in ("shift_cents", "median_cents", "prompt_cents")
    )

    def over_songs(numerators: np.ndarray, denominators: np.ndarray) -> Interval:
        if not len(utts) or not denominators.any():
            return Interval(*(float("nan"),) * 3)
        return ratio_interval(sum_by_song(songs, numerators), sum_by_song(songs, denominators))

    one = np.ones(len(utts))
    return PromptShift(
        shift_cents=over_songs(shift, one),
        median_cents=over_songs(median, one),
        prompt_cents=over_songs(prompt, one),
        share=over_songs(shift * prompt, prompt**2),
        n_utt=len(utts),
        n_song=len(set(songs)),
        utts=utts,
    )


def between_tables(
    a: Tables, b: Tables, heard: Mapping[str, Prosody], group: Mapping[str, str]
) -> PromptShift:
    """The same of files.

    Args:
        a: Paths of the outputs of prompts A, and of those prompts, by utterance.
        b: Of prompts B; the same utterances.
        heard: Prosody by path.
        group: Song, or what else intervals are over, by utterance.
    """
    return measure(
        [
            Twice(
                utt,
                group[utt],
                (heard[a[0][utt]].f0, heard[b[0][utt]].f0),
                (heard[a[1][utt]].f0, heard[b[1][utt]].f0),
            )
            for utt in a[0]
        ]
    )


def _shift(score: Twice) -> UttShift | None:
    a, b = score.outputs
    n, together = min(len(a), len(b)), len(a) + len(b)
    if together - 2 * n >= MISMATCH_TOLERANCE * together:
        logging.warning(
            "%s is left out: outputs of %d and %d frames are not of one timing",
            score.utt, len(a), len(b),
        )  # fmt: skip
        return None
    between = cents_between(a, b)
    low, high = (float(np.median(f0[f0 > 0])) if (f0 > 0).any() else 0.0 for f0 in score.prompts)
    if not len(between) or not low or not high:
        which = "outputs with a common voiced frame" if not len(between) else "two prompts"
        logging.warning("%s is left out: no F0 in %s", score.utt, which)
        return None
    apart = CENTS_PER_OCTAVE * math.log2(high / low)
    mean, median = float(np.mean(between)), float(np.median(between))
    return UttShift(score.utt, score.song, mean, median, apart, len(between))


def cents_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Interval (cents) from F0 contour `a` (T,) to `b` (T',), a value a frame voiced in both."""
    n = min(len(a), len(b))
    both = (a[:n] > 0) & (b[:n] > 0)
    return cents(b[:n][both], a[:n][both])


def text(result: PromptShift) -> str:
    """To read."""
    return (
        f"{result.n_utt} scores of {result.n_song} songs, each sung with two prompts; intervals "
        f"over songs\nfrom output A to output B: {result.shift_cents.text(1)} cents (mean over "
        f"frames), {result.median_cents.text(1)} (median)\nfrom prompt A to prompt B: "
        f"{result.prompt_cents.text(0)} cents\nshare that the outputs follow: "
        f"{result.share.text(4)}"
    )
