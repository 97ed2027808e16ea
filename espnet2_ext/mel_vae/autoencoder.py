"""Encoder and decoder of a mel-VAE: ConvNeXt blocks along time, at the mel's rate and below it."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from espnet2_ext.audio.mel import MelConfig, denormalise_mel, normalise_mel
from espnet2_ext.mel_vae.latent_scale import LatentScale
from espnet2_ext.mel_vae.posterior import Posterior
from espnet2_ext.networks.convnext import ConvNeXtBlock


class _Blocks(nn.Sequential):
    """ConvNeXt blocks of one rate, (B, T, dim) to the same."""

    def __init__(self, dim: int, n_layers: int, kernel_size: int, expansion: int) -> None:
        blocks = (
            ConvNeXtBlock(dim, kernel_size, expansion, gate=1 / n_layers) for _ in range(n_layers)
        )
        super().__init__(*blocks)


class _Down(nn.Linear):
    """Joins `stride` frames: (B, T, dim) to (B, T / stride, dim)."""

    def __init__(self, dim: int, stride: int) -> None:
        super().__init__(stride * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.reshape(len(x), -1, self.in_features))


class _Up(nn.Linear):
    """Parts each frame in `stride`: (B, L, dim) to (B, L * stride, dim)."""

    def __init__(self, dim: int, stride: int) -> None:
        super().__init__(dim, stride * dim)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).reshape(len(x), -1, self.in_features)


class MelAutoencoder(nn.Module):
    """Natural-log mel to the posterior of its latents, and latents to mel.

    Source: the Mel-VAE of InstructAudio (arXiv 2511.18487) and M3-TTS (arXiv 2512.04720), of which
    the papers give the width (512), the latents (40 channels, half the mel's rate) and the losses;
    the blocks are Vocos' (arXiv 2306.00814).

    Args:
        mel: Configuration of the mel.
        channels: Of a latent frame, C.
        strides: Factors by which the rate falls, in the encoder's order; their product is
            `mel_frames`.
        dim: Width.
        n_layers: Blocks at each rate, in the encoder and in the decoder.
        kernel_size: Of the depthwise convolutions, odd.
        expansion: Of the blocks' bottlenecks.

    Attributes:
        mel_frames: Mel frames of a latent frame.
        channels: C.
        scale: Statistics of the latents, by which a flow sees them.
    """

    def __init__(
        self,
        mel: MelConfig,
        channels: int = 40,
        strides: Sequence[int] = (2,),
        dim: int = 512,
        n_layers: int = 4,
        kernel_size: int = 7,
        expansion: int = 3,
    ) -> None:
        super().__init__()
        if min(channels, dim, n_layers, expansion, *strides) < 1:
            raise ValueError("channels, dim, n_layers, expansion and strides are at least 1")
        self.mel, self.channels, self.mel_frames = mel, channels, math.prod(strides)
        blocks = (dim, n_layers, kernel_size, expansion)
        encoder: list[nn.Module] = [nn.Linear(mel.n_mels, dim), _Blocks(*blocks)]
        decoder: list[nn.Module] = [nn.Linear(channels, dim), _Blocks(*blocks)]
        for stride in strides:
            encoder += [_Down(dim, stride), _Blocks(*blocks)]
        for stride in reversed(strides):
            decoder += [_Up(dim, stride), _Blocks(*blocks)]
        self.encoder = nn.Sequential(*encoder, nn.LayerNorm(dim), nn.Linear(dim, 2 * channels))
        self.decoder = nn.Sequential(*decoder, nn.LayerNorm(dim), nn.Linear(dim, mel.n_mels))
        self.scale = LatentScale(channels)

    @property
    def frames_per_sec(self) -> float:
        """Latent frames a second: their clock."""
        return self.mel.frames_per_sec / self.mel_frames

    def posterior(self, mel: Tensor) -> Posterior:
        """Of natural-log mel (B, T, n_mels), T a multiple of `mel_frames`; L = T / mel_frames.

        Raises:
            ValueError: T is no such multiple.
        """
        if mel.size(1) % self.mel_frames:
            raise ValueError(f"{mel.size(1)} mel frames are not a multiple of {self.mel_frames}")
        return Posterior.of(self.encoder(normalise_mel(mel)))

    def decode(self, z: Tensor) -> Tensor:
        """Latents (B, L, C), not normalised, to natural-log mel (B, L * mel_frames, n_mels)."""
        return denormalise_mel(self.decoder(z))
