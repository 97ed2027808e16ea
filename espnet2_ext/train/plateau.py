"""A learning rate for trainings that end on a plateau, whichever model and corpus."""

from espnet2.schedulers.abs_scheduler import AbsBatchStepScheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau


class WarmupPlateauLR(ReduceLROnPlateau, AbsBatchStepScheduler):
    """The optimiser's rate after a linear warmup, times `factor` whenever dev stands still.

    ESPnet's trainer steps it after every batch and, with ``val_scheduler_criterion``, after every
    epoch. It ends a training with its options ``patience`` and ``early_stopping_criterion``.

    Args:
        optimizer: Optimiser whose ``lr`` is the rate after warmup.
        warmup_steps: Batches of the warmup.
        factor: Of the rate, after an epoch in which dev's criterion fell by less than `threshold`.
        threshold: Share of the best criterion so far.
        min_lr: A rate that falls below becomes 0: dev stands still, and patience ends the training.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup_steps: int = 0,
        factor: float = 0.5,
        threshold: float = 0.01,
        min_lr: float = 5e-5,
    ) -> None:
        super().__init__(optimizer, "min", factor, 0, threshold)
        self.warmup_steps, self.n_steps, self.lowest = warmup_steps, 0, min_lr
        self.full_lrs = [group["lr"] for group in optimizer.param_groups]
        self._warm_up()

    def step(self, metrics: float | None = None, epoch: int | None = None) -> None:
        """After a batch, or after an epoch with dev's criterion as `metrics`."""
        if metrics is not None:
            super().step(metrics, epoch)
            for group in self.optimizer.param_groups:
                if self.n_steps >= self.warmup_steps and group["lr"] < self.lowest:
                    group["lr"] = 0.0
            return
        self.n_steps += 1
        self._warm_up()

    def _warm_up(self) -> None:
        if self.n_steps < self.warmup_steps:
            for group, full in zip(self.optimizer.param_groups, self.full_lrs, strict=True):
                group["lr"] = full * (self.n_steps + 1) / self.warmup_steps
