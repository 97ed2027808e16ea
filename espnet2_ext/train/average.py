"""The mean of a training's best checkpoints."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from espnet2.train.reporter import Reporter
from torch import Tensor

from espnet2_ext.checkpoint import load_state, save_torch
from espnet2_ext.errors import UserError
from espnet2_ext.files import atomic_path


def link(path: Path, target: str) -> None:
    """Make `path` a symbolic link, at once."""
    with atomic_path(path) as part:
        part.unlink()
        part.symlink_to(target)


@torch.no_grad()
def mean_state(paths: Iterable[Path]) -> dict[str, Tensor]:
    """Mean of checkpoints of one model, in their precision; whole numbers are the first's.

    The mean moves towards each checkpoint in turn, in 32 bits: no sum is rounded to 16 bits, and
    equal checkpoints have themselves as their mean, bit for bit.

    Raises:
        UserError: a checkpoint is missing or broken, or has other parameters than the first.
    """
    mean: dict[str, Tensor] = {}
    first: dict[str, Tensor] = {}
    for count, path in enumerate(paths, 1):
        state = load_state(path, mmap=True)
        first = first or state
        if state.keys() != first.keys():
            other = sorted(state.keys() ^ first.keys())[0]
            raise UserError(path, "other parameters than the first checkpoint", "the same", other)
        for name, tensor in state.items():
            if not tensor.is_floating_point():
                continue
            if count == 1:
                mean[name] = tensor.float().clone()
            else:
                mean[name] += (tensor.float() - mean[name]) / count
    return {name: mean[name].to(t.dtype) if name in mean else t for name, t in first.items()}


def average_nbest(
    output_dir: Path,
    reporter: Reporter,
    best_model_criterion: Sequence[Sequence[str]],
    nbest: int | Sequence[int],
    suffix: str | None = None,
) -> None:
    """Write ``PHASE.KEY.ave_Nbest.pth`` of each criterion, and link the largest as ``.ave.pth``.

    As ESPnet's `average_nbest_models`, which sums in the checkpoints' own precision, and into the
    first of them: averages that follow have it in that state.

    Args:
        output_dir: Where ``Nepoch.pth`` lie.
        reporter: Knows which epochs are best.
        best_model_criterion: Phase, statistic, ``min`` or ``max``.
        nbest: How many, one or several numbers.
        suffix: Goes into the names.
    """
    wanted = [nbest] if isinstance(nbest, int) else list(nbest)
    end = f"{suffix}.pth" if suffix else "pth"
    for phase, key, mode in best_model_criterion:
        if not reporter.has(phase, key):
            continue
        epochs = reporter.sort_epochs(phase, key, mode)
        sizes = [n for n in wanted if 0 < n <= len(epochs)] or [1]
        for n in sizes:
            path = output_dir / f"{phase}.{key}.ave_{n}best.{end}"
            files = [output_dir / f"{epoch}epoch.pth" for epoch in epochs[:n]]
            if n == 1:
                link(path, files[0].name)
                continue
            logging.info("averaging %s: %s", ", ".join(file.name for file in files), path)
            save_torch(mean_state(files), path)
        largest = f"{phase}.{key}.ave_{max(sizes)}best.{end}"
        link(output_dir / f"{phase}.{key}.ave.{end}", largest)
