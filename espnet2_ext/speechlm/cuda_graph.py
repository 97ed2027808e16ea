"""One decoding step as a CUDA graph: launched as a whole, no Python in between."""

import logging
from collections.abc import Callable, Hashable

import torch
from torch import LongTensor


class GraphedStep:
    """A step that is captured once for each key and replayed after.

    Args:
        run: (number of the step on the device (1,), key) -> None. Works on tensors that stay where
            they are as long as the key is the same, and never waits for the device.
        device: Of those tensors.
    """

    def __init__(self, run: Callable[[LongTensor, Hashable], None], device: torch.device) -> None:
        self._run = run
        self._number = torch.zeros(1, dtype=torch.long, device=device)
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._key: Hashable = None
        self._refused = False

    def __call__(self, number: int, key: Hashable) -> None:
        """Take step `number`."""
        self._number.fill_(number)
        if key != self._key:
            # the first step of a key is the warm-up that libraries need before a capture
            self._key, self._graph = key, None
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                self._run(self._number, key)
            torch.cuda.current_stream().wait_stream(self._stream)
            return
        if self._graph is None and not self._refused:
            self._capture(key)
        if self._graph is None:
            self._run(self._number, key)
        else:
            self._graph.replay()

    def _capture(self, key: Hashable) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                self._run(self._number, key)
        except RuntimeError as error:
            self._refused = True
            logging.warning(f"decoding without CUDA graphs: {str(error).splitlines()[0]}")
        else:
            self._graph = graph
