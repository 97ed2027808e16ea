"""A map over a table's utterances: in chunks that shards share out and that a killed run leaves."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from espnet2_ext.files import read_table, write_table

CHUNK_UTTS = 64
_DONE = "done"

Inputs = TypeVar("Inputs")


@dataclass(frozen=True)
class ResumableMap(Generic[Inputs]):
    """Work on utterances that ends in tables of a folder.

    Each chunk has a folder named after all that its content depends on: a killed run goes on with
    the chunk that it was in, and a chunk whose inputs have changed is made anew. Chunks do not
    depend on the number of shards. Each shard reads the inputs of its own chunks; the one that
    ends last joins all chunks.

    Args:
        keys: Utterances, in order.
        output_dir: Gets the tables and the folder of chunks.
        tables: Names of the tables, those that the work does not write left out.
        shard: This job, from 1.
        num_shards: Jobs.
        chunk_utts: Utterances of a chunk.
        chunks: Name of the folder of chunks; another where two maps write into one `output_dir`.
    """

    keys: Sequence[str]
    output_dir: Path
    tables: Sequence[str]
    shard: int = 1
    num_shards: int = 1
    chunk_utts: int = CHUNK_UTTS
    chunks: str = "chunks"

    def run(
        self,
        read: Callable[[Sequence[str]], tuple[str, Inputs]],
        work: Callable[[Sequence[str], Inputs, Path], Mapping[str, Any]],
    ) -> bool:
        """Do this shard's chunks that are not done, and join all chunks if none is missing.

        Args:
            read: Gives what a chunk's content depends on as one word, and its inputs.
            work: Writes a chunk's tables into its folder; gives facts that are kept with it.

        Returns:
            Whether the output is complete.
        """
        chunks = [
            self.keys[first : first + self.chunk_utts]
            for first in range(0, len(self.keys), self.chunk_utts)
        ]
        folders: dict[int, Path] = {}
        for number in range(self.shard - 1, len(chunks), self.num_shards):
            digest, inputs = read(chunks[number])
            folders[number] = folder = self._folder(number, digest)
            if not (folder / _DONE).exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed in it
                facts = work(chunks[number], inputs, folder)
                write_table(folder / _DONE, {"n_utts": len(chunks[number]), **facts})
        finished = {path.parent.name.partition("-")[0] for path in self._chunks.glob(f"*/{_DONE}")}
        if any(str(number + 1) not in finished for number in range(len(chunks))):
            return False  # others' inputs are read when there is something to join
        for number in range(len(chunks)):
            if number not in folders:
                folders[number] = self._folder(number, read(chunks[number])[0])
                if not (folders[number] / _DONE).exists():
                    return False
        self._join([folders[number] for number in range(len(chunks))])
        return True

    @property
    def _chunks(self) -> Path:
        return self.output_dir / self.chunks

    def _folder(self, number: int, digest: str) -> Path:
        return self._chunks / f"{number + 1}-{digest}"

    def _join(self, folders: Sequence[Path]) -> None:
        for name in self.tables:
            if (folders[0] / name).exists():
                rows: dict[str, str] = {}
                for folder in folders:
                    rows |= read_table(folder / name)
                write_table(self.output_dir / name, rows)
        for folder in self._chunks.iterdir():
            if folder not in folders:
                shutil.rmtree(folder, ignore_errors=True)
