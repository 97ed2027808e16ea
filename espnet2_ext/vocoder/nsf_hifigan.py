"""HiFi-GAN that hears F0: a harmonic-plus-noise source joins every upsampling stage.

ESPnet's generator with the source of the neural source-filter models (Wang et al. 2019), joined as
in NSF-HiFiGAN. The plain generator has to read the pitch off the mel, whose bands do not tell two
near notes apart; here the sines hold the pitch, and the generator shapes them.
"""

from typing import Any

import torch
from espnet2.gan_tts.hifigan.hifigan import HiFiGANGenerator
from torch import Tensor, nn

from espnet2_ext.audio.mel import MelConfig, normalise_mel
from espnet2_ext.vocoder.hifigan import HiFiGANVocoder
from espnet2_ext.vocoder.source import SineHarmonics, frame_noise


class NSFHiFiGANGenerator(HiFiGANGenerator):
    """ESPnet's generator; a strided convolution brings the source to each stage's rate.

    Args:
        generator_params: Options of ESPnet's generator.
    """

    def __init__(self, **generator_params: Any) -> None:
        super().__init__(**generator_params)
        self.source_convs = nn.ModuleList()
        stride = self.upsample_factor  # samples of the source for one of the stage's output
        for upsample in self.upsamples:
            stride //= upsample[1].stride[0]
            if stride == 1:
                conv = nn.Conv1d(1, upsample[1].out_channels, 1)
            else:  # two strides wide, around the samples that it stands for
                conv = nn.Conv1d(
                    1, upsample[1].out_channels, 2 * stride, stride, padding=(stride + 1) // 2
                )
            self.source_convs.append(conv)

    def forward(self, c: Tensor, source: Tensor) -> Tensor:
        """Generate samples (B, 1, N) from `c` (B, in_channels, T) and `source` (B, 1, N)."""
        c = self.input_conv(c)
        n = self.num_blocks
        for i, (upsample, source_conv) in enumerate(
            zip(self.upsamples, self.source_convs, strict=True)
        ):
            c = upsample(c) + source_conv(source)
            c = sum(block(c) for block in self.blocks[i * n : (i + 1) * n]) / n
        return self.output_conv(c)


class NSFHiFiGANVocoder(HiFiGANVocoder):
    """Mel and F0 to samples.

    Args:
        mel: Configuration of the input.
        n_harmonics: Sines of the source, the fundamental being the first (NSF-HiFiGAN counts it
            apart: its ``harmonic_num`` 8 are 9 here).
        sine_level: Amplitude of each sine.
        noise_level: Standard deviation of the noise in voiced frames; in unvoiced ones it is a
            third of `sine_level`.
        generator_params: Options of ESPnet's generator; see `HiFiGANVocoder`.
    """

    uses_f0 = True
    generator_class = NSFHiFiGANGenerator

    def __init__(
        self,
        mel: MelConfig,
        n_harmonics: int = 9,
        sine_level: float = 0.1,
        noise_level: float = 0.003,
        **generator_params: Any,
    ) -> None:
        super().__init__(mel, **generator_params)
        if n_harmonics < 1:
            raise ValueError(f"n_harmonics {n_harmonics} is not above 0")
        self.sine_level, self.noise_level = sine_level, noise_level
        self.sines = SineHarmonics(mel.fs, mel.hop_length, n_harmonics)
        self.merge = nn.Linear(n_harmonics + 1, 1, bias=False)
        nn.init.ones_(self.merge.weight)  # their sum at first
        # F0 at a sample depends on the neighbouring frame, and the widest convolution over the
        # source reaches less than a frame further
        self.context_frames += 2

    def plan(self, f0: Tensor) -> Tensor:
        """See `Oscillator.plan`."""
        return self.sines.plan(f0)

    def forward(
        self,
        mel: Tensor,
        f0: Tensor,
        mask: Tensor | None = None,
        plan: Tensor | None = None,
        start_frame: int | None = None,
    ) -> Tensor:
        source = self.source(f0, plan, start_frame)
        return self.generator(normalise_mel(mel).transpose(1, 2), source.unsqueeze(1)).squeeze(1)

    def source(
        self, f0: Tensor, plan: Tensor | None = None, start_frame: int | None = None
    ) -> Tensor:
        """The excitation (B, T * hop_length), between -1 and 1; arguments as of `forward`."""
        plan = self.plan(f0) if plan is None else plan
        voiced = (f0 > 0).float()
        sines = self.sines(plan[..., 0], voiced, plan[..., 1])
        level = torch.where(f0 > 0, self.noise_level, self.sine_level / 3)
        noise = frame_noise(f0, self.mel.hop_length, start_frame)
        noise = noise * level.repeat_interleave(self.mel.hop_length, 1)
        with torch.autocast(f0.device.type, enabled=False):  # half precision is heard in a sine
            channels = torch.cat([self.sine_level * sines, noise.unsqueeze(-1)], -1)
            return self.merge(channels).squeeze(-1).tanh()
