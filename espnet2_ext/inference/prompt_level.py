"""A prompt as loud as a pack's own: codes name levels, and models know those of their corpus.

A recording that is 20 dB softer than the corpus has codes that the models hardly saw, and the voice
that they sing in is another one (docs/real_singing.md).
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from espnet2_ext.inference.codec_step import CodecStep
from espnet2_ext.tokenizer.tokenizers import Tokenizers

LOUD_SHARE = 0.9
"""Of the frames, which are softer than the loud voice: silence and clicks do not tell its level."""
MOST_PROMPTS = 8
"""Of a pack, from which its level is taken."""


def voice_level(mel: Tensor) -> float:
    """Level (nepers) of the louder frames of a natural-log mel (T, n_mels)."""
    return float((0.5 * torch.logsumexp(2 * mel, -1)).quantile(LOUD_SHARE))


def level_of(tokenizers: Tokenizers, prompts: Iterable[Tensor]) -> float:
    """Median `voice_level` of prompts, each tokens (P, n_streams), as the codec decodes them."""
    rows = list(prompts)[:MOST_PROMPTS]
    mels = CodecStep(tokenizers)({"codec_ssl": rows}, [""] * len(rows))["mel"]
    return float(np.median([voice_level(mel) for mel in mels]))


def at_level(wav: np.ndarray, tokenizers: Tokenizers, level: float) -> Tensor:
    """Samples (N,) that are no silence with the gain that gives them `level`.

    They may leave [-1, 1]: codecs and features know no full scale.
    """
    samples = torch.from_numpy(wav)
    gain = level - voice_level(tokenizers.log_mel(samples))
    return samples * float(np.exp(gain))
