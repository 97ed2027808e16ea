"""Masked regression losses of the flow: the paper's squared error (eq. 4), or L1."""

from torch import Tensor

KINDS = ("l2", "l1")


def masked_loss(
    prediction: Tensor,
    target: Tensor,
    weight: Tensor,
    kind: str = "l2",
) -> Tensor:
    """Mean error over everything that has weight; 0 where nothing has.

    Args:
        prediction: (B, T, C).
        target: (B, T, C).
        weight: Broadcastable to (B, T, C): the mask of real frames, times any channel weights.
        kind: "l2" (eq. 4) or "l1" (an option of the authors' scripts).

    Returns:
        Scalar tensor.
    """
    if kind not in KINDS:
        raise ValueError(f"loss {kind!r} is none of {', '.join(KINDS)}")
    difference = prediction.float() - target.float()
    error = difference.square() if kind == "l2" else difference.abs()
    weight = weight.to(error.dtype).expand_as(error)
    return (error * weight).sum() / weight.sum().clamp_min(1e-8)
