"""Six ways to adapt a pretrained semantic-to-acoustic model to singing.

Those of CoMelSinger (Zhao et al. 2026, Table VII). In all of them the melody's embedding, the heads
and the network that conditions pass (`cond_mlp`) train; the methods differ in what else does. Where
they are not the paper's:

- LLRD: the text freezes the backbone, the table has 100% of the parameters train. They all train.
- Prefix: the paper has virtual tokens in each layer. Here they stand before the sequence, and the
  layers make of them what they make of any prefix.
- Progressive: it begins with the two upper layers.

At MaskGCT's size of all 12 layers of codes, LoRA trains 6.53% and the first epochs of progressive
16.65% of the parameters (paper: 6.51% and 16.63%); pitch alone 5.97% (paper: 4.46%), prefix 5.98%
(paper: 5.25%).
"""

import re
from dataclasses import dataclass, field
from typing import Any

import torch.distributed as dist

from espnet2_ext.errors import UserError
from espnet2_ext.masked.model import MaskedModel
from espnet2_ext.train.layer_rates import layer_rates
from espnet2_ext.train.partial import ATTENTION, AdapterConfig, add_lora, train_only

FULL, LORA, LLRD, PITCH, PREFIX, PROGRESSIVE = METHODS = (
    "full", "lora", "llrd", "pitch", "prefix", "progressive"
)  # fmt: skip
_NETWORK = "generator.diff_estimator"
_ALWAYS = ("conditions.melody", "generator.to_logits", f"{_NETWORK}.cond_mlp")
_VIRTUAL = "virtual"
_LAYER = re.compile(re.escape(_NETWORK) + r"\.layers\.(\d+)\.")


@dataclass
class MaskedAdaptation(AdapterConfig):
    """Which parameters of a pretrained masked model train; r to targets are the adapters'.

    Args:
        method: ``full``; ``lora``: adapters in the attention; ``llrd``: all, with rates that fall
            from layer to layer; ``pitch``: melody, heads and cond_mlp alone; ``prefix``: and
            virtual tokens (`MaskedConfig.virtual_tokens`, 20 in the paper); ``progressive``: and
            more and more of the upper layers.
        decay: Of the rates, from a layer to the one below (``llrd``); not in the paper.
        layers: How many more train each time (``progressive``).
        every_epochs: When (``progressive``); 200 in the paper.
    """

    dropout: float = 0.1
    targets: list[str] = field(default_factory=lambda: list(ATTENTION))
    method: str = FULL
    decay: float = 0.9
    layers: int = 2
    every_epochs: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method not in METHODS:
            raise ValueError(f"method {self.method!r} is not one of {', '.join(METHODS)}")
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay {self.decay} is not above 0 and at most 1")
        for name in ("layers", "every_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} is below 1")


def adapt(model: MaskedModel, config: MaskedAdaptation) -> None:
    """Prepare a model for training, in place; `train.partial.plain_state` undoes the adapters.

    Args:
        model: With the pretrained weights.
        config: Options.

    Raises:
        UserError: no virtual tokens to train, or none of the layers that `targets` name.
    """
    if config.method == PREFIX and model.virtual is None:
        raise UserError("model_conf", "0", "20, say, for method prefix", "virtual_tokens")
    if config.method in (FULL, LLRD):
        return
    train_only(model, [*_ALWAYS, _VIRTUAL])
    if config.method == LORA:
        network = model.generator.diff_estimator.layers
        add_lora(network, config.targets, config.r, config.alpha, config.dropout)
    if config.method == PROGRESSIVE:
        begin_epoch(model, config, 1)


def begin_epoch(model: MaskedModel, config: MaskedAdaptation, epoch: int) -> None:
    """Unfreeze the layers whose epoch it is (``progressive``); other methods have nothing to do.

    The optimizer holds all parameters from the start: what has no gradient does not move or decay.

    Args:
        model: Adapted.
        config: Options.
        epoch: From 1.

    Raises:
        UserError: several processes, which agree on what trains once, when they start.
    """
    if config.method != PROGRESSIVE:
        return
    if dist.is_initialized() and dist.get_world_size() > 1:
        found = f"{dist.get_world_size()} processes"
        raise UserError("adaptation_conf", found, "one, for method progressive", "method")
    free = config.layers * (1 + (epoch - 1) // config.every_epochs)
    layers = model.generator.diff_estimator.layers
    for layer in layers[max(0, len(layers) - free) :]:
        layer.requires_grad_(True)


def parameter_groups(
    model: MaskedModel, config: MaskedAdaptation, lr: float
) -> list[dict[str, Any]]:
    """What the optimizer is given.

    With ``llrd``, layer l of L has the rate lr * decay^(L - 1 - l), as in the paper; what trains in
    every method, and the last norm, have lr; embeddings of codes and time lie below the layers.

    Args:
        model: Adapted.
        config: Options.
        lr: Rate at the top.
    """
    if config.method != LLRD:
        later = config.method == PROGRESSIVE  # all but that may train in its time
        wanted = [p for p in model.parameters() if p.requires_grad or later]
        return [{"params": wanted, "lr": lr}]
    L = len(model.generator.diff_estimator.layers)
    top = (*_ALWAYS, _VIRTUAL, f"{_NETWORK}.norm")

    def depth(name: str) -> int:
        if f"{name}.".startswith(tuple(f"{part}." for part in top)):
            return 0
        layer = _LAYER.match(name)
        return L - 1 - int(layer[1]) if layer else L

    return layer_rates(model, depth, lr, config.decay)
