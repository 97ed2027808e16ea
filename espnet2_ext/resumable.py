"""A map over a table's utterances: in chunks that shards share out and that a killed run leaves."""

import argparse
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table, write_table

CHUNK_UTTS = 64
_DONE = "done"

Inputs = TypeVar("Inputs")


@dataclass(frozen=True)
class Shard:
    """Which of several jobs this one is; each does every `count`-th chunk.

    Args:
        number: From 1.
        count: Jobs.
    """

    number: int = 1
    count: int = 1

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        """``--shard`` and ``--num_shards``."""
        parser.add_argument("--shard", type=int, default=1, help="this job's number, from 1")
        parser.add_argument("--num_shards", type=int, default=1, help="jobs that share the work")

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Shard":
        """From parsed options; raises `UserError` for a number that does not exist."""
        if not 1 <= args.shard <= args.num_shards:
            raise UserError("--shard", f"{args.shard}", f"1..{args.num_shards}")
        return cls(args.shard, args.num_shards)


ALONE = Shard()


@dataclass(frozen=True)
class ResumableMap(Generic[Inputs]):
    """Work on utterances that ends in tables of a folder.

    Each chunk has a folder named after all that its content depends on: a killed run goes on with
    the chunk that it was in, and a chunk whose inputs have changed is made anew. Chunks do not
    depend on the number of shards. Each shard reads the inputs of its own chunks; the one that
    ends last joins the tables of all chunks.

    Args:
        keys: Utterances, in order.
        output_dir: Gets the tables and the folder of chunks.
        shard: This job.
        chunk_utts: Utterances of a chunk.
        chunks: Name of the folder of chunks; another where two maps write into one `output_dir`.
        dealt_before: Chunks of other maps that the same shards share out before these.
    """

    keys: Sequence[str]
    output_dir: Path
    shard: Shard = ALONE
    chunk_utts: int = CHUNK_UTTS
    chunks: str = "chunks"
    dealt_before: int = 0

    def __len__(self) -> int:
        """The number of chunks."""
        return -(-len(self.keys) // self.chunk_utts)

    def run(
        self,
        read: Callable[[Sequence[str]], tuple[str, Inputs]],
        work: Callable[[Sequence[str], Inputs, Path], Mapping[str, Any]],
        intact: Callable[[Path], bool] = lambda folder: True,
    ) -> bool:
        """Do this shard's chunks that are not done, and join all chunks if none is missing.

        Args:
            read: Gives what a chunk's content depends on as one word, and its inputs.
            work: Writes a chunk's tables into its folder; gives facts that are kept with it.
            intact: Whether what a finished chunk wrote outside its folder is still there.

        Returns:
            Whether the output is complete.
        """
        return self.join(read, intact, self.do(read, work, intact))

    def do(
        self,
        read: Callable[[Sequence[str]], tuple[str, Inputs]],
        work: Callable[[Sequence[str], Inputs, Path], Mapping[str, Any]],
        intact: Callable[[Path], bool] = lambda folder: True,
    ) -> dict[int, Path]:
        """The first half of `run`: this shard's chunks, and where they are, by number."""
        folders: dict[int, Path] = {}
        first = (self.shard.number - 1 - self.dealt_before) % self.shard.count
        for number in range(first, len(self), self.shard.count):
            keys = self._keys_of(number)
            digest, inputs = read(keys)
            folders[number] = folder = self._folder(number, digest)
            if not ((folder / _DONE).exists() and intact(folder)):
                shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed in it
                facts = work(keys, inputs, folder)
                write_table(folder / _DONE, {"n_utts": len(keys), **facts})
        return folders

    def join(
        self,
        read: Callable[[Sequence[str]], tuple[str, Any]],
        intact: Callable[[Path], bool] = lambda folder: True,
        done: Mapping[int, Path] | None = None,
    ) -> bool:
        """The other half: join the chunks if all are done; `done` are known to be."""
        finished = {path.parent.name.partition("-")[0] for path in self._chunks.glob(f"*/{_DONE}")}
        if any(str(number + 1) not in finished for number in range(len(self))):
            return False  # inputs of others' chunks are read when there is something to join
        folders = dict(done or {})
        for number in range(len(self)):
            if number not in folders:
                folders[number] = folder = self._folder(number, read(self._keys_of(number))[0])
                if not ((folder / _DONE).exists() and intact(folder)):
                    return False
        self._join([folders[number] for number in range(len(self))])
        return True

    @property
    def _chunks(self) -> Path:
        return self.output_dir / self.chunks

    def _keys_of(self, number: int) -> Sequence[str]:
        return self.keys[number * self.chunk_utts : (number + 1) * self.chunk_utts]

    def _folder(self, number: int, digest: str) -> Path:
        return self._chunks / f"{number + 1}-{digest}"

    def _join(self, folders: Sequence[Path]) -> None:
        names = [path.name for path in sorted(folders[0].iterdir()) if path.suffix != ".ark"]
        for name in names:
            if name != _DONE:
                rows: dict[str, str] = {}
                for folder in folders:
                    rows |= read_table(folder / name)
                write_table(self.output_dir / name, rows)
        for folder in self._chunks.iterdir():
            if folder not in folders:
                shutil.rmtree(folder, ignore_errors=True)
