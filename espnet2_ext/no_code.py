"""Nothing that is read runs code, whichever library reads it.

A pickle is a program; PyTorch's and ESPnet's own loading runs it, and so does an archive of kaldiio
that begins with ``PKL``. A line of a Kaldi table that ends with ``|`` is a shell's command.
"""

import contextlib
import datetime
import importlib.util
import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.pickles import FORCE, refuse_pickles


@contextlib.contextmanager
def plain_values_only() -> Iterator[None]:
    """Have libraries that are called in a block unpickle nothing, and fetch no code to run."""
    import torch

    def refuse(repo: Any, *_: Any, **__: Any) -> None:
        raise UserError(repo, "code from the network", "a model that needs none")

    before, torch.hub.load = torch.hub.load, refuse
    was_forced = os.environ.get(FORCE)
    refuse_pickles()
    try:
        yield
    finally:
        torch.hub.load = before
        if was_forced is None:
            del os.environ[FORCE]


def know_states() -> None:
    """Let `torch.load` read what a training's state holds beside tensors, pickles being refused."""
    import torch

    torch.serialization.add_safe_globals(_state_types())


def _state_types() -> list[Any]:
    """Numbers of NumPy, and times; none of them runs anything when it is made."""
    import numpy as np

    kinds = {type(np.dtype(kind)) for kind in "?bhilqBHILQfd"}
    core = np._core.multiarray
    return [core.scalar, core._reconstruct, np.dtype, np.ndarray, datetime.timedelta, *kinds]


def _refuse_command(command: Any, *_: Any, **__: Any) -> None:
    command = command.decode("utf-8", "replace") if isinstance(command, bytes) else command
    raise UserError("table", f"a command: {command}", "a file")


def guard_omniio() -> None:
    """Have omniio, which ESPnet 202611 reads tables with, run no commands; it takes no pickles."""
    if importlib.util.find_spec("omniio") is None:
        return
    import omniio.tools.kaldi.stream

    class NoCommands:
        Popen, PIPE = staticmethod(_refuse_command), None

    omniio.tools.kaldi.stream.subprocess = NoCommands


def guarded_kaldiio() -> ModuleType:
    """kaldiio, which runs neither commands nor pickles from here on."""
    import kaldiio.matio
    import kaldiio.utils

    class NoPickle:
        @staticmethod
        def load(file: Any, **_: Any) -> None:
            raise UserError(getattr(file, "name", "archive"), "a pickle, which may run code",
                            "vectors and matrices")  # fmt: skip

    kaldiio.utils.my_popen = _refuse_command
    kaldiio.matio.pickle = NoPickle
    return kaldiio
