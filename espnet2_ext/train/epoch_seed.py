"""ESPnet's trainer with random numbers that depend on the epoch, so that a resumed run repeats."""

import random
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from espnet2.train.reporter import SubReporter
from espnet2.train.trainer import Trainer

from espnet2_ext.train.epoch_data import rank_seed


def seed_epoch(seed: int, epoch: int) -> None:
    """Seed all generators, on each process of a training with other numbers."""
    seed = rank_seed(seed, epoch)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


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
