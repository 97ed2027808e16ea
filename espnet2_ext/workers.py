"""Worker processes that end with the process that started them, also when that one is killed.

A worker of Python's pools waits for its next task for ever: its sibling workers keep the pipe open.
"""

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any


@contextlib.contextmanager
def worker_pool(
    nj: int, method: str | None = None, **options: Any
) -> Iterator[ProcessPoolExecutor]:
    """A pool of `nj` workers; where its block ends early, tasks that have not begun never do.

    The block waits for tasks that have begun. A pool that is left without waiting hangs where its
    workers take a limited number of tasks (CPython: it replaces a worker that it has forgotten).

    Args:
        nj: Processes.
        method: How they are started: ``fork`` or ``spawn``; None: Python's choice.
        options: Further arguments of `ProcessPoolExecutor`.
    """
    begin = options.pop("initializer", None)
    arguments = (begin, *options.pop("initargs", ()))
    context = multiprocessing.get_context(method)
    pool = ProcessPoolExecutor(nj, context, initializer=_begin, initargs=arguments, **options)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(begin: Callable[..., None] | None, *arguments: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin(*arguments)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
