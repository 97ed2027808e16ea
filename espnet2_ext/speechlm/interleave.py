"""Delay interleaving of token streams (MusicGen, arXiv 2306.05284): stream q waits q positions."""

from torch import Tensor


def delay(tokens: Tensor, pad: int) -> Tensor:
    """Shift stream q by q positions, so that a frame's streams are predicted one after another.

    Args:
        tokens: (..., T, nq).
        pad: Value of the cells that no frame fills.

    Returns:
        Tensor: (..., T + nq - 1, nq); cell (p, q) holds frame p - q.
    """
    *batch, T, nq = tokens.shape
    delayed = tokens.new_full((*batch, T + nq - 1, nq), pad)
    for q in range(nq):
        delayed[..., q : q + T, q] = tokens[..., q]
    return delayed


def undelay(delayed: Tensor) -> Tensor:
    """Invert `delay`: (..., T + nq - 1, nq) -> (..., T, nq).

    Raises:
        ValueError: fewer positions than one frame needs.
    """
    *batch, P, nq = delayed.shape
    T = P - nq + 1
    if T < 0:
        raise ValueError(f"{P} positions cannot hold {nq} delayed streams")
    tokens = delayed.new_empty((*batch, T, nq))
    for q in range(nq):
        tokens[..., q] = delayed[..., q : q + T, q]
    return tokens
