"""Mean and deviation of each latent channel, which are kept with the model."""

import torch
from torch import Tensor, nn

VARIANCE_FLOOR = 1e-8


class LatentScale(nn.Module):
    """Brings latents to mean 0 and deviation 1 in each channel, where a flow starts from noise.

    The statistics are running averages over training batches of what is decoded, which the
    posterior's own variance is part of: a channel that holds nothing is noise of deviation 1, and
    its mean, which `normalise` is given in inference, stays near 0.

    Args:
        channels: Of the latents.
        momentum: Share of a new batch in the averages.
    """

    def __init__(self, channels: int, momentum: float = 0.01) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("mean_square", torch.ones(channels))

    @property
    def std(self) -> Tensor:
        """Standard deviation of each channel (C,)."""
        return (self.mean_square - self.mean.square()).clamp_min(VARIANCE_FLOOR).sqrt()

    @torch.no_grad()
    def follow(self, z: Tensor) -> None:
        """Take a training batch (B, L, C) into the averages."""
        self.mean.lerp_(z.mean((0, 1)), self.momentum)
        self.mean_square.lerp_(z.square().mean((0, 1)), self.momentum)

    def normalise(self, z: Tensor) -> Tensor:
        """Latents as a flow sees them (..., C)."""
        return (z - self.mean) / self.std

    def restore(self, latents: Tensor) -> Tensor:
        """The inverse of `normalise`: what the decoder takes (..., C)."""
        return latents * self.std + self.mean
