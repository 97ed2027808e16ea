"""Fit the melody judge on songs whose stems are known."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.digest import digest_files
from espnet2_ext.files import STEMS, read_table
from espnet2_ext.judges.augment import uniform
from espnet2_ext.judges.data import choose, require
from espnet2_ext.judges.f0 import (
    F0_CEIL_HZ,
    Extractor,
    ceiling_of,
    compare,
    frame_times,
    sample_f0,
)
from espnet2_ext.judges.fitting import train_judge
from espnet2_ext.judges.melody import (
    BINS_PER_OCTAVE,
    LOWEST_HZ,
    MELODY_FPS,
    N_BINS,
    N_PITCHES,
    MelodyConfig,
    MelodyJudge,
    MelodyNetwork,
    log_frequency,
)
from espnet2_ext.metrics.contour import raw_pitch_accuracy
from espnet2_ext.one_thread import one_thread
from espnet2_ext.score.formats.espnet_format import read_scores

_BLUR = 1.25  # bins: deviation of the targets around the true pitch


@dataclass(frozen=True)
class MelodyFitConfig:
    """How to train the melody judge.

    Args:
        steps: Optimiser steps.
        batch_size: Crops a step.
        crop_sec: Of each.
        lr: Peak learning rate.
        weight_decay: AdamW's.
        warmup: Share of the steps.
        gain_db: Voice and instruments are mixed again, up to this much louder or softer.
        exchange: Share of the crops whose instruments are those of another song.
        shift_bins: Crops are transposed by up to as many fifths of a semitone.
        seed: Of weights and order.
    """

    steps: int = 300
    batch_size: int = 8
    crop_sec: float = 3.0
    lr: float = 3e-3
    weight_decay: float = 0.02
    warmup: float = 0.1
    gain_db: float = 6.0
    exchange: float = 0.5
    shift_bins: int = 30
    seed: int = 3


@dataclass(frozen=True)
class Song:
    """A song that the judge learns from.

    Args:
        vocal: Samples of the voice (N,), of half precision, which an hour of songs needs.
        accompaniment: Samples of the instruments (N,), likewise.
        fs: Of both.
        f0: Of the voice, Hz (T,), 0 where unvoiced, at `judges.f0.frame_times`.
    """

    vocal: np.ndarray
    accompaniment: np.ndarray
    fs: int
    f0: np.ndarray

    @property
    def mixture(self) -> np.ndarray:
        return self.vocal.astype(np.float32) + self.accompaniment


@dataclass(frozen=True)
class MelodyQuality:
    """The melody judge, which hears mixtures, against the F0 of their voices.

    Args:
        raw_pitch_acc: Share of the voices' voiced frames that are voiced and within 50 cents of it.
        f0_corr: Pearson correlation (Hz) over frames voiced in both, mean over songs.
        vuv_error: Share of all frames where voicing differs.
        n_songs: Songs.
    """

    raw_pitch_acc: float
    f0_corr: float
    vuv_error: float
    n_songs: int


def has_stems(folder: str | Path) -> bool:
    """Whether a data directory has songs whose voice is known."""
    return all((Path(folder) / name).is_file() for name in STEMS)


def digest_stems(folder: str | Path) -> str:
    """Hash of a data directory's stems."""
    tables = [read_table(Path(folder) / name) for name in STEMS]
    return digest_files(*(table[utt] for table in tables for utt in sorted(table)))


def load_songs(
    folder: str | Path, extractor: Extractor, limit: int | None = None
) -> Iterator[Song]:
    """Songs of a data directory, with the F0 that an extractor hears in the voice alone."""
    folder = Path(folder)
    vocals, accompaniments = (read_table(folder / name) for name in STEMS)
    scores = read_scores(folder)
    for utt in choose(list(vocals), limit):
        vocal, fs = read_wav(vocals[utt])
        accompaniment, _ = read_wav(require(accompaniments, utt, folder / STEMS[1]), fs)
        ceiling = ceiling_of(scores[utt]) if utt in scores else F0_CEIL_HZ
        f0 = extractor(vocal, fs, ceiling)
        yield Song(vocal.astype(np.float16), accompaniment.astype(np.float16), fs, f0)


