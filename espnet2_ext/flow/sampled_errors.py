"""Validation: errors of sampled features, in units that a listener can judge."""

import torch
from torch import BoolTensor, Tensor

from espnet2_ext.flow.encoded_conditions import Conditions
from espnet2_ext.flow.features import FeatureSpace
from espnet2_ext.flow.loss import masked_loss


@torch.no_grad()
def sampled_errors(
    space: FeatureSpace, conditions: Conditions, x: Tensor, x_1: Tensor, weight: Tensor
) -> dict[str, Tensor]:
    """Errors of sampled features: L1 of the spectrum and, where F0 is sampled, those of the pitch.

    Args:
        space: The space of `x` and `x_1`.
        conditions: Those that `x` was sampled with.
        x: Sampled (B, F, dim), normalised.
        x_1: Of the recordings, in the same way.
        weight: Of every element.
    """
    spectral, pitch = slice(0, space.spectral_dim), slice(space.spectral_dim, None)
    stats = {"l1": masked_loss(x[..., spectral], x_1[..., spectral], weight[..., spectral], "l1")}
    if space.pitch_dim:
        mask = conditions.mask[..., 0]
        f0, truth = (space.decode_f0(v[..., pitch], conditions.midi, mask) for v in (x, x_1))
        stats |= pitch_errors(f0, truth, mask.repeat_interleave(space.per_token, 1))
    return stats


def pitch_errors(f0: Tensor, truth: Tensor, mask: BoolTensor) -> dict[str, Tensor]:
    """Of F0 in Hz (B, T), 0 where unvoiced.

    Returns:
        ``f0_cents``, the root mean square in cents over frames that both have voiced, 0 where there
        are none; ``vuv_error``, the share of the frames of `mask` (B, T) that are voiced in one.
    """
    voiced, voiced_truth = f0 > 0, truth > 0
    both = voiced & voiced_truth & mask
    cents = 1200 * torch.log2(f0[both] / truth[both])
    return {
        "f0_cents": cents.square().mean().sqrt() if len(cents) else cents.sum(),
        "vuv_error": ((voiced != voiced_truth) & mask).sum() / mask.sum(),
    }
