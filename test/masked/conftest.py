"""Small masked generators, batches for them, and noise that a test can look at."""

import torch

from espnet2_ext.masked.config import MaskedConfig, NetworkConfig
from espnet2_ext.masked.generator import MaskedTokens
from espnet2_ext.masked.steering import Steering

CODES = (20, 20, 20)
WIDTH = 16


def build(codes=CODES, seed: int = 0, **options) -> MaskedTokens:
    """A generator whose random weights make every input matter."""
    torch.manual_seed(seed)
    model = MaskedTokens(codes, MaskedConfig(NetworkConfig(WIDTH, 2, 2), **options))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "to_weight.weight" in name:
                weight.normal_(0, 0.1)
            elif "emb" in name:
                weight.normal_(0, 1.0)
            elif "to_logits" in name:
                weight.normal_(0, 0.7)
    return model.eval()


def batch(lengths, codes=CODES, prefixes=None, seed: int = 1, frames=True):
    """Tokens (B, L, N), lengths and steering with a prefix of these lengths."""
    generator = torch.Generator().manual_seed(seed)
    B, L = len(lengths), max(lengths)
    tokens = torch.stack([torch.randint(k, (B, L), generator=generator) for k in codes], -1)
    on_clock = torch.randn(B, L, WIDTH, generator=generator) if frames else None
    prefix = mask = None
    if prefixes is not None:
        S = max(prefixes)
        prefix = torch.randn(B, S, WIDTH, generator=generator)
        mask = torch.arange(S) < torch.tensor(prefixes)[:, None]
    return tokens, torch.tensor(lengths), Steering(on_clock, prefix, mask)


def row(steering: Steering, b: int, length: int) -> Steering:
    """One utterance's, without padding."""
    frames = None if steering.frames is None else steering.frames[b : b + 1, :length]
    if steering.prefix is None:
        return Steering(frames)
    real = steering.prefix_mask[b]
    return Steering(frames, steering.prefix[b : b + 1, real], steering.prefix_mask[b : b + 1, real])
