"""Keys and values of decoding: allocated once, written in place."""

from torch import LongTensor, Tensor
from transformers.cache_utils import Cache


class KeyValueCache(Cache):
    """Keys and values of all positions, one tensor per layer, for a Hugging Face decoder or ours.

    Args:
        positions: Most positions of a sequence.
    """

    def __init__(self, positions: int) -> None:
        super().__init__(layers=[])
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

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: object, **_: object
    ) -> tuple[Tensor, Tensor]:
        """Write (B, heads, n, width) and return all that queries see."""
        B, heads, n, width = key_states.shape
        if layer_idx not in self._stored:
            # zeros, for what a mask hides must still be a number
            shape = (2, B, heads, self.positions, width)
            self._stored[layer_idx] = key_states.new_zeros(shape)
        keys, values = self._stored[layer_idx].unbind()
        if isinstance(self._place, int):
            end = self._place + n
            keys[:, :, self._place : end] = key_states
            values[:, :, self._place : end] = value_states
        else:
            end = self._end
            keys.index_copy_(2, self._place, key_states)
            values.index_copy_(2, self._place, value_states)
        return keys[:, :, :end], values[:, :, :end]

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
