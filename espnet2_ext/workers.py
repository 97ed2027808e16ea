"""Worker processes that end with the process that started them, also when that one is killed.

A worker of Python's pools waits for its next task for ever: its sibling workers keep the pipe open.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def worker_pool(nj: int, method: str | None = None, **options: Any) -> ProcessPoolExecutor:
    """A pool of `nj` workers.

    Args:
        nj: Processes.
        method: How they are started: ``fork`` or ``spawn``; None: Python's choice.
        options: Further arguments of `ProcessPoolExecutor`.
    """
    begin = options.pop("initializer", None)
    arguments = (begin, *options.pop("initargs", ()))
    context = multiprocessing.get_context(method)
    return ProcessPoolExecutor(nj, context, initializer=_begin, initargs=arguments, **options)


def _begin(begin: Callable[..., None] | None, *arguments: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin(*arguments)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
