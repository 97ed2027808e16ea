"""Stage 11: tokens in arks to mel and F0 in arks; sharded, and resumed chunk by chunk."""

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, parse_config, read_scp, read_table, read_yaml
from espnet2_ext.flow.dataset import SCORE_COLUMNS
from espnet2_ext.flow.inference import FlowInference
from espnet2_ext.flow.sampler import SamplingConfig
from espnet2_ext.resumable import ResumableMap
from espnet2_ext.score.length import EXACT, LengthCount

STREAMS = ("mel", "f0", "codes")

Arrays = Sequence[Mapping[str, np.ndarray]]
"""Of each utterance of a chunk: its streams by name."""


@dataclass(frozen=True)
class DecodeInputs:
    """Kaldi tables of what is decoded.

    Args:
        codec_ssl: Tokens, from an LM or the ground truth.
        score_frames: Scores (Flow2).
        prompt: Prompts of the singers.
        soft: Codec embeddings that the LM expects, in place of its codes' own.
    """

    codec_ssl: Path
    score_frames: Path | None = None
    prompt: Path | None = None
    soft: Path | None = None

    @classmethod
    def of_dir(
        cls,
        token_dir: str | Path,
        codec_ssl: str | Path | None = None,
        soft: str | Path | None = None,
    ) -> "DecodeInputs":
        """Tables of a token directory; `codec_ssl` in place of its own tokens, if given."""
        token_dir = Path(token_dir)
        optional = (token_dir / f"{name}.scp" for name in ("score_frames", "prompt"))
        tables = (path if path.is_file() else None for path in optional)
        tokens = Path(codec_ssl or token_dir / "codec_ssl.scp")
        return cls(tokens, *tables, None if soft is None else Path(soft))


def load_sampling(path: str | Path | None) -> SamplingConfig:
    """``decode_flow.yaml``; the defaults without a file."""
    return parse_config(SamplingConfig, read_yaml(path), path) if path else SamplingConfig()


def decode(
    flow: FlowInference,
    model_id: str,
    inputs: DecodeInputs,
    config: SamplingConfig,
    output_dir: str | Path,
    shard: int = 1,
    num_shards: int = 1,
    chunk_utts: int = 64,
) -> bool:
    """Decode this shard's chunks, and join all chunks if none is missing.

    A killed run goes on where it was, and changed tokens or weights are decoded anew; see
    `ResumableMap`.

    Args:
        flow: The model.
        model_id: Changes when configuration or weights do (`digest_files`).
        inputs: What to decode.
        config: Sampling.
        output_dir: Gets ``mel.scp``, ``f0.scp`` (or ``codes.scp``) and ``chunks/``.
        shard: This job, from 1.
        num_shards: Jobs.
        chunk_utts: Utterances per chunk.

    Returns:
        Whether the output is complete.
    """
    output_dir = Path(output_dir)
    tables = {
        name: read_scp(path)
        for name, path in asdict(inputs).items()
        if path is not None and _wanted(flow, name, config)
    }
    keys = sorted(read_table(inputs.codec_ssl))
    if not keys:
        raise UserError(inputs.codec_ssl, "no utterances")
    for name, table in tables.items():
        for key in keys:
            if key not in table:
                raise UserError(getattr(inputs, name), f"no {key}", "every utterance of codec_ssl")

    def read(chunk: Sequence[str]) -> tuple[str, Arrays]:
        arrays = [{name: np.asarray(tables[name][key]) for name in tables} for key in chunk]
        return _digest(model_id, config, chunk, arrays), arrays

    def decode_chunk(chunk: Sequence[str], arrays: Arrays, folder: Path) -> dict[str, Any]:
        return _decode_chunk(flow, chunk, arrays, config, folder)

    streams = [f"{name}.scp" for name in STREAMS]
    chunks = ResumableMap(keys, output_dir, streams, shard, num_shards, chunk_utts)
    if not chunks.run(read, decode_chunk):
        return False
    if "score_frames" in tables and config.length_policy != EXACT:
        nq = flow.model.geometry.nq
        LengthCount.of(
            (key, len(tables["codec_ssl"][key]) // nq, len(score) // SCORE_COLUMNS)
            for key, score in ((key, tables["score_frames"][key]) for key in keys)
        ).log(str(inputs.codec_ssl))
    return True


def _wanted(flow: FlowInference, name: str, config: SamplingConfig) -> bool:
    needs_score = flow.needs_pitch or flow.needs_phones or config.length_policy != EXACT
    return (
        name in ("codec_ssl", "soft")
        or (name == "score_frames" and needs_score)
        or (name == "prompt" and flow.needs_prompt)
    )


def _digest(
    model_id: str,
    config: SamplingConfig,
    keys: Sequence[str],
    arrays: Arrays,
) -> str:
    total = hashlib.sha256(f"{model_id} {config} {' '.join(keys)}".encode())
    for utterance in arrays:
        for name, array in utterance.items():
            total.update(f"{name} {array.shape}".encode() + array.tobytes())
    return total.hexdigest()[:12]


def _decode_chunk(
    flow: FlowInference,
    keys: Sequence[str],
    arrays: Arrays,
    config: SamplingConfig,
    folder: Path,
) -> dict[str, Any]:
    nq = flow.model.geometry.nq

    def frames(key: str, name: str, width: int) -> torch.LongTensor:
        array = arrays[keys.index(key)][name]
        if array.ndim != 1 or len(array) == 0 or len(array) % width:
            raise UserError(key, f"shape {array.shape}", f"a multiple of {width} values", name)
        return torch.from_numpy(array.astype(np.int64)).view(-1, width)

    tokens = [frames(key, "codec_ssl", nq) for key in keys]
    midi = prompts = None
    if "score_frames" in arrays[0]:
        midi = [frames(key, "score_frames", SCORE_COLUMNS) for key in keys]
    if "prompt" in arrays[0]:
        prompts = [frames(key, "prompt", nq) for key in keys]
    soft = None
    if "soft" in arrays[0]:
        soft = [torch.from_numpy(array["soft"].copy()) for array in arrays]
    started = time.perf_counter()
    features = flow.generate(tokens, midi, prompts, config, soft, keys)
    wall_sec = time.perf_counter() - started
    audio_sec = sum(map(len, tokens)) / flow.mel.fps
    logging.info("%d utterances, %.1f s, RTF %.4f", len(keys), audio_sec, wall_sec / audio_sec)
    for name in STREAMS:
        values = [getattr(f, name) for f in features]
        if values[0] is None:
            continue
        with ArkWriter(folder, name) as writer:
            for key, value in zip(keys, values, strict=True):
                writer[key] = (value.flatten() if name == "codes" else value).numpy()
    return {"audio_sec": audio_sec, "sec": wall_sec}
