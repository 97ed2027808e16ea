"""Models of which generator and discriminator take turns on each batch, for ESPnet's GANTrainer."""

from collections.abc import Callable
from typing import Any, TypeVar

from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_gan_espnet_model import AbsGANESPnetModel
from torch import Tensor, nn

_Made = TypeVar("_Made")


class ModelByTurns(AbsGANESPnetModel):
    """What the two turns on a batch share.

    Attributes:
        generator: What the first optimizer trains.
        discriminator: What the second one trains; None: there is no second turn.
    """

    generator: nn.Module
    discriminator: nn.Module | None

    def __init__(self) -> None:
        super().__init__()
        self._cache: tuple[Tensor, Any] | None = None  # what was made, of the batch with a tensor

    @property
    def codec(self) -> "ModelByTurns":
        """Itself: ESPnet's GANTrainer empties ``codec._cache`` where it skips a discriminator."""
        return self

    def shared(self, batch: Tensor, make: Callable[[], _Made]) -> _Made:
        """What the generator makes of a batch, once for both turns.

        A turn that the trainer skips leaves it here, so the next turn asks whose it is.

        Args:
            batch: A tensor of the batch, by which it is known.
            make: Makes it.
        """
        cached, self._cache = self._cache, None
        if cached is not None and cached[0] is batch:
            return cached[1]
        made = make()
        if self.training and self.discriminator is not None:
            self._cache = batch, made
        return made

    def result(
        self, loss: Tensor, stats: dict[str, Tensor], n_utts: int, of_generator: bool
    ) -> dict[str, Any]:
        """A turn as ESPnet's GANTrainer takes it: loss, stats, weight, optim_idx."""
        stats = {name: value.detach() for name, value in stats.items()}
        loss, stats, weight = force_gatherable((loss, stats, n_utts), loss.device)
        return {
            "loss": loss,
            "stats": stats,
            "weight": weight,
            "optim_idx": 0 if of_generator else 1,
        }

    def collect_feats(self, **batch: Tensor) -> dict[str, Tensor]:
        """Nothing is collected: mels are normalised by constants."""
        return {}
