"""Exponential moving average of weights, kept inside the model so that its checkpoint has it."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from espnet2_ext.checkpoint import know_old_names


class EMA(nn.Module):
    """Shadow copy of a module's parameters, in buffers.

    The decay grows as (1 + n) / (10 + n) up to `decay`, so that early averages are young.

    Args:
        module: The module to follow.
        decay: Of a late step.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.names = {name: name.replace(".", "/") for name, _ in module.named_parameters()}
        for name, parameter in module.named_parameters():
            self.register_buffer(self.names[name], parameter.detach().clone())
        know_old_names(self, _old_names(module))
        self.register_buffer("n_updates", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move towards the module's present parameters."""
        n = int(self.n_updates)
        weight = 1 - min(self.decay, (1 + n) / (10 + n)) if n else 1.0
        shadows = [getattr(self, self.names[name]) for name, _ in module.named_parameters()]
        torch._foreach_lerp_(shadows, [p.detach() for p in module.parameters()], weight)
        self.n_updates += 1

    def state(self) -> dict[str, Tensor]:
        """Averaged parameters by their names in the module."""
        return {name: getattr(self, buffer) for name, buffer in self.names.items()}

    @contextlib.contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """Within the block `module` has the averaged parameters."""
        own = [p.data for p in module.parameters()]
        averaged = self.state()
        for name, parameter in module.named_parameters():
            parameter.data = averaged[name]
        try:
            yield
        finally:
            for parameter, data in zip(module.parameters(), own, strict=True):
                parameter.data = data


def _old_names(module: nn.Module) -> dict[str, str]:
    """What the buffers of a module's averages were called when its parameters had other names."""
    found = {}
    for place, part in module.named_modules():
        prefix = f"{place}." if place else ""
        for old, new in getattr(part, "old_names", {}).items():
            found[(prefix + old).replace(".", "/")] = (prefix + new).replace(".", "/")
    return found
