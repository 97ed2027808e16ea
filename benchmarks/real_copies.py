"""Copies of recordings by a vocoder, with or without a codec; and a vocoder fitted to them.

Each recording is cut in two: models are fitted on the first two thirds, and measured on the last.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import yaml
from real_recordings import Recording

from espnet2_ext.audio.f0 import extract_f0
from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_yaml, write_table
from espnet2_ext.judges.f0 import EXTRACTORS
from espnet2_ext.metrics.musical import fit_length
from espnet2_ext.metrics.versa_f0_mcd import (
    FRAME_PERIOD_MS,
    WorldFeatures,
    mcd_between,
    world_features,
)
from espnet2_ext.score.frames import expand
from espnet2_ext.tokenizer.mel_rvq import MelRVQ
from espnet2_ext.vocoder.inference import VocoderInference

FITTED_SHARE = 2 / 3
JUDGE_F0 = EXTRACTORS["swift"]
NEAR_FRAMES = 4
"""Of WORLD: half of its longest window."""
DB_PER_NEPER = 20 / np.log(10)
LOUD_NEPERS = 4.0
"""Frames less than this below the loudest are loud."""


@dataclass
class Heard:
    """A recording at the pack's rate, and what is heard in it.

    Args:
        recording: Where it comes from.
        wav: Samples (N,), whole token frames.
        mel: Configuration of the pack.
    """

    recording: Recording
    wav: np.ndarray
    mel: MelConfig

    @property
    def split(self) -> int:
        """Sample at which the measured third begins."""
        frames = len(self.wav) // self.mel.samples_per_token
        return round(FITTED_SHARE * frames) * self.mel.samples_per_token

    @property
    def first(self) -> np.ndarray:
        """What is fitted on, and what a singer is known by."""
        return self.wav[: self.split]

    @property
    def last(self) -> np.ndarray:
        """What is measured."""
        return self.wav[self.split :]

    @cached_property
    def judge_f0(self) -> np.ndarray:
        """The judge's F0 (T,) of the whole recording."""
        return JUDGE_F0(self.wav, self.mel.fs)

    @cached_property
    def training_f0(self) -> np.ndarray:
        """F0 (T,) as it is extracted for training, in the dark about the notes."""
        return extract_f0(self.wav, self.mel.fs, self.mel.hop_length)

    @cached_property
    def guided_f0(self) -> np.ndarray | None:
        """The same (T,) where a score says which notes are sung."""
        score = self.recording.score
        if score is None:
            return None
        ids = {phone: k for k, phone in enumerate(sorted({p.phone for p in score.phones}))}
        notes = np.repeat(expand(score, ids, self.mel.fps).midi, self.mel.frames_per_token)
        n_frames = len(self.wav) // self.mel.hop_length
        notes = fit_length(notes, n_frames)  # a recording may go on after its score
        return extract_f0(self.wav, self.mel.fs, self.mel.hop_length, notes)

    @cached_property
    def world(self) -> WorldFeatures:
        """WORLD's analysis of the measured third."""
        return world_features(self.last, self.mel.fs)


class Copier:
    """Copies of the measured thirds by one vocoder, with a codec before it or without."""

    def __init__(self, heard: Sequence[Heard], work: Path) -> None:
        self._heard, self._work = heard, work
        self._log_mel = LogMel(heard[0].mel)
        self.mels = [self.mel(h.last) for h in heard]

    @torch.no_grad()
    def mel(self, wav: np.ndarray) -> torch.Tensor:
        """Log-mel (T, n_mels)."""
        return self._log_mel(torch.from_numpy(wav)[None])[0]

    @torch.no_grad()
    def through(
        self, name: str, vocoder: VocoderInference, codec: MelRVQ | None = None,
        f0s: Sequence[torch.Tensor] | None = None,
    ) -> list[np.ndarray]:  # fmt: skip
        """Samples of the copies, as they were written and read again."""
        mels = self.mels
        if codec is not None:
            mels = [codec.decode_mel(codec.encode_mel(mel[None]))[0] for mel in mels]
        copies = []
        for h, wav in zip(self._heard, vocoder.generate(mels, f0s), strict=True):
            path = self._work / "copies" / f"{h.recording.name}.{name.replace(' ', '_')}.wav"
            write_wav(path, wav.numpy(), h.mel.fs)
            copies.append(read_wav(path)[0])
        return copies


