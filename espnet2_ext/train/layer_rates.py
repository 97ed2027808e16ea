"""Layer-wise learning rates: deeper layers of a pretrained network move less."""

from collections.abc import Callable
from typing import Any

from torch import nn


def layer_rates(
    model: nn.Module, depth: Callable[[str], int], lr: float, decay: float
) -> list[dict[str, Any]]:
    """An optimizer's groups of the parameters that train, one for each depth, the top first.

    A scheduler of ESPnet scales all groups alike, so that their ratios stay.

    Args:
        model: The model.
        depth: Layers between a parameter of this name and the top, whose depth is 0.
        lr: Rate at the top.
        decay: From layer to layer: a group's rate is lr * decay^depth.
    """
    groups: dict[int, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(depth(name), []).append(parameter)
    return [{"params": groups[k], "lr": lr * decay**k} for k in sorted(groups)]
