"""Fréchet audio distances of the rows of a table, with intervals over songs.

It is a number of a whole set, so that it stands in a file of its own and not in the scores of
utterances.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from operator import add

import numpy as np

from espnet2_ext.evaluation.bootstrap import Interval, bootstrap
from espnet2_ext.metrics.frechet import Moments, frechet_distance

N_DRAWS = 200


def moments_by_song(
    wavs: Iterable[tuple[np.ndarray, int]],
    songs: Sequence[str],
    embed: Callable[[np.ndarray, int], np.ndarray],
) -> dict[str, Moments]:
    """Moments of the embeddings of each song's utterances.

    Args:
        wavs: Samples (N,) and rate of each utterance.
        songs: The song of each.
        embed: Samples and rate to embeddings (n, D).
    """
    found: dict[str, Moments] = {}
    for (wav, fs), song in zip(wavs, songs, strict=True):
        moments = Moments.of(embed(wav, fs))
        found[song] = found[song] + moments if song in found else moments
    return found


def distance(hyp: Mapping[str, Moments], ref: Mapping[str, Moments]) -> Interval:
    """FAD of the songs of two rows; a draw takes the same songs of both.

    The percentile interval lies too high where songs are few, since a drawn set has fewer different
    songs than the whole: it says how far rows vary together, not where the true value lies.
    """
    songs = sorted(hyp.keys() & ref.keys())

    def statistic(drawn: np.ndarray) -> float:
        sets = ([side[songs[k]] for k in drawn] for side in (hyp, ref))
        return frechet_distance(*(reduce(add, moments) for moments in sets))

    return bootstrap(len(songs), statistic, N_DRAWS)