def mcd_of_sound(copy: WorldFeatures, truth: WorldFeatures, wav: np.ndarray, fs: int) -> float:
    """MCD (dB) frame against frame, without frames in or near digital silence of the recording.

    Args:
        copy: Features of the copy.
        truth: Those of the recording.
        wav: Samples (N,) of the recording.
        fs: Their rate (Hz).
    """
    n = min(len(copy.mcep), len(truth.mcep))
    hop = fs * FRAME_PERIOD_MS / 1000
    sounds = np.concatenate([[0], np.cumsum(wav != 0)])
    middles = np.round(np.arange(n) * hop).astype(int)
    near = (np.clip(middles + round(sign * NEAR_FRAMES * hop), 0, len(wav)) for sign in (-1, 1))
    first, last = near
    heard = sounds[last] - sounds[first] > (last - first) / 2
    return mcd_between(copy.mcep[:n][heard], truth.mcep[:n][heard])


@torch.no_grad()
def level_errors(wav: np.ndarray, truth: np.ndarray, mel: MelConfig) -> dict[str, float]:
    """How the level of mel frames differs from that of a recording where that is loud.

    A copy that warbles has a large deviation, one that clicks a large maximum.

    Args:
        wav: Samples (N,) of the copy.
        truth: Those of the recording (N,).
        mel: Configuration.

    Returns:
        ``level_sd_db`` and ``level_max_db``.
    """
    mels = LogMel(mel)(torch.from_numpy(np.stack([wav[: len(truth)], truth[: len(wav)]])))
    copy, level = 0.5 * torch.logsumexp(2 * mels, -1)
    error_db = DB_PER_NEPER * (copy - level)[level > level.max() - LOUD_NEPERS]
    return {"level_sd_db": float(error_db.std()), "level_max_db": float(error_db.max())}


def fit_vocoder(heard: Sequence[Heard], config: Path, steps: int, work: Path) -> VocoderInference:
    """Train a vocoder of a configuration on the first parts of the recordings, from nothing.

    Raises:
        UserError: the training failed; what it said stands in ``train.log`` of its folder.
    """
    data, exp = work / "fit", work / "vocoder"
    log_mel, mel = LogMel(heard[0].mel), heard[0].mel
    wavs = {}
    with ArkWriter(data, "mel") as mels, ArkWriter(data, "f0") as f0s:
        for h in heard:
            utt = h.recording.name
            n_frames = h.split // mel.hop_length
            wavs[utt] = data / f"{utt}.wav"
            write_wav(wavs[utt], h.first, mel.fs)
            mels[utt] = log_mel(torch.from_numpy(h.first)[None])[0].numpy()
            f0s[utt] = (h.training_f0 if h.guided_f0 is None else h.guided_f0)[:n_frames]
    write_table(data / "wav.scp", dict(sorted(wavs.items())))
    epochs = min(steps, 4)
    values = read_yaml(config) | {"max_epoch": epochs, "num_iters_per_epoch": steps // epochs}
    if values.get("scheduler") == "onecyclelr":
        values["scheduler_conf"] = values["scheduler_conf"] | {"total_steps": steps}
    (data / "train.yaml").write_text(yaml.safe_dump(values))
    (data / "mel.yaml").write_text(yaml.safe_dump(mel.asdict()))
    options = ["--config", data / "train.yaml", "--mel_config", data / "mel.yaml", "--ngpu", 0]
    for split in ("train", "valid"):
        for stream in ("mel.scp,mel,kaldi_ark", "f0.scp,f0,kaldi_ark", "wav.scp,wav,sound"):
            options += [f"--{split}_data_path_and_name_and_type", f"{data}/{stream}"]
        options += [f"--{split}_shape_file", data / "wav.scp"]
    command = [sys.executable, "-m", "espnet2_ext.bin.train", "vocoder", "--output_dir", exp]
    done = subprocess.run([str(word) for word in (*command, *options)], check=False)
    if done.returncode:
        raise UserError(exp, f"training ended with status {done.returncode}")
    return VocoderInference.load(exp / "config.yaml", exp / "latest.pth")
