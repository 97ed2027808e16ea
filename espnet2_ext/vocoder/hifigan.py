"""ESPnet's HiFi-GAN (Kong et al. 2020) under the interface of our vocoders."""

import math
from typing import Any

from espnet2.gan_tts.hifigan.hifigan import (
    HiFiGANGenerator,
    HiFiGANMultiScaleMultiPeriodDiscriminator,
)
from torch import Tensor, nn

from espnet2_ext.audio.mel import MelConfig, normalise_mel
from espnet2_ext.vocoder.abs_vocoder import AbsVocoder


class HiFiGANVocoder(AbsVocoder):
    """Mel to samples by upsampling convolutions; the mel alone carries the pitch.

    Args:
        mel: Configuration of the input.
        generator_params: Options of ESPnet's generator; the product of its upsampling scales must
            be the hop.

    Attributes:
        generator_class: ESPnet's generator, or one made from it.

    Raises:
        ValueError: the scales do not multiply to the hop.
    """

    generator_class: type[HiFiGANGenerator] = HiFiGANGenerator

    def __init__(self, mel: MelConfig, **generator_params: Any) -> None:
        super().__init__(mel)
        scales = generator_params.setdefault("upsample_scales", [6, 5, 4, 2])
        generator_params.setdefault("upsample_kernel_sizes", [2 * s for s in scales])
        if math.prod(scales) != mel.hop_length:
            raise ValueError(f"upsample_scales {scales} do not multiply to hop {mel.hop_length}")
        self.generator = self.generator_class(in_channels=mel.n_mels, **generator_params)
        self.context_frames = _context_frames(self.generator)

    def forward(
        self,
        mel: Tensor,
        f0: Tensor,
        mask: Tensor | None = None,
        plan: Tensor | None = None,
        start_frame: int | None = None,
    ) -> Tensor:
        return self.generator(normalise_mel(mel).transpose(1, 2)).squeeze(1)


class HiFiGANDiscriminator(nn.Module):
    """ESPnet's multi-scale and multi-period discriminators.

    ``forward``: samples (B, N) -> per discriminator the outputs of its layers, the last one its
    verdict.
    """

    def __init__(self, **discriminator_params: Any) -> None:
        super().__init__()
        self.discriminators = HiFiGANMultiScaleMultiPeriodDiscriminator(**discriminator_params)

    def forward(self, wav: Tensor) -> list[list[Tensor]]:
        return self.discriminators(wav.unsqueeze(1))


def _context_frames(generator: nn.Module) -> int:
    """Input frames on either side that an output sample depends on, at most."""
    reach, samples_per_frame = 0.0, 1

    def add(module: nn.Module) -> float:
        convs = [m for m in module.modules() if isinstance(m, nn.Conv1d)]
        return sum((m.kernel_size[0] - 1) / 2 * m.dilation[0] for m in convs)

    reach += add(generator.input_conv)
    for i, upsample in enumerate(generator.upsamples):
        reach += 1 / samples_per_frame  # a transposed convolution sees one input further
        samples_per_frame *= upsample[1].stride[0]
        n = generator.num_blocks
        reach += max(add(b) for b in generator.blocks[i * n : (i + 1) * n]) / samples_per_frame
    return math.ceil(reach + add(generator.output_conv) / samples_per_frame)
