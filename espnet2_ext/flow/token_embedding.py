"""Frozen codec embedding and learned SSL embedding of the LM's tokens.

The codec is asked once, when the model is built; its embedding tables then live in the flow's own
buffers, so a checkpoint needs no codec beside it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import LongTensor, Tensor, nn

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.config_types import parse_config
from espnet2_ext.data.streams import DROPPED
from espnet2_ext.errors import UserError


@dataclass(frozen=True)
class Geometry:
    """Sizes that tokens and features have; written to config.yaml when the model is built.

    Args:
        ssl_size: SSL codes; 0 where there are no tokens.
        n_codebooks: Codec streams.
        codebook_size: Codes of each codec stream.
        embed_dim: Size of the codec's frame embedding.
        mel: Mel configuration, as a mapping.
        mel_codec: The embedding is an affine image of the mel frames (mel_rvq).
        n_phones: Size of the phone set; 0 where no part of the model sees phones.
        latent_dim: Channels of a mel-VAE's latents; 0 where there is none.
        latent_fps: Its frames per second.
    """

    ssl_size: int = 0
    n_codebooks: int = 0
    codebook_size: int = 0
    embed_dim: int = 0
    mel: dict[str, Any] = field(default_factory=lambda: MelConfig().asdict())
    mel_codec: bool = False
    n_phones: int = 0
    latent_dim: int = 0
    latent_fps: float = 0.0

    @property
    def nq(self) -> int:
        """Streams per frame: SSL first, then the codebooks."""
        return 1 + self.n_codebooks

    @property
    def sizes(self) -> list[int]:
        if not self.ssl_size:
            return []
        return [self.ssl_size] + [self.codebook_size] * self.n_codebooks

    @property
    def mel_config(self) -> MelConfig:
        return parse_config(MelConfig, self.mel, "geometry: mel")

    def asdict(self) -> dict[str, Any]:
        return asdict(self)


class CodecEmbedding(nn.Module):
    """Codes to the codec's own embedding, frozen; a code of -1 contributes nothing.

    Args:
        geometry: Sizes.
    """

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        shape = geometry.n_codebooks, geometry.codebook_size, geometry.embed_dim
        self.register_buffer("tables", torch.zeros(shape))
        self.register_buffer("offset", torch.zeros(geometry.embed_dim))
        self.register_buffer("std", torch.ones(geometry.embed_dim))

    def fill(self, tables: Tensor, offset: Tensor) -> None:
        """Take over a codec's tables (`tokenizer.embedding_tables`)."""
        self.tables.copy_(tables)
        self.offset.copy_(offset)
        self.std.copy_(tables.var(1).sum(0).sqrt().clamp_min(1e-4))

    def forward(self, codes: LongTensor) -> Tensor:
        """Codes (B, F, n_codebooks) to embeddings (B, F, D) in the codec's own scale."""
        total = self.offset.expand(*codes.shape[:2], -1)
        for q, table in enumerate(self.tables):
            code = codes[..., q]
            total = total + table[code.clamp_min(0)] * (code != DROPPED)[..., None]
        return total

    def normalise(self, embedding: Tensor) -> Tensor:
        """To about zero mean and unit variance."""
        return (embedding - self.offset) / self.std

    def denormalise(self, normalised: Tensor) -> Tensor:
        return normalised * self.std + self.offset

    def quantise(self, embedding: Tensor) -> LongTensor:
        """Nearest codes, codebook after codebook: (B, F, D) to (B, F, n_codebooks)."""
        residual, codes = embedding - self.offset, []
        for table in self.tables:
            distance = torch.cdist(residual, table.expand(len(residual), -1, -1))
            codes.append(distance.argmin(-1))
            residual = residual - table[codes[-1]]
        return torch.stack(codes, -1)


def check_codes(codes: LongTensor, sizes: Sequence[int], place: str) -> None:
    """Refuse codes (..., nq) outside 0..size-1 of their stream; `DROPPED` is not allowed either."""
    if codes.size(-1) != len(sizes):
        raise UserError(place, f"{codes.size(-1)} streams", f"{len(sizes)}", "codec_ssl")
    limit = torch.as_tensor(sizes, device=codes.device)
    if codes.numel() and ((codes < 0) | (codes >= limit)).any():
        raise UserError(
            place, "a code outside its stream", f"0 to below {list(sizes)}", "codec_ssl"
        )
