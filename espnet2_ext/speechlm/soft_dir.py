"""Soft tokens over Kaldi tables: sharded, and resumed chunk by chunk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_scp, read_table
from espnet2_ext.resumable import ResumableMap
from espnet2_ext.speechlm.decode_dir import SCORE_COLUMNS, Inputs, digest_rows, read_rows
from espnet2_ext.speechlm.inference import SpeechLMInference
from espnet2_ext.speechlm.sampling import DecodingConfig

_SOFT, _CHUNKS = "soft", "soft_chunks"


@dataclass(frozen=True)
class SoftTask:
    """What embeddings are wanted of, and where to.

    Args:
        codec_ssl: scp of the tokens that were chosen.
        score_frames: scp of the scores.
        prompt: scp of the prompts.
        output_dir: Gets ``soft.scp`` and ``soft_chunks/``.
        svs_frames: scp of the scores as svs_lb rounds them; None: as in `score_frames`.
        batch_size: Utterances of one pass.
        shard: This job, from 1.
        num_shards: Jobs.
        chunk_utts: Utterances between savepoints.
    """

    codec_ssl: Path
    score_frames: Path
    prompt: Path
    output_dir: Path
    svs_frames: Path | None = None
    batch_size: int = 16
    shard: int = 1
    num_shards: int = 1
    chunk_utts: int = 64


def soft_dir(
    inference: SpeechLMInference,
    model_id: str,
    tables: Tensor,
    offset: Tensor,
    task: SoftTask,
    config: DecodingConfig,
) -> bool:
    """Write this shard's embeddings, and join all if none is missing; see `ResumableMap`.

    Args:
        inference: The model.
        model_id: Changes when model or codec do.
        tables: Codec embeddings by codebook and code (n_codebooks, K, D).
        offset: Added to their sum (D,).
        task: What to do.
        config: Options, those that the tokens were decoded with.

    Returns:
        Whether the output is complete.

    Raises:
        UserError: no tokens, or an utterance that a table lacks.
    """
    nq = inference.model.vocabulary.nq
    columns = {
        task.codec_ssl: nq, task.score_frames: SCORE_COLUMNS, task.prompt: nq,
        task.svs_frames: SCORE_COLUMNS,
    }  # fmt: skip
    keys = sorted(read_table(task.codec_ssl))
    if not keys:
        raise UserError(task.codec_ssl, "no utterances", "at least one")
    streams = {path: read_scp(path) for path in columns if path is not None}
    for path, stream in streams.items():
        missing = next((key for key in keys if key not in stream), None)
        if missing is not None:
            raise UserError(path, f"no {missing}", "every utterance of codec_ssl")

    def read(chunk: Sequence[str]) -> tuple[str, Inputs]:
        inputs = [
            None if path is None
            else [read_rows(path, key, streams[path][key], columns[path]) for key in chunk]
            for path in columns
        ]  # fmt: skip
        return digest_rows(f"{model_id} {config} {task.batch_size}", chunk, inputs), inputs

    def expect(chunk: Sequence[str], inputs: Inputs, folder: Path) -> dict[str, Any]:
        embeddings: dict[int, Tensor] = {}
        for batch in _by_length([len(rows) for rows in inputs[0]], task.batch_size):
            codes, scores, prompts, svs_frames = (
                None if rows is None else [rows[k] for k in batch] for rows in inputs
            )
            expected = inference.expect(codes, scores, prompts, tables, offset, config, svs_frames)
            embeddings |= zip(batch, expected, strict=True)
        with ArkWriter(folder, _SOFT) as writer:
            for k, key in enumerate(chunk):
                writer[key] = embeddings[k].cpu().numpy()
        return {"frames": sum(map(len, embeddings.values()))}

    shards = (task.shard, task.num_shards, task.chunk_utts)
    # Where the tokens lie in the same folder, these have chunks of their own.
    tables_out = (f"{_SOFT}.scp",)
    return ResumableMap(keys, task.output_dir, tables_out, *shards, _CHUNKS).run(read, expect)


def _by_length(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Indices in batches of similar lengths."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for first in range(0, len(order), batch_size):
        yield order[first : first + batch_size]
