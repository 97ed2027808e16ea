"""The folder of fitted judges: what is in it, and how scoring gets it back."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.checkpoint import load_state, save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, read_table, write_json
from espnet2_ext.judges.data import choose, require
from espnet2_ext.judges.singer_embedder import SingerEmbedder
from espnet2_ext.metrics.similarity import SingerCentroids

CENTROIDS = "singers"


def embed_folder(
    embedder: SingerEmbedder, folder: str | Path, limit_per_singer: int | None = None
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Embeddings of the real recordings of a data directory, and their singers."""
    folder = Path(folder)
    wavs, utt2spk = read_table(folder / "wav.scp"), read_table(folder / "utt2spk")
    by_singer: dict[str, list[str]] = {}
    for utt in wavs:
        by_singer.setdefault(require(utt2spk, utt, folder / "utt2spk"), []).append(utt)
    embeddings, singers = {}, {}
    for singer, utts in by_singer.items():
        for utt in choose(utts, limit_per_singer):
            embeddings[utt] = embedder.embed(*read_wav(wavs[utt]))
            singers[utt] = singer
    return embeddings, singers


def save_centroids(
    folder: str | Path, embeddings: Mapping[str, np.ndarray], utt2spk: Mapping[str, str]
) -> None:
    """Write embeddings (safetensors), then their singers (json)."""
    path = Path(folder) / f"{CENTROIDS}.safetensors"
    save_safetensors(
        {utt: torch.tensor(np.asarray(v, np.float32)) for utt, v in embeddings.items()}, path
    )
    write_json(path.with_suffix(".json"), dict(utt2spk))


def load_centroids(folder: str | Path) -> SingerCentroids:
    """Read what `save_centroids` wrote; raises `UserError` when the two files disagree."""
    path = Path(folder) / f"{CENTROIDS}.safetensors"
    embeddings = {utt: vector.numpy() for utt, vector in load_state(path).items()}
    utt2spk = read_json(path.with_suffix(".json"))
    if not isinstance(utt2spk, dict) or embeddings.keys() != utt2spk.keys():
        raise UserError(path.with_suffix(".json"), "other utterances than the embeddings'")
    return SingerCentroids(embeddings, utt2spk)
