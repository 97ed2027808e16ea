"""Whether PyTorch may unpickle, in this process and in those that it starts."""

import contextlib
import os
from collections.abc import Iterator

FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


def refuse_pickles() -> None:
    """Have every `torch.load` of this process, and of those it starts, take plain values alone."""
    os.environ[FORCE] = "1"


@contextlib.contextmanager
def pickles_allowed() -> Iterator[None]:
    """Let a block unpickle: where the user has asked for the code of a named repository anyway."""
    before = os.environ.pop(FORCE, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[FORCE] = before
