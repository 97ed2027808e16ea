"""LM inference over Kaldi tables: sharded, and resumed chunk by chunk."""

import hashlib
import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import LongTensor

from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_scp, read_table, write_table
from espnet2_ext.resumable import ResumableMap
from espnet2_ext.score.length import LengthCount
from espnet2_ext.speechlm.inference import SpeechLMInference
from espnet2_ext.speechlm.sampling import DecodingConfig

SCORE_COLUMNS = 4
_TOKENS, _SCORES = "codec_ssl", "scores"

Inputs = Sequence[Sequence[LongTensor] | None]
"""Rows of each utterance of a chunk, from each of several tables."""


@dataclass(frozen=True)
class DecodeTask:
    """What is decoded, and where to.

    Args:
        score_frames: scp of the scores.
        prompt: scp of the prompts; None: no prompt.
        output_dir: Gets ``codec_ssl.scp``, ``scores`` and ``chunks/``.
        shard: This job, from 1.
        num_shards: Jobs.
        chunk_utts: Utterances between savepoints.
        svs_frames: scp of the scores as svs_lb rounds them; None: as in `score_frames`.
    """

    score_frames: Path
    prompt: Path | None
    output_dir: Path
    shard: int = 1
    num_shards: int = 1
    chunk_utts: int = 64
    svs_frames: Path | None = None


def read_rows(path: Path, key: str, values: np.ndarray, columns: int) -> LongTensor:
    """A flat vector of an ark as (rows, columns); raises `UserError` naming the utterance."""
    if values.ndim != 1 or len(values) == 0 or len(values) % columns:
        raise UserError(f"{path}: {key}", f"shape {values.shape}", f"rows of {columns} numbers")
    return torch.from_numpy(values.astype(np.int64)).view(-1, columns)


def decode_dir(
    inference: SpeechLMInference, model_id: str, task: DecodeTask, config: DecodingConfig
) -> bool:
    """Decode this shard's chunks, and join all chunks if none is missing.

    A killed run goes on where it was, and a changed score, model or option is decoded anew; see
    `ResumableMap`.

    Args:
        inference: The model.
        model_id: Changes when configuration or weights do.
        task: What to decode.
        config: Options.

    Returns:
        Whether the output is complete.
    """
    keys = sorted(read_table(task.score_frames))
    if not keys:
        raise UserError(task.score_frames, "no utterances")
    nq = inference.model.vocabulary.nq
    columns = {task.score_frames: SCORE_COLUMNS, task.prompt: nq, task.svs_frames: SCORE_COLUMNS}
    tables = {path: read_scp(path) for path in columns if path is not None}
    for path, table in tables.items():
        missing = next((key for key in keys if key not in table), None)
        if missing is not None:
            raise UserError(path, f"no {missing}", "every utterance of the scores")

    def rows(path: Path | None, chunk: Sequence[str]) -> list[LongTensor] | None:
        if path is None:
            return None
        return [read_rows(path, key, tables[path][key], columns[path]) for key in chunk]

    def read(chunk: Sequence[str]) -> tuple[str, Inputs]:
        inputs = [rows(path, chunk) for path in (task.score_frames, task.prompt, task.svs_frames)]
        return digest_rows(f"{model_id} {config}", chunk, inputs), inputs

    def decode(chunk: Sequence[str], inputs: Inputs, folder: Path) -> dict[str, Any]:
        return _decode_chunk(inference, chunk, inputs, config, folder)

    tables_out = (f"{_TOKENS}.scp", _SCORES)
    shards = (task.shard, task.num_shards, task.chunk_utts)
    if not ResumableMap(keys, task.output_dir, tables_out, *shards).run(read, decode):
        return False
    if not config.fixed_length and inference.model.keeps_time:
        scores, sung = tables[task.score_frames], read_scp(task.output_dir / f"{_TOKENS}.scp")
        LengthCount.of(
            (key, len(sung[key]) // nq, len(scores[key]) // SCORE_COLUMNS) for key in keys
        ).log(str(task.score_frames))
    return True


def digest_rows(made_by: str, keys: Sequence[str], inputs: Inputs) -> str:
    """One word for what a chunk is made from: model and options, utterances, and their rows."""
    total = hashlib.sha256(f"{made_by} {' '.join(keys)}".encode())
    for tensor in itertools.chain.from_iterable(rows or () for rows in inputs):
        total.update(f"{tuple(tensor.shape)}".encode() + tensor.numpy().tobytes())
    return total.hexdigest()[:12]


def _decode_chunk(
    inference: SpeechLMInference,
    keys: Sequence[str],
    inputs: Inputs,
    config: DecodingConfig,
    folder: Path,
) -> dict[str, Any]:
    started = time.perf_counter()
    scores, prompts, svs_frames = inputs
    sung = inference.generate(scores, prompts, config, svs_frames)
    seconds = time.perf_counter() - started
    frames = sum(len(s.tokens) for s in sung)
    logging.info("%d utterances, %d frames, %.0f frames/s", len(keys), frames, frames / seconds)
    with ArkWriter(folder, _TOKENS) as writer:
        for key, one in zip(keys, sung, strict=True):
            writer[key] = one.tokens.reshape(-1).numpy()
    rows = ((key, f"{one.score:.6f}") for key, one in zip(keys, sung, strict=True))
    write_table(folder / _SCORES, rows)
    return {"frames": frames, "sec": f"{seconds:.3f}"}
