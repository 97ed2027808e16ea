"""Vocos as a vocoder: ConvNeXt blocks over mel frames, and samples by an inverse transform.

It knows no F0 and no voice: accompaniment is as good an input as singing. Backbone and head are
those of `tokenizer.vocos`, which follow the published package (``vocos``, MIT licence).

Source: Siuzdak 2023 (arXiv 2306.00814).
"""

import math

import torch
from torch import Tensor

from espnet2_ext.audio.mel import MelConfig, normalise_mel
from espnet2_ext.tokenizer.vocos import VocosBackbone, VocosHead
from espnet2_ext.vocoder.abs_vocoder import AbsVocoder

_REACH = 3  # frames on either side of one convolution


class VocosVocoder(AbsVocoder):
    """Mel to samples by magnitudes and phases of a short-time Fourier transform.

    Args:
        mel: Configuration of the input.
        width: Of the blocks.
        inner: Of their bottlenecks.
        n_layers: Blocks.
        n_fft: Of the transform; None: the mel's.

    Raises:
        ValueError: a transform whose frames do not overlap enough to be added up.
    """

    def __init__(
        self,
        mel: MelConfig,
        width: int = 512,
        inner: int = 1536,
        n_layers: int = 8,
        n_fft: int | None = None,
    ) -> None:
        super().__init__(mel)
        n_fft = mel.n_fft if n_fft is None else n_fft
        if n_fft < 2 * mel.hop_length or n_fft % 2:
            expected = f"even, and at least twice the hop {mel.hop_length}"
            raise ValueError(f"n_fft {n_fft} is not {expected}")
        self.backbone = VocosBackbone(mel.n_mels, width, inner, n_layers)
        self.head = VocosHead(width, n_fft, mel.hop_length)
        overlapping = math.ceil((n_fft - mel.hop_length) / 2 / mel.hop_length)
        self.context_frames = (n_layers + 1) * _REACH + 2 * overlapping

    def forward(
        self,
        mel: Tensor,
        f0: Tensor,
        mask: Tensor | None = None,
        plan: Tensor | None = None,
        start_frame: int | None = None,
    ) -> Tensor:
        hidden = self.backbone(normalise_mel(mel).transpose(1, 2))
        with torch.autocast(mel.device.type, enabled=False):  # phases are heard in half precision
            return self.head(hidden.float())
