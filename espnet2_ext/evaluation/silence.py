"""Digital silence in recordings, as noise gates leave it: said before MCD is measured.

Between nothing and almost nothing the distance of spectra is large, and MCD without DTW counts
every frame. A copy of a gated recording had 15.1 dB of VERSA's MCD, 6.1 where there was sound
(docs/real_singing.md).
"""

import logging
from collections.abc import Sequence

import numpy as np

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.evaluation.rendition import Task

LOOKED_AT = 8
"""Utterances; a corpus is alike in all."""
RUN_SEC = 0.02
"""Shorter runs of zeros are low bits of a soft sound."""
MOST_SHARE = 0.01
"""Of a recording: less moves MCD by little."""


def silent_share(wav: np.ndarray, fs: int) -> float:
    """Share of samples (N,) at a rate (Hz) that lie in runs of zeros of `RUN_SEC` or more."""
    if not len(wav):
        return 0.0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wav == 0, [False]])))
    lengths = edges[1::2] - edges[::2]
    return float(lengths[lengths >= RUN_SEC * fs].sum() / len(wav))


def warn_of_silence(tasks: Sequence[Task]) -> None:
    """Warn where recordings that MCD is measured against hold digital silence.

    Args:
        tasks: Utterances; the first few with WORLD metrics are looked at.
    """
    looked_at = [task for task in tasks if task.with_world and task.hyp != task.ref][:LOOKED_AT]
    shares = {task.utt: silent_share(*read_wav(task.ref)) for task in looked_at}
    gated = {utt: share for utt, share in shares.items() if share > MOST_SHARE}
    if gated:
        utt, share = next(iter(gated.items()))
        logging.warning(
            "%d of %d recordings looked at hold digital silence (%s: %.0f%%): MCD without DTW "
            "compares it with whatever a system has there; with DTW soft frames are left out",
            len(gated), len(looked_at), utt, 100 * share,
        )  # fmt: skip
