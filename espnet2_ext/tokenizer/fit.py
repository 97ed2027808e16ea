"""Fitting a recipe's tokenizers on its training split."""

import logging
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.audio.wav import audio_info, read_wav
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table
from espnet2_ext.one_thread import map_each, one_thread
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.score.formats.phone_set import PHONES_FILE, phones_of
from espnet2_ext.score.frames import expand
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.tokenizer.align import fit_audio
from espnet2_ext.tokenizer.centroids import read_centroids
from espnet2_ext.tokenizer.codecs import create_codec
from espnet2_ext.tokenizer.mel_rvq import MelRVQ
from espnet2_ext.tokenizer.ssl import (
    KMeansConfig,
    SSLTokenizer,
    build_features,
    extract,
    fit_centroids,
)
from espnet2_ext.tokenizer.ssl_features import PhoneFeatures
from espnet2_ext.tokenizer.tokenizers import TokenizerConfig, save_tokenizers

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitUtterance:
    """An utterance to fit on: samples (N,), log-mel (T, n_mels), phone of each token frame (F,)."""

    wav: Tensor
    mel: Tensor
    phone_ids: Tensor


def phone_set(data_dir: Path, scores: dict[str, MusicScore]) -> tuple[str, ...]:
    """The phones of a data directory, all of them: a song may have what the training split lacks.

    Raises:
        UserError: naming the utterance with a phone that is not in the set.
    """
    phones = phones_of(data_dir)
    known = set(phones)
    for utt, score in scores.items():
        for phone in score.phones:
            if phone.phone not in known:
                expected = f"one of {data_dir / PHONES_FILE}, or of Opencpop where there is none"
                raise UserError(f"{data_dir / 'label'}: {utt}", repr(phone.phone), expected)
    return phones


def draw_utterances(wavs: dict[str, str], max_minutes: float, seed: int) -> list[str]:
    """Draw whole utterances until their audio reaches `max_minutes`, sorted by id."""
    order = sorted(wavs)
    random.Random(seed).shuffle(order)
    chosen, seconds = [], 0.0
    for utt in order:
        if seconds >= 60 * max_minutes:
            break
        seconds += audio_info(wavs[utt]).seconds
        chosen.append(utt)
    return sorted(chosen)


def read_utterances(
    data_dir: Path,
    utts: list[str],
    scores: dict[str, MusicScore],
    phones: tuple,
    mel: MelConfig,
    nj: int = 1,
) -> list[FitUtterance]:
    """Read and analyse utterances of a data directory, fitted to their scores."""
    wavs, log_mel = read_table(data_dir / "wav.scp"), LogMel(mel)
    phone_ids = {phone: i for i, phone in enumerate(phones)}

    @torch.no_grad()
    def read(utt: str) -> FitUtterance:
        place = f"{data_dir / 'wav.scp'}: {utt}"
        samples, _ = read_wav(wavs[utt], mel.fs)
        samples, score = fit_audio(samples, mel.fs, mel.fps, scores.get(utt), place)
        wav = torch.from_numpy(samples)
        ids = torch.zeros(0, dtype=torch.long)
        if score is not None:
            ids = torch.from_numpy(expand(score, phone_ids, mel.fps).phone_id)
        return FitUtterance(wav, log_mel(wav[None])[0], ids)

    return map_each(read, utts, nj)


@one_thread()
def fit_tokenizers(
    config_path: str | Path,
    mel_path: str | Path,
    data_dir: str | Path,
    out_dir: str | Path,
    device: str = "cpu",
    nj: int = 1,
) -> None:
    """Fit what the configuration asks for, and write the tokenizer folder.

    Args:
        config_path: ``conf/tokenizer.yaml``.
        mel_path: ``conf/mel.yaml``.
        data_dir: Training split: wav.scp, label, score.scp.
        out_dir: Tokenizer folder; replaced only when the fit is done.
        device: Where a pretrained SSL model runs.
        nj: Utterances that are read and analysed at a time; the result is the same for all.

    Raises:
        UserError: naming what is wrong with configuration or data.
    """
    config_path, data_dir = Path(config_path), Path(data_dir)
    config, mel = TokenizerConfig.load(config_path), MelConfig.load(mel_path)
    kmeans, _ = KMeansConfig.split(config.ssl, config_path)
    scores = read_scores(data_dir)
    phones = phone_set(data_dir, scores)
    torch.manual_seed(config.seed)
    # built first: a mistake in the configuration shows before the long part
    features = build_features(config.ssl, mel, len(phones), config_path)
    codec = create_codec(config.codec, mel, config_path)
    centroids = features.centroids
    if kmeans.centroids is not None:
        centroids = read_centroids(kmeans.centroids)
    if centroids is not None and len(centroids) != kmeans.n_clusters:
        found, wanted = f"{len(centroids)} centroids", f"n_clusters: {kmeans.n_clusters}"
        raise UserError(kmeans.centroids or "ssl", found, f"{wanted}, as {config_path}")

    start = time.perf_counter()
    wavs = read_table(data_dir / "wav.scp")
    utts = draw_utterances(wavs, config.max_minutes, config.seed)
    utterances = read_utterances(data_dir, utts, scores, phones, mel, nj)
    mel_frames = torch.cat([u.mel for u in utterances])
    minutes = len(mel_frames) / mel.frames_per_sec / 60
    start = _log(start, f"read {len(utterances)} utterances, {minutes:.1f} minutes")
    try:
        if isinstance(codec, MelRVQ):
            codec.fit(mel_frames)
            start = _log(start, f"fitted {codec.n_codebooks} codebooks of {codec.codebook_size}")
        if isinstance(features, PhoneFeatures):
            labelled = [u for u in utterances if len(u.phone_ids)]
            features.fit([u.mel for u in labelled], [u.phone_ids for u in labelled])
            start = _log(start, f"trained phone features on {len(labelled)} utterances")
        features.to(device)
        if centroids is None:
            centroids = fit_centroids(features, [u.wav for u in utterances], mel, kmeans, nj)
    except ValueError as error:
        raise UserError(data_dir, str(error)) from None
    ssl = SSLTokenizer(features, centroids.to(device), mel.fs, mel.fps)
    dim = extract(features, utterances[0].wav[None].to(device), mel.fs, mel.fps).size(-1)
    if dim != centroids.size(1):
        raise UserError(
            kmeans.centroids, f"{centroids.size(1)} dimensions", f"{dim}, as the features"
        )
    save_tokenizers(out_dir, config_path, mel_path, codec, ssl, phones, mel_frames)
    _log(start, f"fitted {ssl.n_clusters} SSL clusters; wrote {out_dir}")


def _log(start: float, message: str) -> float:
    now = time.perf_counter()
    logger.info("%s (%.1f s)", message, now - start)
    return now
