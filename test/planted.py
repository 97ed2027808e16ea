"""Files that would run code: each would leave a marker behind."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


class Planted:
    """An object that makes a file when it is unpickled.

    Args:
        marker: The file.
    """

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.marker),)


def plant(path: Path, marker: Path, **values: Any) -> Path:
    """Write a file of `torch.save` that makes `marker` when it is unpickled."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({**values, "planted": Planted(marker)}, path)
    return path


def plant_ark(folder: Path, name: str, marker: Path) -> Path:
    """Write ``name.scp`` of one utterance whose archive is a pickle to kaldiio."""
    ark, scp = folder / f"{name}.ark", folder / f"{name}.scp"
    ark.write_bytes(b"u0 PKL" + pickle.dumps(Planted(marker)))
    scp.write_text(f"u0 {ark}:3\n")
    return scp
