"""Keys and values of decoding: allocated once, written in place."""

import torch
from torch import LongTensor, Tensor


class KeyValueCache:
    """Keys and values of all positions, one tensor per layer, for our decoders.

    Args:
        positions: Most positions of a sequence.
    """

    def __init__(self, positions: int) -> None:
        self.positions = positions
        self._place: int | LongTensor = 0
        self._end: int | None = None
        self._stored: dict[int, Tensor] = {}  # (2, B, heads, positions, width)

    def seek(self, place: int | LongTensor, end: int | None = None) -> None:
        """The next keys and values go to `place`, and queries see all before and their own.

        A place on the device (1,) is what a CUDA graph needs, whose numbers are fixed: queries then
        see all before `end`, and a mask hides what has not been written.
        """
        self._place, self._end = place, end

    def append(self, keys_values: Tensor, layer: int) -> Tensor:
        """Write (2, B, heads, n, width) and return all that queries see."""
        two, B, heads, n, width = keys_values.shape
        if layer not in self._stored:
            # zeros, for what a mask hides must still be a number
            self._stored[layer] = keys_values.new_zeros(two, B, heads, self.positions, width)
        stored = self._stored[layer]
        if isinstance(self._place, int):
            stored.narrow(3, self._place, n).copy_(keys_values)
            return stored.narrow(3, 0, self._place + n)
        return stored.index_copy_(3, self._place, keys_values).narrow(3, 0, self._end)

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: object, **_: object
    ) -> tuple[Tensor, Tensor]:
        """As `append`, for (B, heads, n, width) each."""
        return self.append(torch.stack((key_states, value_states)), layer_idx).unbind()

    def pick(self, rows: slice | LongTensor) -> None:
        """Go on with some of the sequences."""
        self._stored = {layer: stored[:, rows] for layer, stored in self._stored.items()}

    def repeat(self, n: int) -> None:
        """Go on with every sequence n times, one after another."""
        if n > 1:
            for layer, stored in self._stored.items():
                self._stored[layer] = stored.repeat_interleave(n, dim=1)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._place if isinstance(self._place, int) else 0

    def get_query_offset(self, layer_idx: int = 0) -> int:
        return self.get_seq_length()

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0
