"""ESPnet's trainer with random numbers that depend on the epoch, so that a resumed run repeats."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from espnet2.train.reporter import SubReporter
from espnet2.train.trainer import Trainer


def seed_epoch(seed: int, epoch: int) -> None:
    """Seed all generators, on each process of a training with other numbers."""
    rank = dist.get_rank() if dist.is_initialized() else 0
    seed = int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1)[0])
    torch.manual_seed(seed)
    np.random.seed(seed)


class EpochSeededTrainer(Trainer):
    """Seeds crops, noise and dropout by (seed, epoch, rank) when an epoch begins.

    ESPnet resumes a killed run at its last whole epoch but does not restore random states; with
    this the run ends with the weights it would have had. The task sets ``seed``.
    """

    seed: int = 0

    @classmethod
    def train_one_epoch(
        cls,
        model: torch.nn.Module,
        iterator: Iterable,
        reporter: SubReporter,
        **kwargs: Any,
    ) -> bool:
        """As ESPnet's; ESPnet calls it by keywords."""
        seed_epoch(cls.seed, reporter.get_epoch())
        return super().train_one_epoch(model=model, iterator=iterator, reporter=reporter, **kwargs)
