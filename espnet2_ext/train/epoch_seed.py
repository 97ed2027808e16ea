"""ESPnet's trainers made to repeat: a run that was killed ends as one that was not."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from espnet2.train import trainer
from espnet2.train.reporter import SubReporter
from espnet2.train.trainer import Trainer

from espnet2_ext.train.average import average_nbest
from espnet2_ext.train.epoch_data import rank_seed
from espnet2_ext.train.epoch_files import WholeEpochs


def seed_epoch(seed: int, epoch: int) -> None:
    """Seed all generators, on each process of a training with other numbers."""
    seed = rank_seed(seed, epoch)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class Repeatable(WholeEpochs):
    """Makes a run of ESPnet's trainers that is started again end as if it had not been killed.

    ESPnet resumes at the last whole epoch. It restores neither random states nor gradients that
    wait for a step. The task sets ``seed``.
    """

    seed: int = 0

    @classmethod
    def run(cls, **kwargs: Any) -> None:
        """As ESPnet's; ESPnet calls it by keywords."""
        theirs, trainer.average_nbest_models = trainer.average_nbest_models, average_nbest
        try:
            super().run(**kwargs)
        finally:
            trainer.average_nbest_models = theirs

    @classmethod
    def train_one_epoch(
        cls,
        model: torch.nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        reporter: SubReporter,
        **kwargs: Any,
    ) -> bool:
        """As ESPnet's, which calls it by keywords, with generators seeded by (seed, epoch, rank).

        Crops, noise and dropout come from them. Gradients of before are dropped. A model that has a
        method ``begin_epoch`` is told the number of the epoch, from 1.
        """
        seed_epoch(cls.seed, reporter.get_epoch())
        begin_epoch = getattr(getattr(model, "module", model), "begin_epoch", None)
        if begin_epoch is not None:
            begin_epoch(reporter.get_epoch())
        for optimizer in optimizers:
            optimizer.zero_grad()
        return super().train_one_epoch(
            model=model, optimizers=optimizers, reporter=reporter, **kwargs
        )


class EpochSeededTrainer(Repeatable, Trainer):
    """ESPnet's plain trainer, repeatable."""
