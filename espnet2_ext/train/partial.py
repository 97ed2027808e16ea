"""Training a part of a model: LoRA adapters that leave no trace in the weights, rows that stay."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import BoolTensor, Tensor, nn

from espnet2_ext.errors import UserError

_LORA, _BASE = "lora_", ".base_layer."


ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")


@dataclass
class AdapterConfig:
    """LoRA adapters (Hu et al. 2021) of a decoder.

    Args:
        r: Rank.
        alpha: They are scaled by alpha / r.
        dropout: On their input.
        targets: Linear layers of the decoder that get one.
    """

    r: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    targets: list[str] = field(default_factory=lambda: [*ATTENTION, *FEED_FORWARD])

    def __post_init__(self) -> None:
        if self.r < 1:
            raise ValueError(f"r {self.r} is below 1")


def train_only(model: nn.Module, parts: Iterable[str]) -> None:
    """Freeze all parameters but those of the modules, or those parameters, named `parts`."""
    parts = tuple(parts)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(f"{name}.".startswith(f"{part}.") for part in parts))


def hold_rows(weight: nn.Parameter, held: BoolTensor) -> None:
    """Keep the rows `held` (V,) as they are: Adam does not move what has no gradient.

    They must not decay either: see `holds_rows`.
    """
    weight.register_hook(lambda grad: grad.masked_fill(held.to(grad.device)[:, None], 0))
    weight.rows_held = int(held.sum())


def holds_rows(model: nn.Module) -> bool:
    """Whether some parameter that trains has rows that must not move."""
    return any(getattr(parameter, "rows_held", 0) for parameter in model.parameters())


def add_lora(
    model: nn.Module, targets: Sequence[str], r: int, alpha: float, dropout: float
) -> None:
    """Give the linear layers whose names end in `targets` an adapter (Hu et al. 2021), by peft.

    Raises:
        UserError: a target that names no linear layer.
    """
    from peft import LoraConfig, inject_adapter_in_model

    linear = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
    }
    for target in targets:
        if target not in linear:
            expected = f"of {', '.join(sorted(linear))}"
            raise UserError("adaptation_conf", f"no linear layer {target!r}", expected, "targets")
    lora = LoraConfig(r=r, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(targets))
    inject_adapter_in_model(lora, model)


def has_adapters(model: nn.Module) -> bool:
    """Whether `add_lora` gave it some."""
    return any(_LORA in name for name, _ in model.named_parameters())


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """State dict on the CPU with the adapters merged: what the model without them loads.

    A merged weight is one of 32 bits, also where training had 16: what adapters add is mostly less
    than 16 bits of the weight can tell.
    """
    state = {}
    for name, tensor in model.state_dict().items():
        if _LORA in name:
            continue
        layer, base, parameter = name.partition(_BASE)
        if base and parameter == "weight":
            adapted = model.get_submodule(layer)
            tensor = tensor.float()
            for adapter, scale in adapted.scaling.items():
                factors = (adapted.lora_B[adapter].weight, adapted.lora_A[adapter].weight)
                up, down = (factor.detach().float() for factor in factors)
                tensor = tensor + scale * (up @ down)
        state[f"{layer}.{parameter}" if base else name] = tensor.detach().cpu()
    return state


def beside_adapters(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Plain weights by a model's names for them beside its adapters, and these as they are.

    Of a model without adapters, `state`.
    """
    own, named = model.state_dict(), {}
    for name, tensor in state.items():
        layer, _, parameter = name.rpartition(".")
        base = f"{layer}{_BASE}{parameter}"
        named[base if name not in own and base in own else name] = tensor
    adapters = {name: tensor for name, tensor in own.items() if _LORA in name}
    return adapters | named


def trainable(model: nn.Module, depth: int = 1) -> dict[str, tuple[int, int]]:
    """Count the parameters that train, held rows left out, and all of them, by part.

    Args:
        model: The model.
        depth: Levels of a parameter's name that make a part.
    """
    counts: dict[str, tuple[int, int]] = {}
    for name, parameter in model.named_parameters():
        held = getattr(parameter, "rows_held", 0) * parameter[0].numel()
        own = parameter.numel() - held if parameter.requires_grad else 0
        part = "lora" if _LORA in name else ".".join(name.split(".")[:depth])
        for key in (part, "all"):
            trained, total = counts.pop(key, (0, 0))
            counts[key] = trained + own, total + parameter.numel()
    return counts
