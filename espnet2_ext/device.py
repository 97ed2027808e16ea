"""The device that a command is asked to compute on, and the precision."""

import argparse
import contextlib
from typing import Any

from espnet2_ext.errors import UserError


def device_name(name: str) -> str:
    """`name`, if PyTorch can compute on it here; the ``type`` of every ``--device``.

    Raises:
        UserError: no device, or one that this machine or this PyTorch does not have.
    """
    if name == "cpu":  # asked most, and without importing PyTorch
        return name
    import torch

    try:
        device = torch.device(name)
        if device.type == "meta":  # holds shapes, no values
            raise RuntimeError("holds no values")
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        found = f"{name!r}: {str(error).partition(chr(10))[0][:100]}"
        raise UserError("--device", found, "cpu, or cuda where there is a GPU") from None
    return name


DTYPES = ("float32", "bfloat16", "float16")


def add_dtype(parser: argparse.ArgumentParser) -> None:
    """The ``--dtype`` of every command that runs a speech LM, a flow or a vocoder.

    A speech LM's weights are cast; of the others the networks compute so, and what is calculated
    from their outputs stays float32.
    """
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        help="precision of the networks; default: float32, or as trained",
    )


AUTOCAST = ("none", "auto", "bfloat16", "float16")
"""How a model that is trained computes products over float32 weights: see `autocast_as`."""


def autocast_dtype(name: str, device: Any) -> Any:
    """The precision that an `AUTOCAST` name stands for on a device; None: as the weights.

    ``auto`` is bfloat16 on a CPU that computes it faster, else none.
    """
    import torch

    if name == "auto":
        fast = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
        return torch.bfloat16 if fast else None
    return None if name == "none" else getattr(torch, name)


def autocast_as(name: str, device: Any) -> contextlib.AbstractContextManager:
    """Where matrix products are computed as an `AUTOCAST` name says."""
    import torch

    dtype = autocast_dtype(name, device)
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


def autocast(device: Any, dtype: str | None) -> contextlib.AbstractContextManager:
    """Where matrix products are computed in `dtype`; None or ``float32``: as they are."""
    import torch

    if dtype in (None, "float32"):
        return contextlib.nullcontext()
    return torch.autocast(torch.device(device).type, getattr(torch, dtype))
