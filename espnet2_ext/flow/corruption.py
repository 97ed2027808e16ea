"""Make ground-truth tokens as imperfect as an LM's, so that the flow learns not to trust them."""

from dataclasses import dataclass

import torch
from torch import LongTensor, Tensor

from espnet2_ext.flow.token_embedding import DROPPED


@dataclass(frozen=True)
class CorruptionConfig:
    """How tokens are corrupted in training; all rates are drawn anew per utterance.

    Args:
        truncate: Probability of leaving out the codebooks above a random one.
        replace: Largest share of codes replaced in a codec stream (the share is uniform below it).
        replace_ssl: The same for the SSL stream.
        drop_ssl: Probability of leaving out the SSL stream.
        neighbour_frames: A replacement comes from at most so many frames away half of the time,
            else from anywhere in the utterance (the codes' empirical distribution).
    """

    truncate: float = 0.2
    replace: float = 0.3
    replace_ssl: float = 0.2
    drop_ssl: float = 0.05
    neighbour_frames: int = 3

    def __post_init__(self) -> None:
        for name in ("truncate", "replace", "replace_ssl", "drop_ssl"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)} outside [0, 1]")


def corrupt(tokens: LongTensor, lengths: Tensor, config: CorruptionConfig) -> LongTensor:
    """Corrupted copy of tokens (B, F, nq), SSL stream first; dropped codes are -1."""
    B, T, nq = tokens.size()
    device = tokens.device

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, device=device)

    index = torch.arange(T, device=device)[None, :, None].expand(B, T, nq)
    last = (lengths.to(device) - 1).clamp_min(0)[:, None, None]
    reach = 2 * config.neighbour_frames + 1
    near = index + (random(B, T, nq) * reach).long() - config.neighbour_frames
    anywhere = (random(B, T, nq) * (last + 1)).long()
    source = torch.where(random(B, T, nq) < 0.5, near, anywhere)
    source = torch.minimum(source.clamp_min(0), last)
    limit = torch.full((nq,), config.replace, device=device)
    limit[0] = config.replace_ssl
    share = random(B, 1, nq) * limit
    out = torch.where(random(B, T, nq) < share, tokens.gather(1, source), tokens)

    n_codebooks = nq - 1
    kept = 1 + (random(B) * n_codebooks).long()
    kept = torch.where(random(B) < config.truncate, kept, n_codebooks)
    dropped = torch.arange(n_codebooks, device=device) >= kept[:, None]
    dropped = torch.cat([random(B, 1) < config.drop_ssl, dropped], 1)
    return out.masked_fill(dropped[:, None], DROPPED)
