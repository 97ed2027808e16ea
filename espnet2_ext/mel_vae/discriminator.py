"""A discriminator of mels by their patches (Isola et al. 2017), and its gradient penalty."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from espnet2_ext.audio.mel import normalise_mel

_SLOPE = 0.2


class PatchDiscriminator(nn.Module):
    """Natural-log mel (B, T, n_mels) to a verdict of each patch (B, T', M').

    No layer normalises over a batch, which a gradient penalty does not go with.

    Args:
        width: Channels of the first convolution; each further one doubles them, up to 8 times.
        n_layers: Convolutions that halve both axes.
    """

    def __init__(self, width: int = 32, n_layers: int = 3) -> None:
        super().__init__()
        widths = [1] + [width * min(2**k, 8) for k in range(n_layers)]
        layers: list[nn.Module] = []
        for inner, outer in pairwise(widths):
            layers += [nn.Conv2d(inner, outer, 4, 2, padding=1), nn.LeakyReLU(_SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, mel: Tensor) -> Tensor:
        return self.layers(normalise_mel(mel).unsqueeze(1)).squeeze(1)


def r1_penalty(verdict: Tensor, mel: Tensor) -> Tensor:
    """Half the squared gradient of the verdict on real mels (Mescheder et al. 2018, eq. 9).

    A mel has many verdicts: the gradient is that of their sum, and its square is divided by their
    number, so that the penalty does not grow with the length of a crop.

    Args:
        verdict: Of the patches (B, T', M').
        mel: What they are of (B, T, n_mels); it requires gradients.
    """
    (gradient,) = torch.autograd.grad(verdict.sum(), mel, create_graph=True)
    return 0.5 * gradient.square().sum() / verdict.numel()
