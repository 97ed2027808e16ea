"""A batch: streams of several utterances, padded to one length each."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import BoolTensor, LongTensor, Tensor

from espnet2_ext.errors import UserError

_LENGTHS = "_lengths"


class Batch:
    """Streams by their names (`data.streams.STREAMS`), each (B, F, width), or (B, F) of width None.

    Args:
        streams: What ESPnet's collation gives a model: ``NAME`` and ``NAME_lengths`` (B,), which
            count frames. Whatever else is there is left aside.
    """

    def __init__(self, streams: Mapping[str, Any]) -> None:
        self._streams = {k: v for k, v in streams.items() if isinstance(v, Tensor)}

    @classmethod
    def of(
        cls, device: torch.device | str | None = None, **rows: Sequence[Tensor] | None
    ) -> "Batch":
        """Pad the rows of each stream with zeros, each (F, width), on `device`; None: not given."""
        streams: dict[str, Tensor] = {}
        for name, values in rows.items():
            if values is not None:
                padded = torch.nn.utils.rnn.pad_sequence(list(values), batch_first=True)
                streams[name] = padded.to(device)
                streams[name + _LENGTHS] = torch.tensor([len(v) for v in values], device=device)
        return cls(streams)

    @property
    def names(self) -> list[str]:
        """Of the streams that are there."""
        return [name for name in self._streams if not name.endswith(_LENGTHS)]

    @property
    def size(self) -> int:
        """Utterances."""
        return len(next(iter(self._streams.values())))

    def __contains__(self, name: str) -> bool:
        return name in self._streams

    def __getitem__(self, name: str) -> Tensor:
        """A stream; a `UserError` where it is not there."""
        if name not in self._streams:
            raise UserError("data", "no such stream", "one, which the model reads", name)
        return self._streams[name]

    def get(self, name: str) -> Tensor | None:
        """A stream; None where it is not there."""
        return self._streams.get(name)

    def lengths(self, name: str) -> LongTensor:
        """Frames of each utterance (B,)."""
        return self._streams[name + _LENGTHS]

    def mask(self, name: str) -> BoolTensor:
        """True on the frames that are real (B, F)."""
        frames = torch.arange(self[name].size(1), device=self[name].device)
        return frames[None] < self.lengths(name)[:, None]

    def having(self, **streams: Tensor | None) -> "Batch":
        """This batch with other streams, as long as those that they replace; None: without it."""
        merged = {**self._streams, **streams}
        return Batch({name: value for name, value in merged.items() if value is not None})

    def rows(self, index: LongTensor) -> "Batch":
        """The utterances `index` (R,) of this batch, in that order, one perhaps several times."""
        return Batch({name: value[index] for name, value in self._streams.items()})
