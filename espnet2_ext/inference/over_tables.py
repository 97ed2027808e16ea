"""A step over Kaldi tables: sharded, and resumed chunk by chunk."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import soundfile

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.data.streams import STREAMS, StreamTables, write_stream
from espnet2_ext.files import read_table, remove_parts, write_table
from espnet2_ext.inference.step import Columns, Step, as_tensor
from espnet2_ext.resumable import ALONE, CHUNK_UTTS, ResumableMap, Shard

WAV_COMMENT = "synthetic singing, made by espnet2-ext"


def over_tables(
    step: Step,
    made_by: str,
    paths: Mapping[str, Path | None],
    output_dir: str | Path,
    shard: Shard = ALONE,
    chunk_utts: int | None = None,
) -> bool:
    """Run a step on this shard's chunks, and join all chunks if none is missing.

    A killed run goes on where it was, and what changed streams, weights or options were made into
    is made anew; see `ResumableMap`.

    Args:
        step: The step.
        made_by: Changes when its model does: configuration, weights, precision, kind of device.
        paths: Kaldi table of each stream; the first names the utterances.
        output_dir: Gets a table of every stream that is written (samples as ``wav/UTT.wav``).
        shard: This job.
        chunk_utts: Utterances between savepoints, where the step lets them be chosen.

    Returns:
        Whether the output is complete.

    Raises:
        UserError: no utterances, one that a table lacks, or one that the step cannot take.
    """
    output_dir = Path(output_dir)
    used = {n: p for n, p in paths.items() if n in step.reads or step.wants(n)}
    tables = StreamTables(used, step.sizes)

    def read(chunk: Sequence[str]) -> tuple[str, Columns]:
        rows = [tables[key] for key in chunk]
        columns = {name: [as_tensor(name, row[name]) for row in rows] for name in tables.paths}
        return step.digest(made_by, chunk, columns), columns

    def work(chunk: Sequence[str], columns: Columns, folder: Path) -> dict[str, Any]:
        started = time.perf_counter()
        written = step(columns, chunk)
        sec = time.perf_counter() - started
        word = folder.name.partition("-")[2]
        for name, values in written.items():
            _write(folder, name, chunk, values, output_dir, word)
        frames = sum(len(value) for value in next(iter(columns.values())))
        logging.info("%d utterances, %d frames, %.0f frames/s", len(chunk), frames, frames / sec)
        return {"frames": frames, "sec": f"{sec:.3f}"}

    size = step.chunk_utts or chunk_utts or CHUNK_UTTS
    chunks = ResumableMap(tables.keys, output_dir, shard, size, step.chunks)
    if not chunks.run(read, work, _wavs_are_there):
        return False
    remove_parts(output_dir / "wav")  # of jobs that were killed while they wrote; all have ended
    step.finish(tables, output_dir)
    return True


def _write(
    folder: Path,
    name: str,
    chunk: Sequence[str],
    values: Sequence[Any],
    output_dir: Path,
    word: str,
) -> None:
    """One of a chunk's tables; wavs lie in the output's folder, signed with the chunk's word."""
    if name == "wav":
        wavs = {key: (output_dir / "wav" / f"{key}.wav").resolve() for key in chunk}
        for path, (samples, fs) in zip(wavs.values(), values, strict=True):
            write_wav(path, samples.numpy(), fs, _comment(word))
        write_table(folder / "wav.scp", {key: str(path) for key, path in wavs.items()})
    elif name in STREAMS:
        write_stream(folder, name, chunk, [value.numpy() for value in values])
    else:
        write_table(folder / name, dict(zip(chunk, values, strict=True)))


def _comment(word: str) -> str:
    return f"{WAV_COMMENT}; input {word}"


def _wavs_are_there(folder: Path) -> bool:
    """Whether the wavs of a chunk, if it has any, are those that it wrote."""
    table, comment = folder / "wav.scp", _comment(folder.name.partition("-")[2])
    if not table.exists():
        return True
    for path in read_table(table).values():
        try:
            with soundfile.SoundFile(path) as sound:
                if sound.comment != comment:
                    return False
        except (soundfile.SoundFileError, OSError):
            return False
    return True
