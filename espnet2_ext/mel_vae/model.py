"""What trains a mel-VAE: reconstruction, KL divergence, a discriminator with its penalty."""

from typing import Any

import torch
from espnet2.gan_tts.hifigan.loss import DiscriminatorAdversarialLoss, GeneratorAdversarialLoss
from torch import Tensor, nn

from espnet2_ext.mel_vae.autoencoder import MelAutoencoder
from espnet2_ext.mel_vae.discriminator import r1_penalty
from espnet2_ext.mel_vae.posterior import Posterior
from espnet2_ext.train.model_by_turns import ModelByTurns


class MelVAEModel(ModelByTurns):
    """Autoencoder and discriminator with their losses, on equal crops.

    The posterior is sampled in training, and its mean decoded in validation. The statistic ``loss``
    is reconstruction and KL divergence, so that checkpoints of runs with and without a
    discriminator are chosen alike.

    Weights are those of M3-TTS's VAE (arXiv 2512.04720).

    Args:
        autoencoder: What is trained.
        discriminator: Natural-log mel to verdicts of its patches; None trains without one.
        lambda_kl: Weight of the KL divergence of a latent frame (nats), against the L1 distance of
            natural-log mels.
        lambda_adv: Weight of the generator's hinge loss.
        lambda_r1: Weight of `r1_penalty` in the discriminator's hinge loss.
    """

    def __init__(
        self,
        autoencoder: MelAutoencoder,
        discriminator: nn.Module | None = None,
        lambda_kl: float = 1e-6,
        lambda_adv: float = 0.01,
        lambda_r1: float = 3.0,
    ) -> None:
        super().__init__()
        self.generator, self.discriminator = autoencoder, discriminator
        self.lambda_kl, self.lambda_adv, self.lambda_r1 = lambda_kl, lambda_adv, lambda_r1
        self.generator_adversarial = GeneratorAdversarialLoss(loss_type="hinge")
        self.discriminator_adversarial = DiscriminatorAdversarialLoss(loss_type="hinge")

    def forward(
        self, mel: Tensor, forward_generator: bool = True, **lengths: Tensor
    ) -> dict[str, Any]:
        """One turn.

        Args:
            mel: Natural-log mel (B, T, n_mels), T a multiple of the autoencoder's `mel_frames`.
            forward_generator: The generator's turn, not the discriminator's.
            lengths: Ignored: crops are equally long.

        Returns:
            What ESPnet's GANTrainer takes: loss, stats, weight, optim_idx.
        """
        posterior, z, mel_hat = self.shared(mel, lambda: self._reconstruct(mel))
        if forward_generator:
            if self.training:
                self.generator.scale.follow(z)
            loss, stats = self._generator_loss(posterior, mel_hat, mel)
        else:
            loss, stats = self._discriminator_loss(mel_hat, mel)
        return self.result(loss, stats, mel.size(0), forward_generator)

    def _reconstruct(self, mel: Tensor) -> tuple[Posterior, Tensor, Tensor]:
        posterior = self.generator.posterior(mel)
        z = posterior.sample() if self.training else posterior.mean
        return posterior, z, self.generator.decode(z)

    def _generator_loss(
        self, posterior: Posterior, mel_hat: Tensor, mel: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        mel_l1, kl = (mel_hat - mel).abs().mean(), posterior.kl()
        loss = mel_l1 + self.lambda_kl * kl
        stats = {"mel_l1": mel_l1, "kl": kl, "loss": loss}
        if self.discriminator is not None:
            stats["adv_loss"] = self.generator_adversarial(self.discriminator(mel_hat))
            loss = loss + self.lambda_adv * stats["adv_loss"]
        return loss, stats

    def _discriminator_loss(self, mel_hat: Tensor, mel: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        if self.discriminator is None:
            raise RuntimeError("a model without discriminator has no discriminator turn")
        with torch.enable_grad():  # the penalty is a gradient, in validation too
            mel = mel.detach().requires_grad_()
            verdict = self.discriminator(mel)
            r1 = r1_penalty(verdict, mel)
        real, fake = self.discriminator_adversarial(self.discriminator(mel_hat.detach()), verdict)
        loss = real + fake + self.lambda_r1 * r1
        stats = {"discriminator_loss": loss, "real_loss": real, "fake_loss": fake, "r1": r1}
        return loss, stats
