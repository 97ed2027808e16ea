"""``--init_param``: weights to start from, read by our own loader in place of ESPnet's."""

import logging
from functools import reduce
from typing import Any

from torch import nn

from espnet2_ext.checkpoint import load_state, load_strict, present_beginnings, with_present_names
from espnet2_ext.errors import UserError
from espnet2_ext.train.partial import beside_adapters

OPTION = "--init_param"


def init_param(
    init_param: str, model: nn.Module, ignore_init_mismatch: bool, map_location: Any = "cpu"
) -> None:
    """Load a file's weights, or a part of them, into a model or a part of it.

    A model's adapters (`train.partial`) stay as they are where the file has plain weights.

    Args:
        init_param: ``FILE[:SOURCE[:TARGET[:EXCLUDED,...]]]``: names of modules in the file and in
            the model, and beginnings of the file's names that are left out, as ESPnet has it.
        model: The model.
        ignore_init_mismatch: Leave parameters alone that the file lacks or has in another shape.
        map_location: Ignored: a copy into the model lands where the model is.

    Raises:
        UserError: the file is missing or no plain weights; no such module; a parameter that is
            missing, unknown or of another shape, unless `ignore_init_mismatch`.
    """
    path, source, target, excluded = (*init_param.split(":", 3), "", "", "")[:4]
    try:
        module = reduce(getattr, target.split("."), model) if target else model
    except AttributeError:
        raise UserError(OPTION, f"no module {target!r}", "one of the model's") from None
    prefix = f"{source}." if source else ""
    left_out = tuple(
        prefix + beginning
        for given in filter(None, excluded.split(","))
        for beginning in present_beginnings(given.removeprefix(prefix), module)
    )
    state = {
        name.removeprefix(prefix): tensor
        for name, tensor in load_state(path, ("module",)).items()
        if name.startswith(prefix) and not (left_out and name.startswith(left_out))
    }
    if not state:
        raise UserError(path, f"no parameters of {source or 'a model'}", "weights", OPTION)
    state, own = beside_adapters(with_present_names(state, module), module), module.state_dict()
    for name in own:
        unwanted = bool(left_out) and f"{prefix}{name}".startswith(left_out)
        fits = name in state and state[name].shape == own[name].shape
        if unwanted or (ignore_init_mismatch and not fits):
            logging.info("%s: %s is left as it was", path, name)
            state[name] = own[name]
    if ignore_init_mismatch:
        state = {name: tensor for name, tensor in state.items() if name in own}
    load_strict(module, state, path)
