"""The paper's learning rate (appendix B.2): held, then linear to a floor."""

from espnet2.schedulers.abs_scheduler import AbsBatchStepScheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class HoldLinearDecayLR(LRScheduler, AbsBatchStepScheduler):
    """The optimiser's rate up to `hold_steps`, then linear to `final_lr` at `end_steps`.

    The defaults are the paper's: 3e-4 until step 2e5, then down to 1e-4 at step 5e5.

    Args:
        optimizer: Optimiser whose ``lr`` is the rate that is held.
        hold_steps: Steps before the decay begins.
        end_steps: Step at which `final_lr` is reached; constant afterwards.
        final_lr: Rate at the end.
        warmup_steps: Linear warmup at the beginning; 0 as in the paper.
        last_epoch: Last step taken, -1 for none.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        hold_steps: int = 200_000,
        end_steps: int = 500_000,
        final_lr: float = 1e-4,
        warmup_steps: int = 0,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= hold_steps < end_steps:
            raise ValueError(f"hold_steps {hold_steps} is not below end_steps {end_steps}")
        self.hold_steps, self.end_steps = hold_steps, end_steps
        self.final_lr, self.warmup_steps = final_lr, warmup_steps
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rate of each parameter group at the current step."""
        step = self.last_epoch
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        past = (step - self.hold_steps) / (self.end_steps - self.hold_steps)
        past = min(max(past, 0.0), 1.0)
        return [warm * (base + past * (self.final_lr - base)) for base in self.base_lrs]
