"""Make ground-truth tokens as imperfect as an LM's, so that the flow learns not to trust them."""

from dataclasses import dataclass

import torch
from torch import LongTensor, Tensor

from espnet2_ext.data.streams import DROPPED


@dataclass(frozen=True)
class CorruptionConfig:
    """How tokens are corrupted in training.

    Every utterance draws a severity in [0, 1]; a stream's share of replaced codes is the severity
    times the stream's limit. Codes of coarse codebooks are right more often than those of fine
    ones, as in LM samples.

    Args:
        truncate: Probability of leaving out the codebooks above a random one.
        replace_ssl: Largest share of replaced SSL codes.
        replace_coarse: Largest share of replaced codes in the first codebook.
        replace_fine: The same in the last; those between are interpolated.
        similar: Share of replacements that come from a frame of the batch with the same SSL code:
            another realisation of the same sound.
        near: Share that come from at most `near_frames` frames away; the rest come from anywhere in
            the utterance (the codes' empirical distribution).
        near_frames: Token frames.
        drop_ssl: Probability of leaving out the SSL stream.
    """

    truncate: float = 0.2
    replace_ssl: float = 0.2
    replace_coarse: float = 0.3
    replace_fine: float = 0.3
    similar: float = 0.0
    near: float = 0.5
    near_frames: int = 3
    drop_ssl: float = 0.05

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if name != "near_frames" and not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)} outside [0, 1]")
        if self.similar + self.near > 1:
            raise ValueError(f"similar {self.similar} + near {self.near} above 1")


def corrupt(tokens: LongTensor, lengths: Tensor, config: CorruptionConfig) -> LongTensor:
    """Corrupted copy of tokens (B, F, nq), SSL stream first; dropped codes are -1."""
    B, T, nq = tokens.size()
    n_codebooks = nq - 1
    device = tokens.device

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, device=device)

    limit = torch.tensor([config.replace_ssl] + [0.0] * n_codebooks, device=device)
    limit[1:] = torch.linspace(config.replace_coarse, config.replace_fine, n_codebooks)
    replaced = random(B, T, nq) < random(B, 1, 1) * limit
    out = torch.where(replaced, _replacements(tokens, lengths.to(device), config), tokens)

    kept = 1 + (random(B) * n_codebooks).long()
    kept = torch.where(random(B) < config.truncate, kept, n_codebooks)
    dropped = torch.arange(n_codebooks, device=device) >= kept[:, None]
    dropped = torch.cat([random(B, 1) < config.drop_ssl, dropped], 1)
    return out.masked_fill(dropped[:, None], DROPPED)


def _replacements(tokens: LongTensor, lengths: Tensor, config: CorruptionConfig) -> LongTensor:
    """A code of the same stream for every code (B, F, nq), drawn as the configuration says."""
    B, T, nq = tokens.size()
    shape, device = tokens.shape, tokens.device
    last = (lengths - 1).clamp_min(0)[:, None, None]
    index = torch.arange(T, device=device)[None, :, None].expand(shape)
    step = torch.randint(-config.near_frames, config.near_frames + 1, shape, device=device)
    anywhere = (torch.rand(shape, device=device) * (last + 1)).long()
    kind = torch.rand(shape, device=device)
    frame = torch.where(kind < config.near, index + step, anywhere)
    own = tokens.gather(1, torch.minimum(frame.clamp_min(0), last))
    flat = tokens.reshape(B * T, nq)
    other = flat[similar_frames(tokens[..., 0], index[..., 0] <= last[..., 0])].view(shape)
    return torch.where(kind > 1 - config.similar, other, own)


def similar_frames(ssl: LongTensor, real: Tensor) -> LongTensor:
    """For every frame of a batch a random other one with its SSL code, if there is one.

    Args:
        ssl: SSL codes (B, F).
        real: True on real frames (B, F).

    Returns:
        Indices into the B * F frames (B * F,).
    """
    code = torch.where(real, ssl, -1).reshape(-1)
    order = (code.double() + torch.rand(len(code), device=code.device)).argsort()
    ranked = code[order]
    positions = torch.arange(len(code), device=code.device)
    first = torch.ones_like(real.reshape(-1))
    first[1:] = ranked[1:] != ranked[:-1]
    start = torch.where(first, positions, 0).cummax(0).values
    following = torch.where(first.roll(-1), start, positions + 1)
    partner = torch.empty_like(order)
    partner[order] = order[following]
    return partner
