"""Guidance: a velocity carried on along nested sets of conditions.

v = v_0 + sum_i w_i (v_i - v_{i-1}), where v_0 is steered by the least and each set has one
condition more than the set before. All w_i = 1 are no guidance. With two sets, nothing and all, it
is classifier-free guidance (Ho & Salimans 2022); with one weight for each condition, that of
InstructPix2Pix (Brooks et al. 2023, arXiv 2211.09800, eq. 3).
"""

from collections.abc import Sequence

from torch import Tensor, nn

from espnet2_ext.conditions.condition import NULL
from espnet2_ext.errors import UserError
from espnet2_ext.flow.config import FlowConfig
from espnet2_ext.flow.sampler import SamplingConfig, Velocity


def extrapolated(v: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The nested sum over velocities v_0, v_1, ... of one shape; one weight fewer than those."""
    total = v[0]
    for weight, before, after in zip(weights, v, v[1:], strict=False):
        total = total + weight * (after - before)
    return total


def guided(
    alone: Velocity,
    nested: Velocity,
    weights: Sequence[float],
    interval: tuple[float, float] = (0.0, 1.0),
) -> Velocity:
    """The guided field.

    Args:
        alone: Velocity (B, ...) at (x, t) under all conditions.
        nested: Velocities (n B, ...) at (n B, ...) under the n sets, from the least to all, which
            are computed in one batch.
        weights: w_1 to w_{n-1}; none: no guidance.
        interval: Times from and to which it is applied (Kynkäänniemi et al. 2024, arXiv
            2404.07724); outside all conditions steer alone.
    """
    if not weights:
        return alone
    n = len(weights) + 1

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        if not interval[0] <= float(t) <= interval[1]:
            return alone(x, t)
        several = nested(x.repeat(n, *[1] * (x.dim() - 1)), t)
        return extrapolated(several.chunk(n), weights)

    return velocity


def check_guidance(config: SamplingConfig, trained: FlowConfig, encoders: nn.ModuleDict) -> None:
    """Refuse guidance that a model cannot give.

    Args:
        config: What is asked for.
        trained: Options that the model was trained with.
        encoders: Of its conditions, by name.

    Raises:
        UserError: by a condition that it does not have or that was never left out, or by all of
            them of a model that was never trained without.
    """
    learned = [name for name, encoder in encoders.items() if encoder.stand_in is not None]
    able = learned if config.negative == NULL else list(encoders)
    for name in config.guidance_by:
        if name not in able or trained.own_pitch is not None:
            expected = f"one of {', '.join(able)}" if trained.own_pitch is None else "guidance"
            raise UserError("flow", f"{name!r}", f"{expected} (see docs/flow.md)", "guidance_by")
    if config.guidance and config.negative == NULL and not trained.condition_dropout:
        found = f"{config.guidance} for a model trained with condition_dropout 0"
        raise UserError("flow", found, "0: no unconditional velocity was learned", "guidance")
