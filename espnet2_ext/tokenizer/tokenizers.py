"""Tokenizers: a recipe's codec, SSL tokens, phone set and mel statistics, in one folder."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.checkpoint import load_state, save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.score.formats.phone_set import PHONES_FILE, read_phones, write_phones
from espnet2_ext.score.frames import FrameScore, expand
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.tokenizer.codec import AudioCodec
from espnet2_ext.tokenizer.codecs import codec_type, load_codec
from espnet2_ext.tokenizer.ssl import SSL_FILE, SSLTokenizer, load_ssl
from espnet2_ext.tokenizer.svs_lb import SvsLabelConfig, read_label_config
from espnet2_ext.tokenizer.vocabulary import Vocabulary

CONFIG, MEL, STATS = "config.yaml", "mel.yaml", "mel_stats.safetensors"


@dataclass(frozen=True)
class TokenizerConfig:
    """``conf/tokenizer.yaml``.

    Args:
        codec: ``type`` (`codecs.CODECS`) and its options.
        ssl: ``type`` (`ssl.SSL_TYPES`) and its options.
        svs_lb: How the score is written as text.
        max_minutes: Audio that fitting looks at: whole utterances, drawn with `seed`.
        seed: Of that draw.
    """

    codec: Mapping[str, Any]
    ssl: Mapping[str, Any]
    svs_lb: SvsLabelConfig = field(default_factory=SvsLabelConfig)
    max_minutes: float = 120.0
    seed: int = 0

    @classmethod
    def load(cls, path: str | Path) -> "TokenizerConfig":
        values = read_yaml(path)
        for key in ("codec", "ssl"):
            if not isinstance(values.get(key), dict):
                raise UserError(path, f"{values.get(key)!r}", "a mapping with a type", key)
        values["svs_lb"] = read_label_config(path)
        codec_type(values["codec"], path)
        return parse_config(cls, values, path)


@dataclass(frozen=True)
class Tokenizers:
    """Everything that turns audio into tokens, as fitted.

    Args:
        mel: Mel configuration and clock.
        codec: Codec, stream 1 and on.
        ssl: SSL tokens, stream 0.
        phones: Phone set; the position is the phone_id.
        svs_lb: How the score is written as text.
        mel_mean (Tensor): Mean log-mel of the training split (n_mels,).
        mel_std (Tensor): Its standard deviation (n_mels,).
    """

    mel: MelConfig
    codec: AudioCodec
    ssl: SSLTokenizer
    phones: tuple[str, ...]
    svs_lb: SvsLabelConfig
    mel_mean: Tensor
    mel_std: Tensor

    @property
    def n_streams(self) -> int:
        """Tokens per frame: one SSL token and the codec's."""
        return 1 + self.codec.n_codebooks

    @property
    def sizes(self) -> list[int]:
        """Values of each stream's token."""
        return [self.ssl.n_clusters] + [self.codec.codebook_size] * self.codec.n_codebooks

    @property
    def phone_ids(self) -> dict[str, int]:
        return {phone: i for i, phone in enumerate(self.phones)}

    def label_frames(self, score: MusicScore) -> FrameScore:
        """The score's frames as svs_lb tells them; those of the audio unless it rounds otherwise.

        Raises:
            ValueError: as `expand`.
        """
        return expand(score, self.phone_ids, self.mel.fps, self.svs_lb.rounding)

    def to(self, device: str | torch.device) -> "Tokenizers":
        """Move codec and SSL model; audio is moved by `encode`."""
        self.codec.to(device)
        self.ssl.to(device)
        return self

    @torch.no_grad()
    def encode(self, wav: Tensor | np.ndarray) -> Tensor:
        """Waveform (N,) or (B, N) to tokens (F, n_streams) or (B, F, n_streams), int64.

        The end is zero-padded to a whole token frame: F = ceil(N / samples_per_token).
        """
        wav = torch.as_tensor(wav, dtype=torch.float32)
        batch = (wav if wav.dim() == 2 else wav[None]).to(self.ssl.centroids.device)
        batch = torch.nn.functional.pad(batch, (0, -batch.size(1) % self.mel.samples_per_token))
        tokens = torch.cat([self.ssl.encode(batch)[..., None], self.codec.encode(batch)], dim=-1)
        return (tokens if wav.dim() == 2 else tokens[0]).cpu()

    @torch.no_grad()
    def log_mel(self, wav: Tensor | np.ndarray) -> Tensor:
        """Waveform (N,) to natural-log mel (N // hop_length, n_mels)."""
        return LogMel(self.mel)(torch.as_tensor(wav, dtype=torch.float32)[None])[0]

    def vocabulary(
        self,
        base: Vocabulary | None = None,
        tasks: Sequence[str] = ("svs",),
        replace_codes: bool = False,
    ) -> Vocabulary:
        """The speech LM's vocabulary for these tokens and tasks, or `base` extended by them."""
        return Vocabulary.build(
            self.ssl.n_clusters,
            self.codec.n_codebooks,
            self.codec.codebook_size,
            self.phones,
            tasks,
            base,
            replace_codes,
        )

    @classmethod
    def load(
        cls, folder: str | Path, device: str | torch.device = "cpu", offline: bool = False
    ) -> "Tokenizers":
        """Read a folder of `save_tokenizers`, strictly.

        Args:
            folder: Fitted tokenizers.
            device: Where they run.
            offline: Take a model of the hub, if they name one, from the hub's cache alone.

        Raises:
            UserError: naming the file that is missing or wrong.
        """
        folder = Path(folder)
        config = TokenizerConfig.load(folder / CONFIG)
        mel = MelConfig.load(folder / MEL)
        phones = read_phones(folder / PHONES_FILE)
        stats = load_state(folder / STATS)
        for name in ("mean", "std"):
            shape = tuple(stats[name].shape) if name in stats else "nothing"
            if shape != (mel.n_mels,):
                raise UserError(folder / STATS, f"{shape}", f"({mel.n_mels},)", name)
        return cls(
            mel=mel,
            codec=load_codec(config.codec, mel, folder),
            ssl=load_ssl(config.ssl, mel, len(phones), folder, offline),
            phones=phones,
            svs_lb=config.svs_lb,
            mel_mean=stats["mean"],
            mel_std=stats["std"],
        ).to(device)


