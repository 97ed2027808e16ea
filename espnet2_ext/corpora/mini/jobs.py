"""The work of making an embedded corpus, shared out among processes, and what each draws from."""

import logging
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed

import numpy as np

from espnet2_ext.workers import worker_pool


def each(
    name: str, job: Callable, tasks: Sequence[tuple], nj: int, fresh: bool = False
) -> Iterator:
    """Run `job(*task)` over `nj` processes; `fresh`: each task in a process of its own."""
    if nj == 1 and not fresh:
        for index, task in enumerate(tasks, 1):
            yield job(*task)
            _report(name, index, len(tasks))
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    per_child = 1 if fresh else None
    with worker_pool(nj, "spawn", max_tasks_per_child=per_child) as pool:
        futures = [pool.submit(job, *task) for task in tasks]
        for index, future in enumerate(as_completed(futures), 1):
            yield future.result()
            _report(name, index, len(tasks))


def _report(name: str, done: int, total: int) -> None:
    if done == total or done % max(1, total // 10) == 0:
        logging.info("%s: %d of %d", name, done, total)


def rng_of(seed: int, *key: int | str) -> np.random.Generator:
    """A generator of its own for each key, whatever else is drawn."""
    parts = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key]
    return np.random.default_rng([seed, *parts])
