"""Steps from a score to samples: each reads streams of utterances and writes others.

A stage of a recipe runs one step over Kaldi tables (`inference.over_tables`); a packed model runs
all of them one after the other (`Pipeline`).
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from espnet2_ext.data.streams import CODES, SCORE, STREAMS, TEXT, StreamSizes
from espnet2_ext.errors import UserError

Columns = Mapping[str, Sequence[Any]]
"""Streams by name, each with one value per utterance: tensors (F, width) on the CPU."""


class Step(ABC):
    """A model, or a part of one, with its options.

    Attributes:
        reads: Streams that it needs.
        may_read: Streams that it takes where they are given.
        writes: Streams and other values that it may give.
        chunk_utts: Utterances between savepoints; None: any number, as each is computed as if it
            were alone.
        chunks: Folder of the savepoints.
        batch_utts: Utterances that it computes at once, however many it is given; None: all.
    """

    reads: ClassVar[tuple[str, ...]]
    may_read: tuple[str, ...] = ()
    writes: ClassVar[tuple[str, ...]]
    chunk_utts: int | None = None
    chunks: ClassVar[str] = "chunks"
    batch_utts: int | None = None

    @property
    def prompt_frames(self) -> int | None:
        """Token frames of a prompt that the model uses: its first; None: it uses none."""
        return None

    @property
    @abstractmethod
    def sizes(self) -> StreamSizes:
        """What its streams are checked against."""

    @abstractmethod
    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        """Run on a batch.

        Args:
            columns: Those of `reads` and `may_read` that there are.
            names: Of the utterances, for errors.

        Raises:
            UserError: naming an utterance whose streams the model cannot take.
        """

    def wants(self, name: str) -> bool:
        """Whether the model uses this stream of `may_read`."""
        return True

    def with_seed(self, seed: int) -> "Step":
        """The same step with another seed of its draws."""
        return self

    def check(self, tokenizers: Any, vocabulary: Any, place: str) -> None:  # noqa: B027
        """Refuse a model that was not made for a pack's tokenizers and vocabulary.

        Raises:
            UserError: naming what differs.
        """

    @property
    def options(self) -> str:
        """Everything but model and streams that its values depend on."""
        return ""

    def digest(self, made_by: str, names: Sequence[str], columns: Columns) -> str:
        """One word for all that a batch's values are made from."""
        total = hashlib.sha256(f"{made_by} {self.options} {' '.join(names)}".encode())
        for name, values in columns.items():
            for value in values:
                shape = f"{name} {tuple(value.shape)}"
                total.update(shape.encode() + value.numpy().tobytes())
        return total.hexdigest()[:12]

    def finish(self, tables: Any, output_dir: Path) -> None:  # noqa: B027 (there may be nothing)
        """What is left to do once all utterances of `StreamTables` are done."""


def others(columns: Columns, names: Sequence[str]) -> dict[str, Sequence[Any]]:
    """The columns of these names, of those that there are."""
    return {name: columns[name] for name in names if name in columns}


def check_phones(own: Sequence[str], phones: Sequence[str], place: str) -> None:
    """Refuse a model's phone set that is not the tokenizer's; raises `UserError`."""
    if list(own) != list(phones):
        odd = sorted(set(own) ^ set(phones)) or ["the same in another order"]
        raise UserError(place, " ".join(odd), "the tokenizer's", "phone set")


def as_tensor(name: str, values: np.ndarray) -> torch.Tensor:
    """A stream's values as a model takes them: int64 or float32, in memory of their own."""
    whole = name in STREAMS and STREAMS[name].kind in (CODES, SCORE, TEXT)
    return torch.from_numpy(np.array(values, dtype=np.int64 if whole else np.float32))
