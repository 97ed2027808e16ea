"""The files that an epoch leaves, complete wherever a kill fell between two of them.

ESPnet's trainers write ``checkpoint.pth`` in place, then ``Nepoch.pth``, then the links, and begin
again at the epoch after the one that ``checkpoint.pth`` holds.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from espnet2.train.reporter import Reporter

from espnet2_ext.checkpoint import save_torch
from espnet2_ext.train.average import link
from espnet2_ext.train.partial import has_adapters, plain_state
from espnet2_ext.train.training_record import recorded

_EPOCH = re.compile(r"(\d+)epoch\.pth")


@contextlib.contextmanager
def saves_whole(model: torch.nn.Module | None = None) -> Iterator[None]:
    """Have `torch.save` replace a file by a complete one, or leave it.

    Where `model` has adapters, they are merged in ``Nepoch.pth``, which then loads without them;
    ``checkpoint.pth``, from which the training goes on, has them as they are.
    """
    save, adapted = torch.save, model is not None and has_adapters(model)

    def save_whole(value: Any, file: Any, **options: Any) -> None:
        to_path = isinstance(file, str | Path)
        if adapted and to_path and _EPOCH.fullmatch(Path(file).name):
            value = plain_state(model)
        (save_torch if to_path else save)(value, file, **options)

    torch.save = save_whole
    try:
        yield
    finally:
        torch.save = save


def keep_best(
    output_dir: Path, reporter: Reporter, criteria: Sequence[Sequence[str]], nbest: int
) -> None:
    """Link ``PHASE.KEY.best.pth`` and ``latest.pth``, and remove epochs that are neither.

    Args:
        output_dir: Where ``Nepoch.pth`` lie.
        reporter: Knows which epochs are best, and which is the last.
        criteria: Phase, statistic, ``min`` or ``max``.
        nbest: How many of the best epochs by each criterion stay.
    """
    latest = reporter.get_epoch()
    keep = {latest}
    for phase, key, mode in criteria:
        if reporter.has(phase, key):
            best = reporter.sort_epochs(phase, key, mode)
            keep |= set(best[:nbest])
            link(output_dir / f"{phase}.{key}.best.pth", f"{best[0]}epoch.pth")
    link(output_dir / "latest.pth", f"{latest}epoch.pth")
    for path in output_dir.glob("*epoch.pth"):
        match = _EPOCH.fullmatch(path.name)
        if match and int(match[1]) not in keep:
            path.unlink()


class WholeEpochs:
    """Has ESPnet's trainers, when they resume, complete the files of the epoch reached."""

    options: Any = None  # of the run

    @classmethod
    def run(cls, *, model: torch.nn.Module, trainer_options: Any, **kwargs: Any) -> None:
        """As ESPnet's, with a record of the training; ESPnet calls it by keywords."""
        cls.options = trainer_options
        with saves_whole(model), recorded(model, trainer_options):
            super().run(model=model, trainer_options=trainer_options, **kwargs)

    @classmethod
    def resume(
        cls, *, checkpoint: str | Path, model: torch.nn.Module, reporter: Reporter, **kwargs: Any
    ) -> None:
        """As ESPnet's; then the files of the epoch that was reached are there.

        When patience is out, that epoch is the last.
        """
        super().resume(checkpoint=checkpoint, model=model, reporter=reporter, **kwargs)
        options = cls.options
        if options.patience is not None and reporter.check_early_stopping(
            options.patience, *options.early_stopping_criterion
        ):
            options.max_epoch = reporter.get_epoch()
        if dist.is_initialized() and dist.get_rank() > 0:
            return
        folder = Path(checkpoint).parent
        torch.save(model.state_dict(), folder / f"{reporter.get_epoch()}epoch.pth")
        nbest = options.keep_nbest_models
        keep_best(
            folder,
            reporter,
            options.best_model_criterion,
            nbest if isinstance(nbest, int) else max(nbest, default=1),
        )
