"""Work whose result may not depend on how many threads or jobs the machine gave it."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def one_thread() -> Iterator[None]:
    """Have torch and numpy calculate on one thread, in a block or a decorated function.

    A sum that is shared out to threads is rounded differently for every number of threads. A fit
    then ends in other weights, and its tokens, models and scores are other ones.
    """
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def map_each(
    function: Callable[[Item], Result], items: Iterable[Item], nj: int = 1
) -> list[Result]:
    """Results of `function` in the order of `items`, `nj` items at a time on one thread each.

    Every item is calculated alone, so the results are the same for every `nj`.
    """
    with one_thread(), ThreadPoolExecutor(nj) as pool:
        return list(pool.map(function, items))
