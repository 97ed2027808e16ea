"""Resume states of a ZeRO training: written whole, found again, refused when they do not fit."""

import contextlib
import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from deepspeed.runtime.fp16.loss_scaler import DynamicLossScaler, LossScaler
from deepspeed.runtime.zero.config import ZeroStageEnum
from deepspeed.utils.tensor_fragment import fragment_address
from espnet2.train.reporter import Average, WeightedAverage

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, write_json
from espnet2_ext.no_code import know_states, plain_values_only
from espnet2_ext.pickles import pickles_allowed

_OWN_TYPES = [fragment_address, LossScaler, DynamicLossScaler, ZeroStageEnum, Average,
              WeightedAverage]  # fmt: skip
_PREFIX, _PART, _META, _TAG = "step_", ".part-", "meta.json", "state"


@dataclass(frozen=True)
class ResumePoint:
    """Where a training stood: the last epoch begun, batches done in it, and what was recorded.

    Args:
        epoch: Epoch, from 1.
        batches: Batches done in it; None when the epoch was finished.
        reporter: State of ESPnet's `Reporter`.
        observed: State of the unfinished epoch's `SubReporter`.
    """

    epoch: int
    batches: int | None
    reporter: dict[str, Any]
    observed: dict[str, Any]


def save_state(engine: Any, folder: Path, point: ResumePoint) -> None:
    """Write the whole state, then give it its name; then drop the older ones. All ranks call it."""
    name = f"{_PREFIX}{engine.global_steps:09d}_{point.epoch}_{point.batches or 'end'}"
    part = folder / f"{_PART}{name}"
    if dist.get_rank() == 0:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
    dist.barrier()
    engine.save_checkpoint(part, tag=_TAG, client_state={"point": vars(point)}, save_latest=False)
    torch.save(_random_state(), part / f"random_{dist.get_rank()}.pt")
    dist.barrier()
    if dist.get_rank() == 0:
        write_json(part / _META, {"world_size": dist.get_world_size()})
        target = folder / name
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
        for other in folder.iterdir():
            if other != target:
                shutil.rmtree(other, ignore_errors=True)
    dist.barrier()


def _newest(folder: Path) -> Path | None:
    """The whole state that is furthest by its name: a copied folder has other times."""
    states = [p for p in folder.glob(f"{_PREFIX}*") if (p / _META).is_file()]

    def position(state: Path) -> tuple[int, int, float]:
        steps, epoch, batches = state.name.removeprefix(_PREFIX).split("_")
        return int(steps), int(epoch), float("inf") if batches == "end" else int(batches)

    return max(states, key=position, default=None)


def load_state(engine: Any, folder: Path, unsafe: bool = False) -> ResumePoint | None:
    """Load the newest whole state into `engine`; None when there is none.

    Args:
        engine: DeepSpeed's.
        folder: Of the states.
        unsafe: Unpickle whatever the state holds.

    Raises:
        UserError: it was written by another number of processes, or holds what may run code.
    """
    newest = _newest(folder)
    if newest is None:
        return None
    saved, now = read_json(newest / _META)["world_size"], dist.get_world_size()
    if saved != now:
        raise UserError(
            newest, f"a state of {saved} processes", f"{now}: resume with as many as before"
        )
    with _readable(newest, unsafe):
        _, client = engine.load_checkpoint(newest, tag=_TAG)
    return ResumePoint(**client["point"])


def restore_random_state(folder: Path, unsafe: bool = False) -> None:
    """Set the random generators as they were when the newest state was saved."""
    newest = _newest(folder)
    with _readable(newest, unsafe):
        state = torch.load(newest / f"random_{dist.get_rank()}.pt", weights_only=not unsafe)
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"])


@contextlib.contextmanager
def _readable(state: Path, unsafe: bool) -> Iterator[None]:
    """Read a state without running what it may hold: plain values and the types that it is made of.

    Raises:
        UserError: it holds anything else, or is damaged.
    """
    if unsafe:
        with pickles_allowed():
            yield
        return
    know_states()
    with plain_values_only(), torch.serialization.safe_globals(_OWN_TYPES):
        try:
            yield
        except UnpicklingError as error:
            reason = re.search(r"GLOBAL (\S+)", str(error))
            found = f"{reason[1]}, which may run code" if reason else "a damaged file"
            expected = "a state that this toolkit wrote; --unsafe_resume true unpickles any"
            raise UserError(state, found, expected) from None


def _random_state() -> dict[str, Any]:
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }
