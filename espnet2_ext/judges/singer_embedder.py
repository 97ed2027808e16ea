"""Who sings: an utterance's embedding, from a small network trained on the training singers.

Six singers teach little about singers in general, so each training utterance is also heard with
its spectrum warped by fixed factors, and every pair of singer and factor is a class of its own:
the network must hear the throat, not a list of names, and unseen singers fall apart as well.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from espnet2_ext.judges.checkpoint import load_judge, save_judge
from espnet2_ext.judges.network import Trunk, TrunkConfig, judge_mel, length_mask

NAME = "singer_embedder"


class SingerEmbedder(Protocol):
    """What scoring asks of an embedder."""

    def embed(self, wav: np.ndarray, fs: int) -> np.ndarray:
        """Embedding (D,) of unit length for samples (N,)."""
        ...


@dataclass(frozen=True)
class EmbedderConfig:
    """Trunk and embedding size."""

    trunk: TrunkConfig = field(
        default_factory=lambda: TrunkConfig(channels=96, n_blocks=3, kernel=5)
    )
    dim: int = 64

    def __post_init__(self) -> None:
        if isinstance(self.trunk, dict):
            object.__setattr__(self, "trunk", TrunkConfig(**self.trunk))


class EmbedderNetwork(nn.Module):
    """Log-mel (B, T, 64) -> embedding (B, dim) of unit length: mean and deviation over time."""

    def __init__(self, config: EmbedderConfig) -> None:
        super().__init__()
        self.trunk = Trunk(config.trunk)
        self.project = nn.Linear(2 * config.trunk.channels, config.dim)

    def forward(self, mel: Tensor, lengths: Tensor) -> Tensor:
        hidden, lengths = self.trunk(mel, lengths)
        mask = length_mask(lengths, hidden.size(1))
        count = lengths[:, None].float()
        mean = (hidden * mask).sum(1) / count
        variance = ((hidden - mean[:, None]) ** 2 * mask).sum(1) / count
        pooled = torch.cat([mean, (variance + 1e-5).sqrt()], -1)
        return nn.functional.normalize(self.project(pooled), dim=-1)


class ConvSingerEmbedder:
    """Our embedder, trained on real audio by `espnet2_ext.bin.fit judges`."""

    def __init__(self, config: EmbedderConfig, network: EmbedderNetwork) -> None:
        self.config, self.network = config, network.eval()

    @classmethod
    def load(cls, folder: str | Path) -> "ConvSingerEmbedder":
        """Read ``singer_embedder.yaml`` and ``.safetensors``, strictly."""
        return cls(*load_judge(folder, NAME, EmbedderConfig, EmbedderNetwork))

    def save(self, folder: str | Path) -> None:
        """Write both files; the configuration last, so that it marks a finished embedder."""
        save_judge(folder, NAME, self.config, self.network)

    @torch.no_grad()
    def embed(self, wav: np.ndarray, fs: int) -> np.ndarray:
        mel = judge_mel(wav, fs)
        return self.network(mel[None], torch.tensor([len(mel)]))[0].numpy()
