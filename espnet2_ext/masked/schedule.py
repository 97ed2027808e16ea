"""How much is masked at a time, and which layer of codes is trained."""

import math

import torch
from torch import Tensor

SIN, COSINE, RAISED_COSINE, LINEAR = "sin", "cosine", "raised_cosine", "linear"
MASK_SCHEDULES = (SIN, COSINE, RAISED_COSINE, LINEAR)
UNIFORM = "uniform"
LAYER_WEIGHTS = (LINEAR, COSINE, UNIFORM)


def masked_share(t: Tensor, schedule: str = SIN) -> Tensor:
    """p(t), the share that is masked at times t in [0, 1]: 0 at 0, 1 at 1.

    ``sin``: sin(pi t / 2), as MaskGCT (MaskGIT's cosine, whose time runs the other way);
    ``cosine``: 1 - cos(pi t / 2), which reveals more in early steps; ``raised_cosine``:
    (1 - cos(pi t)) / 2; ``linear``: t.
    """
    if schedule == SIN:
        return torch.sin(t * math.pi / 2)
    if schedule == COSINE:
        return 1 - torch.cos(t * math.pi / 2)
    if schedule == RAISED_COSINE:
        return (1 - torch.cos(t * math.pi)) / 2
    if schedule == LINEAR:
        return t
    raise ValueError(f"mask schedule {schedule!r} is none of {', '.join(MASK_SCHEDULES)}")


def decoding_times(steps: int) -> list[float]:
    """The times 1, 1 - 1/steps, ..., 0 of iterative decoding."""
    return [1.0 - i / steps for i in range(steps)] + [0.0]


def masked_counts(frames: int, steps: int, schedule: str = SIN) -> list[int]:
    """How many of `frames` are masked at each of the `decoding_times`: all at first, 0 at last.

    floor(p(t) frames). The rest is decided in the last step.
    """
    times = torch.tensor(decoding_times(steps), dtype=torch.float64)
    counts = (masked_share(times, schedule) * frames + 1e-9).floor().long().tolist()
    return [frames, *(min(n, frames) for n in counts[1:])]


def layer_weights(n: int, kind: str = LINEAR, first: int = 0) -> Tensor:
    """How often each of `n` layers is drawn in training (n,), up to a factor.

    Args:
        n: Layers.
        kind: ``linear``: n - (j - first); ``cosine``: cos((j - first) / n * pi / 2); ``uniform``.
        first: Layers below it are never drawn: they are another model's.
    """
    j = torch.arange(n, dtype=torch.float64) - first
    if kind == LINEAR:
        weights = n - j
    elif kind == COSINE:
        weights = torch.cos(j / n * math.pi / 2)
    elif kind == UNIFORM:
        weights = torch.ones_like(j)
    else:
        raise ValueError(f"layer weights {kind!r} are none of {', '.join(LAYER_WEIGHTS)}")
    return torch.where(j >= 0, weights, 0.0).float()
