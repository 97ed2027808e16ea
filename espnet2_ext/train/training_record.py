"""What a training cost and how it ended, beside its models, so that tables can say so."""

import contextlib
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import nn

from espnet2_ext.files import write_json

RECORD = "training.json"
PLATEAU, MAX_EPOCH = "plateau", "max_epoch"


@contextlib.contextmanager
def recorded(model: nn.Module, options: Any) -> Iterator[None]:
    """Write ``training.json`` when a training ends.

    It holds ``parameters`` (those that are trained, a GAN's discriminators among them), ``epochs``;
    ``ended``, ``plateau`` where ESPnet's ``patience`` ran out, else ``max_epoch``; ``seed``;
    ``cpu_sec`` of the process, imports included, and ``wall_sec`` of training and validation.
    Seconds are null for a training that was killed and resumed: what went before was not counted.

    Args:
        model: Trained.
        options: Of ESPnet's trainer, with ``output_dir``, ``max_epoch`` and ``seed``.
    """
    folder, started = Path(options.output_dir), time.monotonic()
    resumed, max_epoch = (folder / "checkpoint.pth").exists(), options.max_epoch
    yield
    if dist.is_initialized() and dist.get_rank() > 0:
        return
    epochs = int((folder / "latest.pth").readlink().name.removesuffix("epoch.pth"))
    used = resource.getrusage(resource.RUSAGE_SELF)
    record = {
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "epochs": epochs,
        "ended": PLATEAU if epochs < max_epoch else MAX_EPOCH,
        "seed": options.seed,
        "cpu_sec": None if resumed else round(used.ru_utime + used.ru_stime, 1),
        "wall_sec": None if resumed else round(time.monotonic() - started, 1),
    }
    write_json(folder / RECORD, record)
