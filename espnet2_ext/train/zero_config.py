"""DeepSpeed's configuration: the recipe's JSON, with the training YAML's changes and precision."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_json

PRECISIONS = ("auto", "fp32", "bf16", "fp16")


@dataclass
class ZeroOverrides:
    """What a training YAML may change of the DeepSpeed JSON (None: as the JSON says).

    Args:
        lr: Peak learning rate.
        betas: Adam's.
        weight_decay: Decoupled from the gradient if `adam_w_mode`.
        adam_w_mode: AdamW in place of Adam.
        warmup_num_steps: Steps to the peak.
        total_num_steps: Steps of the whole schedule; ``auto``: as many as this training has.
        cos_min_ratio: Last learning rate over the peak.
        gradient_clipping: Norm.
        precision: One of `PRECISIONS`; ``auto`` is bf16 or fp16 on a GPU and fp32 on a CPU.
    """

    lr: float | None = None
    betas: list[float] | None = None
    weight_decay: float | None = None
    adam_w_mode: bool | None = None
    warmup_num_steps: int | None = None
    total_num_steps: int | str | None = None
    cos_min_ratio: float | None = None
    gradient_clipping: float | None = None
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision {self.precision!r} is not one of {', '.join(PRECISIONS)}")
        if isinstance(self.total_num_steps, str) and self.total_num_steps != "auto":
            raise ValueError(f"total_num_steps {self.total_num_steps!r} is no number nor 'auto'")


def zero_config(
    path: str | Path, overrides: Mapping[str, Any], on_gpu: bool, steps: int, accum_grad: int = 1
) -> dict[str, Any]:
    """Read DeepSpeed's JSON and apply what the training YAML changes.

    Args:
        path: The JSON.
        overrides: Keys of `ZeroOverrides`.
        on_gpu: Whether training runs on a GPU.
        steps: Optimizer steps of the whole training, for ``total_num_steps: auto``.
        accum_grad: Batches per step.

    Raises:
        UserError: an unknown key, or a JSON without optimizer.
    """
    changes = parse_config(ZeroOverrides, overrides, "deepspeed_conf")
    config = copy.deepcopy(read_json(path))
    if not isinstance(config, dict) or "params" not in config.get("optimizer", {}):
        raise UserError(path, "no optimizer with params", "a DeepSpeed configuration")
    config["gradient_accumulation_steps"] = accum_grad
    config.setdefault("train_micro_batch_size_per_gpu", 1)
    _update(config["optimizer"]["params"], changes, "lr", "betas", "weight_decay", "adam_w_mode")
    _update(config, changes, "gradient_clipping")
    if "scheduler" in config:
        scheduler = config["scheduler"]["params"]
        _update(scheduler, changes, "warmup_num_steps", "total_num_steps", "cos_min_ratio")
        if scheduler.get("total_num_steps") == "auto":
            # DeepSpeed refuses a schedule no longer than its warmup
            scheduler["total_num_steps"] = max(steps, scheduler.get("warmup_num_steps", 0) + 1)
    precision = changes.precision
    if precision != "auto" or not any(name in config for name in ("fp16", "bf16")):
        if precision == "auto":
            bf16 = on_gpu and torch.cuda.is_bf16_supported()
            precision = "fp32" if not on_gpu else "bf16" if bf16 else "fp16"
        for name in ("fp16", "bf16"):
            config[name] = {"enabled": name == precision}
    return config


def _update(params: dict[str, Any], changes: ZeroOverrides, *names: str) -> None:
    params |= {n: getattr(changes, n) for n in names if getattr(changes, n) is not None}
