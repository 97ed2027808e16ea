"""Fused kernels for the decoder: Liger (Hsu et al. 2024, arXiv 2410.10989), where it is installed.

RMSNorm and SwiGLU of Llama-shaped decoders become one kernel each, which keep fewer tensors for
the backward pass. Modules are changed one by one, not their classes; outside training, and off the
GPU, they compute what they always did.
"""

import logging
from collections.abc import Callable
from importlib.util import find_spec
from types import MethodType

import torch
from torch import Tensor, nn

from espnet2_ext.errors import UserError

KERNELS = ("none", "auto", "liger")


def use_kernels(backbone: nn.Module, kernels: str) -> int:
    """Give a decoder its kernels, in place.

    Args:
        backbone: Decoder.
        kernels: ``none``; ``liger``; ``auto``: Liger where it is installed and there is a GPU.

    Returns:
        int: Modules changed.

    Raises:
        ValueError: an unknown name.
        UserError: ``liger`` without Liger, or with a decoder that has nothing to fuse.
    """
    if kernels not in KERNELS:
        raise ValueError(f"kernels {kernels!r} is not one of {', '.join(KERNELS)}")
    if kernels == "none":
        return 0
    missing = None
    if find_spec("liger_kernel") is None:
        missing = "liger-kernel is not installed"
    elif kernels == "auto" and not torch.cuda.is_available():
        missing = "there is no GPU"
    if missing is None:
        from liger_kernel.transformers.functional import liger_rms_norm, liger_swiglu

        n = fuse(backbone, liger_rms_norm, liger_swiglu)
        if n:
            logging.info("kernels: Liger in %d modules", n)
            return n
        missing = "the decoder has neither RMSNorm nor SwiGLU"
    if kernels == "liger":
        raise UserError("corelm_conf", missing, "auto or none, or pip install liger-kernel",
                        "kernels")  # fmt: skip
    logging.info("kernels: PyTorch's own (%s)", missing)
    return 0


def fuse(
    backbone: nn.Module,
    rms_norm: Callable[[Tensor, Tensor, float], Tensor],
    swiglu: Callable[[Tensor, Tensor], Tensor],
    device: str = "cuda",
) -> int:
    """Let RMSNorm and SwiGLU modules call these functions in training on `device`."""

    def fused(module: nn.Module, x: Tensor) -> bool:
        return module.training and x.device.type == device

    def normalise(module: nn.Module, x: Tensor) -> Tensor:
        if not fused(module, x):
            return type(module).forward(module, x)
        return rms_norm(x, module.weight, module.variance_epsilon)

    def mlp(module: nn.Module, x: Tensor) -> Tensor:
        if not fused(module, x):
            return type(module).forward(module, x)
        return module.down_proj(swiglu(module.gate_proj(x), module.up_proj(x)))

    n = 0
    for module in backbone.modules():
        if type(module).__name__.endswith("RMSNorm") and hasattr(module, "variance_epsilon"):
            module.forward = MethodType(normalise, module)
            n += 1
        elif hasattr(module, "gate_proj") and module.config.hidden_act in ("silu", "swish"):
            module.forward = MethodType(mlp, module)
            n += 1
    return n