@one_thread()
def fit_melody(
    songs: Sequence[Song], config: MelodyFitConfig, size: MelodyConfig | None = None
) -> MelodyJudge:
    """Train with cross-entropy over pitches and none, on mixtures that are made anew each time."""
    size = size or MelodyConfig()
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    network = MelodyNetwork(size)
    order: list[int] = []

    def loss_of_batch(step: int) -> Tensor:
        while len(order) < config.batch_size:
            order.extend(torch.randperm(len(songs), generator=generator).tolist())
        picked = [songs[order.pop()] for _ in range(config.batch_size)]
        crops = [_crop(song, songs, config, generator) for song in picked]
        frames, targets = (torch.stack(part) for part in zip(*crops, strict=True))
        return nn.functional.cross_entropy(network(frames).transpose(1, 2), targets.transpose(1, 2))

    train_judge(network, list(network.parameters()), loss_of_batch, config, "melody judge")
    return MelodyJudge(size, network)


def _crop(
    song: Song, songs: Sequence[Song], config: MelodyFitConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Frames (T, N_BINS) of a new mixture, transposed, and its targets (T, N_PITCHES + 1)."""
    n_frames = round(config.crop_sec * MELODY_FPS)
    hop = round(song.fs / MELODY_FPS)
    length = n_frames * hop
    vocal, first = _stretch(song.vocal, length, hop, generator)
    if float(torch.rand((), generator=generator)) < config.exchange:
        other = songs[int(torch.randint(len(songs), (), generator=generator))]
        under, _ = _stretch(other.accompaniment, length, hop, generator)
    else:
        under = _fit(song.accompaniment[first * hop :], length)
    gain = 10 ** (uniform(-config.gain_db, config.gain_db, generator) / 20)
    frames = log_frequency(vocal.astype(np.float32) * gain + under, song.fs)
    times = (first + np.arange(n_frames) + 0.5) / MELODY_FPS
    f0 = sample_f0(frame_times(len(song.vocal), song.fs), song.f0, times)
    f0 = np.where(times * song.fs < len(song.vocal), f0, 0.0)
    shift = int(torch.randint(-config.shift_bins, config.shift_bins + 1, (), generator=generator))
    return transpose(frames, shift), targets_of(f0, shift)


def _stretch(
    wav: np.ndarray, length: int, hop: int, generator: torch.Generator
) -> tuple[np.ndarray, int]:
    """A stretch of samples that begins at a frame, and that frame."""
    spare = max(1, (len(wav) - length) // hop + 1)
    first = int(torch.randint(spare, (), generator=generator))
    return _fit(wav[first * hop :], length), first


def _fit(wav: np.ndarray, length: int) -> np.ndarray:
    return np.pad(wav[:length], (0, max(0, length - len(wav))))


def transpose(frames: Tensor, bins: int) -> Tensor:
    """Move log-frequency frames (T, N_BINS) up by some bins; the edge is repeated."""
    source = (torch.arange(N_BINS) - bins).clamp(0, N_BINS - 1)
    return frames[:, source]


def targets_of(f0: np.ndarray, bins: int = 0) -> Tensor:
    """How probable each class is (T, N_PITCHES + 1) where F0 is known (Hz, 0 where unvoiced).

    Args:
        bins: F0 is raised by as many fifths of a semitone.
    """
    at = BINS_PER_OCTAVE * np.log2(np.maximum(f0, 1.0) / LOWEST_HZ) + bins
    voiced = (f0 > 0) & (at > -0.5) & (at < N_PITCHES - 0.5)
    away = torch.arange(N_PITCHES) - torch.from_numpy(at).float()[:, None]
    targets = (-0.5 * (away / _BLUR).square()).softmax(-1)
    known = torch.from_numpy(voiced)[:, None]
    return torch.cat([targets * known, (~known).float()], -1)


def melody_quality(judge: MelodyJudge, songs: Iterable[Song]) -> MelodyQuality:
    """Measure the judge on mixtures whose voices are known."""
    heard = [(judge(song.mixture, song.fs), song.f0) for song in songs]
    found = compare(heard)
    everywhere = (np.concatenate(part) for part in zip(*heard, strict=True))
    return MelodyQuality(raw_pitch_accuracy(*everywhere), found.corr, found.vuv_error, found.n_utt)
