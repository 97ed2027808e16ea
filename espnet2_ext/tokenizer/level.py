"""A recording as loud as a corpus: codes name levels, and models know those of their corpus.

A recording that is 20 dB softer than the corpus has codes that the models hardly saw, and the voice
that they sing in, or the notes that they hear, are others (docs/real_singing.md).
"""

from collections.abc import Iterable
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.tokenizer.codec import AudioCodec

LOUD_SHARE = 0.9
"""Of the frames, which are softer than the loud voice: silence and clicks do not tell its level."""
MOST_UTTS = 8
"""Of a pack's prompts or of a training set, from which its level is taken."""


def voice_level(mel: Tensor) -> float:
    """Level (nepers) of the louder frames of a natural-log mel (T, n_mels)."""
    return float((0.5 * torch.logsumexp(2 * mel, -1)).quantile(LOUD_SHARE))


@torch.no_grad()
def level_of(codec: AudioCodec, mel: MelConfig, utterances: Iterable[Tensor]) -> float:
    """Median `voice_level` of the first utterances, each codes (F, n_codebooks), as decoded."""
    levels = []
    for codes in islice(utterances, MOST_UTTS):
        if hasattr(codec, "decode_mel"):
            decoded = codec.decode_mel(codes[None])
        else:
            decoded = LogMel(mel)(codec.decode(codes[None]).float().cpu())
        levels.append(voice_level(decoded[0].cpu()))
    return float(np.median(levels))


@torch.no_grad()
def at_level(wav: np.ndarray, mel: MelConfig, level: float) -> Tensor:
    """Samples (N,) that are no silence with the gain that gives them `level`.

    They may leave [-1, 1]: codecs and features know no full scale.
    """
    samples = torch.as_tensor(wav, dtype=torch.float32)
    gain = level - voice_level(LogMel(mel)(samples[None])[0])
    return samples * float(np.exp(gain))