def read_codec(folder: str | Path) -> tuple[AudioCodec, MelConfig]:
    """The codec alone of a folder of `save_tokenizers`, and its mel configuration.

    Raises:
        UserError: as `Tokenizers.load`.
    """
    folder = Path(folder)
    config, mel = TokenizerConfig.load(folder / CONFIG), MelConfig.load(folder / MEL)
    return load_codec(config.codec, mel, folder), mel


def save_tokenizers(
    folder: str | Path,
    config_path: str | Path,
    mel_path: str | Path,
    codec: AudioCodec,
    ssl: SSLTokenizer,
    phones: Sequence[str],
    mel_frames: Tensor,
) -> None:
    """Write a tokenizer folder; it appears whole or not at all.

    Args:
        folder: Where to.
        config_path: ``conf/tokenizer.yaml``, copied.
        mel_path: ``conf/mel.yaml``, copied.
        codec: Fitted or pretrained.
        ssl: Fitted.
        phones: Phone set.
        mel_frames (Tensor): Log-mel of the training split (T, n_mels), for the statistics.
    """
    folder = Path(folder)
    part = folder.with_name(f".part-{folder.name}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    shutil.copyfile(config_path, part / CONFIG)
    shutil.copyfile(mel_path, part / MEL)
    codec.save(part)
    ssl.save(part / SSL_FILE)
    statistics = {"mean": mel_frames.mean(0), "std": mel_frames.std(0).clamp_min(1e-4)}
    save_safetensors(statistics, part / STATS)
    write_phones(part / PHONES_FILE, phones)
    if folder.exists():
        shutil.rmtree(folder)
    part.rename(folder)
