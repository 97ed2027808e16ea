"""The space that the flow works in: mel (or codec embedding) and F0 per token frame, or latents.

All mel frames of one token frame are one vector, as are their F0 and voicing values: the networks
run at the token rate, and nothing has to be upsampled.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import LongTensor, Tensor, nn

from espnet2_ext.audio.pitch import OCTAVE, hz_to_midi, midi_to_hz
from espnet2_ext.conditions.pitch_features import MIDDLE_MIDI, fill_gaps, nominal_curve, smooth
from espnet2_ext.flow.token_embedding import CodecEmbedding, Geometry

LATENT_SPACE = "latent"
OUTPUTS = ("mel", "codec", LATENT_SPACE)
F0_MODES = ("relative", "absolute")
ABSOLUTE_SCALE = 6.0


@dataclass(frozen=True)
class SpaceConfig:
    """What the flow generates.

    Args:
        output: "mel" (the paper's Voc), "codec" (CD: the codec's embedding) or "latent" (of a
            mel-VAE, which hold the pitch too).
        predict_f0: Also log-F0 and voicing.
        f0_mode: "relative" to the nominal note (Flow2 only) or "absolute".
        f0_scale: Semitones that make one unit of the relative F0 channel.
        smooth_frames: Mel frames each side over which the nominal curve is smoothed.
        f0_weight: Weight of an F0 channel against one of the mel's, on voiced frames.
        f0_weight_unvoiced: The same on unvoiced frames.
        vuv_weight: Weight of a voicing channel.
        f0_noise_frames: Mel frames each side over which the noise that F0 and voicing start from is
            smoothed. White noise (0) leaves F0 trembling where the network does not carry it all
            the way; from smooth noise, what is left of it moves as voices do.
    """

    output: str = "mel"
    predict_f0: bool = True
    f0_mode: str = "relative"
    f0_scale: float = 1.0
    smooth_frames: int = 4
    f0_weight: float = 10.0
    f0_weight_unvoiced: float = 0.1
    vuv_weight: float = 5.0
    f0_noise_frames: int = 0

    def __post_init__(self) -> None:
        if self.output not in OUTPUTS:
            raise ValueError(f"output {self.output!r} is none of {', '.join(OUTPUTS)}")
        if self.f0_mode not in F0_MODES:
            raise ValueError(f"f0_mode {self.f0_mode!r} is none of {', '.join(F0_MODES)}")
        if self.output == LATENT_SPACE and self.predict_f0:
            raise ValueError("output latent needs predict_f0 false: latents hold the pitch")


@dataclass(frozen=True)
class Features:
    """Generated features of one utterance; T mel frames, F token frames, L latent frames.

    Attributes:
        mel: Natural-log mel (T, n_mels); None where the codec's embedding is no mel.
        f0: F0 in Hz (T,), 0 where unvoiced; None if the model predicts none.
        codes: Codec codes (F, n_codebooks), for a model that generates codec embeddings.
        latents: Of a mel-VAE (L, C), normalised, for a model that generates them.
    """

    mel: Tensor | None
    f0: Tensor | None
    codes: LongTensor | None = None
    latents: Tensor | None = None

    def completed(self, n_frames: int, silence: float) -> "Features":
        """With silence after the end, up to `n_frames` mel frames; codes know none and stay.

        Args:
            n_frames: Mel frames wanted; no fewer than there are.
            silence: Natural-log mel of silence.
        """

        def filled(values: Tensor | None, value: float) -> Tensor | None:
            if values is None or len(values) >= n_frames:
                return values
            return torch.cat(
                [values, values.new_full((n_frames - len(values), *values.shape[1:]), value)]
            )

        return replace(self, mel=filled(self.mel, silence), f0=filled(self.f0, 0.0))


def smooth_noise(white: Tensor, n_frames: int) -> Tensor:
    """White noise (B, T) under a triangular window of `n_frames` each side, of unit variance."""
    ramp = n_frames + 1 - torch.arange(-n_frames, n_frames + 1, device=white.device).abs()
    kernel = ramp.to(white.dtype).view(1, 1, -1)
    total = F.conv1d(white[:, None], kernel, padding=n_frames)[:, 0]
    power = F.conv1d(torch.ones_like(white[:1, None]), kernel**2, padding=n_frames)[:, 0]
    return total / power.sqrt()


class FeatureSpace(nn.Module):
    """Features to vectors x (B, F, dim) and back.

    Channels: the mel frames of a token frame (or its codec embedding), then their F0, their
    voicing.

    Args:
        geometry: Sizes.
        config: What is generated.
    """

    def __init__(self, geometry: Geometry, config: SpaceConfig) -> None:
        super().__init__()
        self.config, self.geometry = config, geometry
        mel = geometry.mel_config
        self.per_token, self.n_mels = mel.frames_per_token, mel.n_mels
        self.register_buffer("mel_mean", torch.zeros(self.n_mels))
        self.register_buffer("mel_std", torch.ones(self.n_mels))
        self.log_floor = float(torch.tensor(mel.floor).log())
        if geometry.mel_codec:
            self.register_buffer("codec_mel_scale", torch.ones(geometry.embed_dim))
            self.register_buffer("codec_mel_shift", torch.zeros(geometry.embed_dim))
        dims = {"mel": self.per_token * self.n_mels, "codec": geometry.embed_dim}
        self.spectral_dim = (dims | {LATENT_SPACE: geometry.latent_dim})[config.output]
        if not self.spectral_dim:
            raise ValueError(f"output {config.output} of a geometry that has none")
        self.pitch_dim = 2 * self.per_token if config.predict_f0 else 0
        self.dim = self.spectral_dim + self.pitch_dim

    def nominal(self, midi: LongTensor, mask: Tensor) -> Tensor:
        """Smoothed nominal pitch (B, T) in semitones at the mel rate.

        Args:
            midi: (B, F).
            mask: (B, F).
        """
        curve = nominal_curve(midi, mask).repeat_interleave(self.per_token, 1)
        return smooth(curve, mask.repeat_interleave(self.per_token, 1), self.config.smooth_frames)

    def stack(self, frames: Tensor) -> Tensor:
        """Mel-rate frames (B, T, ...) to (B, F, per_token * ...)."""
        return frames.reshape(frames.size(0), frames.size(1) // self.per_token, -1)

    def source(self, white: Tensor) -> Tensor:
        """x_0 from white noise (B, F, dim): that of the pitch channels is smooth in time."""
        if not (self.pitch_dim and self.config.f0_noise_frames):
            return white
        spectral, pitch = white.split([self.spectral_dim, self.pitch_dim], -1)
        tracks = [self.stack(smooth_noise(half.flatten(1), self.config.f0_noise_frames))
                  for half in pitch.chunk(2, -1)]  # fmt: skip
        return torch.cat([spectral, *tracks], -1)

    def encode_mel(self, mel: Tensor) -> Tensor:
        """Natural-log mel (B, T, n_mels) to normalised, stacked (B, F, spectral_dim)."""
        return self.stack((mel - self.mel_mean) / self.mel_std)

    def decode_mel(self, x: Tensor) -> Tensor:
        mel = x.reshape(x.size(0), -1, self.n_mels) * self.mel_std + self.mel_mean
        return mel.clamp_min(self.log_floor)

    def codec_mel(self, embedding: Tensor) -> Tensor:
        """Natural-log mel (B, T, n_mels) of a mel codec's embedding (B, F, D)."""
        stacked = embedding * self.codec_mel_scale + self.codec_mel_shift
        mel = stacked.reshape(len(embedding), -1, self.n_mels)
        return mel.clamp_min(self.log_floor)

    def _level(self, midi: LongTensor | None, mask: Tensor, n_frames: int) -> tuple[Tensor, float]:
        """The pitch that F0 channels are relative to, and their unit."""
        if self.config.f0_mode == "relative":
            return self.nominal(midi, mask), self.config.f0_scale
        return torch.full((1, n_frames), MIDDLE_MIDI, device=mask.device), ABSOLUTE_SCALE

    def encode_f0(self, f0: Tensor, midi: LongTensor | None, mask: Tensor) -> tuple[Tensor, Tensor]:
        """F0 (B, T) in Hz to pitch channels (B, F, pitch_dim) and their weights.

        Unvoiced frames are filled by interpolation and weigh little.
        """
        voiced = f0 > 0
        level, unit = self._level(midi, mask, f0.size(1))
        pitch = (
            fill_gaps(hz_to_midi(f0.clamp_min(1e-3)) - level, voiced).clamp(-3 * OCTAVE, 3 * OCTAVE)
            / unit
        )
        if self.config.f0_mode == "relative":
            pitch = pitch.clamp(-OCTAVE / unit, OCTAVE / unit)
        weight = torch.where(voiced, self.config.f0_weight, self.config.f0_weight_unvoiced)
        vuv = torch.where(voiced, 1.0, -1.0)
        x = torch.cat([self.stack(pitch), self.stack(vuv)], -1)
        vuv_weight = torch.full_like(vuv, self.config.vuv_weight)
        return x, torch.cat([self.stack(weight), self.stack(vuv_weight)], -1)

    def decode_f0(self, x: Tensor, midi: LongTensor | None, mask: Tensor) -> Tensor:
        """Pitch channels (B, F, pitch_dim) to F0 (B, T) in Hz, 0 where unvoiced."""
        pitch, vuv = (half.reshape(x.size(0), -1) for half in x.chunk(2, -1))
        level, unit = self._level(midi, mask, pitch.size(1))
        return midi_to_hz(pitch * unit + level) * (vuv > 0)

    def decode(
        self, x: Tensor, codec: CodecEmbedding, midi: LongTensor | None, mask: Tensor
    ) -> list[Features]:
        """Vectors x (B, F, dim) of a padded batch to one `Features` per utterance."""
        if self.config.output == LATENT_SPACE:
            lengths = mask.sum(1).tolist()
            return [Features(None, None, latents=x[b, :n]) for b, n in enumerate(lengths)]
        spectral, pitch = x.split([self.spectral_dim, self.pitch_dim], -1)
        codes = mel = f0 = None
        if self.config.output == "mel":
            mel = self.decode_mel(spectral)
        else:
            embedding = codec.denormalise(spectral)
            codes = codec.quantise(embedding)
            mel = self.codec_mel(embedding) if self.geometry.mel_codec else None
        if self.pitch_dim:
            f0 = self.decode_f0(pitch, midi, mask)
        lengths = mask.sum(1).tolist()
        return [
            Features(
                mel=None if mel is None else mel[b, : n * self.per_token],
                f0=None if f0 is None else f0[b, : n * self.per_token],
                codes=None if codes is None else codes[b, :n],
            )
            for b, n in enumerate(lengths)
        ]
