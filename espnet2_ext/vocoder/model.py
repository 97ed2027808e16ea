"""What trains a vocoder: reconstruction losses, an F0 predictor, a discriminator if asked for."""

from dataclasses import dataclass
from typing import Any

import torch
from espnet2.gan_tts.hifigan.loss import (
    DiscriminatorAdversarialLoss,
    FeatureMatchLoss,
    GeneratorAdversarialLoss,
)
from torch import Tensor, nn

from espnet2_ext.audio.mel import LogMel
from espnet2_ext.train.model_by_turns import ModelByTurns
from espnet2_ext.vocoder.abs_vocoder import AbsVocoder
from espnet2_ext.vocoder.f0_predictor import F0Predictor
from espnet2_ext.vocoder.losses import MultiResolutionSTFTLoss


@dataclass
class MelCorruption:
    """How training mels are made as imperfect as generated ones, half of the utterances each.

    Args:
        noise: Largest standard deviation of white noise, in natural-log units.
        blur: Largest share of a frame that comes from its two neighbours.
    """

    noise: float = 0.2
    blur: float = 0.6

    def __call__(self, mel: Tensor) -> Tensor:
        B = mel.size(0)

        def strength(largest: float) -> Tensor:
            drawn = torch.rand(2, B, 1, 1, device=mel.device)
            return largest * drawn[0] * (drawn[1] < 0.5)

        padded = torch.cat([mel[:, :1], mel, mel[:, -1:]], 1)
        neighbours = (padded[:, 2:] + padded[:, :-2]) / 2
        blurred = mel + strength(self.blur) * (neighbours - mel)
        return blurred + strength(self.noise) * torch.randn_like(mel)


class VocoderModel(ModelByTurns):
    """Vocoder, F0 predictor and discriminator with their losses.

    The statistic ``loss`` is the reconstruction alone, so that checkpoints of runs with and
    without a discriminator are chosen alike.

    Args:
        vocoder: Generates samples from mel and F0.
        f0_predictor: Trained beside it, on the same crops; None for a vocoder that uses no F0.
        discriminator: Samples (B, N) to a list of lists of layer outputs; None trains on
            reconstruction alone.
        lambda_stft: Weight of the multi-resolution STFT loss.
        lambda_mel: Weight of the L1 distance of natural-log mels.
        lambda_f0: Weight of the F0 predictor's losses.
        lambda_adv: Weight of the generator's adversarial loss.
        lambda_feat_match: Weight of feature matching.
        stft_sizes: FFT sizes of the STFT loss.
        mel_noise: See `MelCorruption`.
        mel_blur: See `MelCorruption`.
    """

    def __init__(
        self,
        vocoder: AbsVocoder,
        f0_predictor: F0Predictor | None = None,
        discriminator: nn.Module | None = None,
        lambda_stft: float = 1.0,
        lambda_mel: float = 1.0,
        lambda_f0: float = 0.2,
        lambda_adv: float = 1.0,
        lambda_feat_match: float = 2.0,
        stft_sizes: tuple[int, ...] = (2048, 1024, 512, 256, 128),
        mel_noise: float = 0.2,
        mel_blur: float = 0.6,
    ) -> None:
        super().__init__()
        parts = {"vocoder": vocoder, "f0_predictor": f0_predictor}
        self.generator = nn.ModuleDict({k: v for k, v in parts.items() if v is not None})
        self.discriminator = discriminator
        self.log_mel = LogMel(vocoder.mel)
        self.stft_loss = MultiResolutionSTFTLoss(tuple(stft_sizes))
        self.corrupt = MelCorruption(mel_noise, mel_blur)
        self.lambda_stft, self.lambda_mel, self.lambda_f0 = lambda_stft, lambda_mel, lambda_f0
        self.lambda_adv, self.lambda_feat_match = lambda_adv, lambda_feat_match
        self.generator_adversarial = GeneratorAdversarialLoss()
        self.discriminator_adversarial = DiscriminatorAdversarialLoss()
        self.feature_match = FeatureMatchLoss()

    @property
    def vocoder(self) -> AbsVocoder:
        return self.generator["vocoder"]

    @property
    def f0_predictor(self) -> F0Predictor | None:
        return dict(self.generator.items()).get("f0_predictor")

    def forward(
        self,
        mel: Tensor,
        wav: Tensor,
        f0: Tensor | None = None,
        forward_generator: bool = True,
        **lengths: Tensor,
    ) -> dict[str, Any]:
        """One turn on equal crops.

        Args:
            mel: Natural-log mel (B, T, n_mels).
            wav: Samples (B, T * hop_length).
            f0: Hz (B, T), 0 where unvoiced.
            forward_generator: The generator's turn, not the discriminator's.
            lengths: Ignored: crops are equally long.

        Returns:
            What ESPnet's GANTrainer takes: loss, stats, weight, optim_idx.
        """
        f0 = mel.new_zeros(mel.shape[:2]) if f0 is None else f0
        mel_hat_input, wav_hat = self.shared(mel, lambda: self._generate(mel, f0))
        if forward_generator:
            loss, stats = self._generator_loss(mel_hat_input, wav_hat, wav, f0)
        else:
            loss, stats = self._discriminator_loss(wav_hat, wav)
        return self.result(loss, stats, mel.size(0), forward_generator)

    def _generate(self, mel: Tensor, f0: Tensor) -> tuple[Tensor, Tensor]:
        """The mel as the vocoder saw it, and the wave."""
        seen = self.corrupt(mel) if self.training else mel
        return seen, self.vocoder(seen, f0, start_frame=None if self.training else 0)

    def _generator_loss(
        self, mel: Tensor, wav_hat: Tensor, wav: Tensor, f0: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        mel_l1 = (self.log_mel(wav_hat) - self.log_mel(wav)).abs().mean()
        loss = self.lambda_mel * mel_l1
        stats = {"mel_loss": mel_l1}
        if self.lambda_stft:
            stats["stft_loss"] = self.stft_loss(wav_hat, wav)
            loss = loss + self.lambda_stft * stats["stft_loss"]
        if self.f0_predictor is not None:
            predicted = self.f0_predictor.loss(mel, f0)
            loss = loss + self.lambda_f0 * (predicted.pitch + predicted.voicing)
            stats |= {"pitch_loss": predicted.pitch, "voicing_loss": predicted.voicing}
        stats["loss"] = loss
        if self.discriminator is not None:
            fake = self.discriminator(wav_hat)
            with torch.no_grad():
                real = self.discriminator(wav)
            adv, match = self.generator_adversarial(fake), self.feature_match(fake, real)
            stats |= {"adv_loss": adv, "feat_match_loss": match}
            loss = loss + self.lambda_adv * adv + self.lambda_feat_match * match
        return loss, stats

    def _discriminator_loss(self, wav_hat: Tensor, wav: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        if self.discriminator is None:
            raise RuntimeError("a model without discriminator has no discriminator turn")
        real, fake = self.discriminator_adversarial(
            self.discriminator(wav_hat.detach()), self.discriminator(wav)
        )
        return real + fake, {
            "discriminator_loss": real + fake,
            "real_loss": real,
            "fake_loss": fake,
        }
