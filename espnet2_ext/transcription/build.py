"""Build a transcription network from a configuration, with or without the tokenizers at hand."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config
from espnet2_ext.tokenizer.level import MOST_UTTS, level_of
from espnet2_ext.transcription.config import TranscriptionConfig
from espnet2_ext.transcription.net import TranscriptionNet


@dataclass(frozen=True)
class CodeGeometry:
    """Sizes of the codes that a model reads; written to config.yaml when the model is built.

    Args:
        ssl_size: SSL codes, which stand first in ``codec_ssl``; they are not read.
        n_codebooks: Codec streams.
        codebook_size: Codes of each.
        codec_dim: Size of the codec's own embedding.
        fps: Frames per second.
        level: `voice_level` (nepers) of the training set; None: not known.
    """

    ssl_size: int
    n_codebooks: int
    codebook_size: int
    codec_dim: int
    fps: int
    level: float | None = None

    @classmethod
    def of(cls, tokenizers: Any, utterances: Iterable[Tensor] = ()) -> "CodeGeometry":
        """That of `Tokenizers`, with the level of a training set's first utterances.

        Args:
            tokenizers: What the codes are made by.
            utterances: Codec codes of each (L, N); none: the level is not known.
        """
        codec, known = tokenizers.codec, list(islice(utterances, MOST_UTTS))
        level = round(level_of(codec, tokenizers.mel, known), 3) if known else None
        sizes = (codec.n_codebooks, codec.codebook_size, codec.dim)
        return cls(tokenizers.sizes[0], *sizes, tokenizers.mel.fps, level)

    @property
    def sizes(self) -> list[int]:
        """Values of each stream of ``codec_ssl``, SSL first."""
        return [self.ssl_size] + [self.codebook_size] * self.n_codebooks

    def asdict(self) -> dict[str, Any]:
        return asdict(self)


def read_config(
    options: Mapping[str, Any], place: str | Path
) -> tuple[TranscriptionConfig, CodeGeometry]:
    """``model_conf`` and ``geometry`` of an experiment; raises `UserError` for a bad option."""
    config = parse_config(
        TranscriptionConfig, options.get("model_conf") or {}, f"{place}: model_conf"
    )
    if not options.get("geometry"):
        raise UserError(place, "missing", "a transcription experiment's config.yaml", "geometry")
    geometry = parse_config(CodeGeometry, options["geometry"], f"{place}: geometry")
    if config.codec_start:
        config = replace(config, code_dim=geometry.codec_dim)
    return config, geometry


def build_net(options: Mapping[str, Any], place: str | Path) -> TranscriptionNet:
    """The untrained network of a configuration; raises `UserError` for a bad option."""
    config, geometry = read_config(options, place)
    return TranscriptionNet(geometry.n_codebooks, geometry.codebook_size, config)


@torch.no_grad()
def start_from_codec(net: TranscriptionNet, tables: Tensor) -> None:
    """Have codes begin with the codec's own embeddings, of which the projection sees the sum.

    Args:
        net: Untrained; its `code_dim` is the codec's.
        tables: Embeddings by codebook and code (N, V, code_dim), each codebook's of mean 0.
    """
    net.embedding.tables.copy_(tables / tables.var(1).sum(0).sqrt().clamp_min(1e-4))
    blocks = net.projection.weight.unflatten(1, (len(tables), -1))  # (width, N, code_dim)
    blocks.copy_(blocks[:, :1].expand_as(blocks) * len(tables) ** 0.5)
