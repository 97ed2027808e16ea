"""Batches that are sung: codes, scores and prompts of small utterances, and models for them."""

import torch

from espnet2_ext.conditions.condition import Sizes
from espnet2_ext.data.batch import Batch
from espnet2_ext.masked.config import MaskedConfig, NetworkConfig
from espnet2_ext.masked.model import ACOUSTIC, MaskedModel

CODES = (9, 12, 12)
"""One semantic stream, two acoustic ones."""


def score(n_frames: int, generator: torch.Generator) -> torch.Tensor:
    """Notes of one to three frames, about every fifth a rest (F, 4)."""
    note = torch.randint(2, (n_frames,), generator=generator).cumsum(0)
    note = (note + torch.arange(n_frames) // 3).unique(return_inverse=True)[1]
    midi = torch.randint(58, 66, (n_frames,), generator=generator)[note]
    rest = torch.rand(n_frames, generator=generator)[note] < 0.2
    phone = torch.randint(4, (n_frames,), generator=generator)
    return torch.stack([phone, midi.masked_fill(rest, 0), torch.arange(n_frames), note], 1)


def sung_batch(lengths, prompts=None, seed: int = 0) -> Batch:
    """A batch whose prompts, where there are some, have these lengths."""
    generator = torch.Generator().manual_seed(seed)

    def codes(n: int) -> torch.Tensor:
        return torch.stack([torch.randint(k, (n,), generator=generator) for k in CODES], 1)

    return Batch.of(
        codec_ssl=[codes(n) for n in lengths],
        score_frames=[score(n, generator) for n in lengths],
        prompt=None if prompts is None else [codes(n) for n in prompts],
    )


def singer(seed: int = 0, **options) -> MaskedModel:
    """A small model of acoustic codes from semantics and melody."""
    torch.manual_seed(seed)
    config = MaskedConfig(NetworkConfig(16, 2, 2), **options)
    sizes = Sizes(16, CODES, n_phones=4)
    model = MaskedModel(ACOUSTIC, sizes, config, {"semantic": {}, "melody": {}})
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "to_weight.weight" in name:
                weight.normal_(0, 0.1)
    return model
