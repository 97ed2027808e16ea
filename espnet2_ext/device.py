"""The device that a command is asked to compute on."""

from espnet2_ext.errors import UserError


def device_name(name: str) -> str:
    """`name`, if PyTorch can compute on it here; the ``type`` of every ``--device``.

    Raises:
        UserError: no device, or one that this machine or this PyTorch does not have.
    """
    if name == "cpu":  # asked most, and without importing PyTorch
        return name
    import torch

    try:
        device = torch.device(name)
        if device.type == "meta":  # holds shapes, no values
            raise RuntimeError("holds no values")
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        found = f"{name!r}: {str(error).partition(chr(10))[0][:100]}"
        raise UserError("--device", found, "cpu, or cuda where there is a GPU") from None
    return name
