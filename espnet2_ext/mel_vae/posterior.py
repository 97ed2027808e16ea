"""The posterior of a mel-VAE: a normal distribution for each latent number."""

from dataclasses import dataclass

import torch
from torch import Tensor

LOG_VAR_RANGE = (-30.0, 20.0)
"""As latent diffusion has it (Rombach et al. 2022): what lies beyond overflows."""


@dataclass(frozen=True)
class Posterior:
    """q(z | mel).

    Args:
        mean: Of each latent number (B, L, C).
        log_var: Natural logarithm of its variance (B, L, C).
    """

    mean: Tensor
    log_var: Tensor

    @classmethod
    def of(cls, parameters: Tensor) -> "Posterior":
        """From means and log-variances beside each other (B, L, 2 C)."""
        mean, log_var = parameters.chunk(2, -1)
        return cls(mean, log_var.clamp(*LOG_VAR_RANGE))

    def sample(self) -> Tensor:
        """Latents (B, L, C), drawn from PyTorch's global generator."""
        return self.mean + (0.5 * self.log_var).exp() * torch.randn_like(self.mean)

    def kl(self) -> Tensor:
        """KL divergence to the standard normal distribution (nats): of a latent frame, on average.

        Kingma & Welling 2014, appendix B: the sum over channels.
        """
        of_each = 0.5 * (self.mean.square() + self.log_var.exp() - 1 - self.log_var)
        return of_each.sum(-1).mean()
