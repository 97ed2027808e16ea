"""F0 and voicing from the mel alone, so that generated features need no F0 of their own."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet2_ext.audio.mel import MelConfig, normalise_mel
from espnet2_ext.networks.convnext import ConvNeXt

SEMITONES_PER_OCTAVE = 12


@dataclass
class F0Loss:
    """Scalars: cross-entropy of the pitch bins and of voicing."""

    pitch: Tensor
    voicing: Tensor


class F0Predictor(nn.Module):
    """Classify each frame's pitch, and read F0 off the probabilities around the best bin.

    Args:
        mel: Configuration of the input.
        dim: Channels of the network.
        n_layers: ConvNeXt blocks.
        low_hz: Lowest F0.
        high_hz: Highest F0.
        bins_per_semitone: Resolution of the classes; F0 itself is continuous.
    """

    def __init__(
        self,
        mel: MelConfig,
        dim: int = 96,
        n_layers: int = 3,
        low_hz: float = 55.0,
        high_hz: float = 1320.0,
        bins_per_semitone: int = 4,
    ) -> None:
        super().__init__()
        self.mel = mel
        self.low_hz = low_hz
        self.bins_per_octave = SEMITONES_PER_OCTAVE * bins_per_semitone
        self.n_bins = math.ceil(math.log2(high_hz / low_hz) * self.bins_per_octave) + 1
        self.network = ConvNeXt(mel.n_mels, self.n_bins + 1, dim, n_layers)
        self.context_frames = self.network.context_frames

    def logits(self, mel: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits of pitch (B, T, n_bins) and of being voiced (B, T)."""
        out = self.network(normalise_mel(mel), mask)
        return out[..., :-1], out[..., -1]

    def forward(self, mel: Tensor, mask: Tensor | None = None) -> Tensor:
        """F0 (B, T) in Hz, 0 where unvoiced, of `mel` (B, T, n_mels)."""
        pitch, voicing = self.logits(mel, mask)
        bins = torch.arange(self.n_bins, device=mel.device)
        near = (bins - pitch.argmax(-1, keepdim=True)).abs() <= 2
        weights = pitch.masked_fill(~near, -torch.inf).softmax(-1)
        f0 = self.low_hz * 2.0 ** ((weights * bins).sum(-1) / self.bins_per_octave)
        return torch.where(voicing > 0, f0, torch.zeros_like(f0))

    def loss(self, mel: Tensor, f0: Tensor) -> F0Loss:
        """Loss of `mel` (B, T, n_mels) against `f0` (B, T) Hz, 0 where unvoiced."""
        pitch, voicing = self.logits(mel)
        voiced = (f0 > 0).float()
        position = (f0.clamp_min(1.0) / self.low_hz).log2() * self.bins_per_octave
        bins = torch.arange(self.n_bins, device=mel.device)
        target = (-0.5 * (bins - position.unsqueeze(-1)) ** 2).softmax(-1)
        entropy = -(target * pitch.log_softmax(-1)).sum(-1)
        return F0Loss(
            pitch=(entropy * voiced).sum() / voiced.sum().clamp_min(1.0),
            voicing=nn.functional.binary_cross_entropy_with_logits(voicing, voiced),
        )
