"""A mel-VAE's steps: audio or mel to latents, which a flow generates, and latents to mel."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from espnet2_ext.audio.mel import LogMel
from espnet2_ext.data.streams import StreamSizes
from espnet2_ext.files import read_scp, write_json
from espnet2_ext.inference.mel_step import mel_of
from espnet2_ext.inference.step import Columns, Step
from espnet2_ext.mel_vae.inference import MelVAE

LATENTS_FILE = "latents.json"


@dataclass(frozen=True)
class _MelVAEStep(Step):
    """What both directions share: the model, and what its streams are checked against."""

    model: MelVAE

    @property
    def sizes(self) -> StreamSizes:
        mel = self.model.mel
        return StreamSizes(n_mels=mel.n_mels, fs=mel.fs, latent_dim=self.model.channels)


@dataclass(frozen=True)
class EncodeStep(_MelVAEStep):
    """Means of the posterior, normalised, with their numbers of frames as ESPnet's shape file.

    Args:
        model: The mel-VAE.
        stream: What is encoded: ``mel`` or ``wav``.
    """

    writes = ("latents", "utt2num_frames")

    stream: str = "mel"

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.stream,)

    @cached_property
    def _log_mel(self) -> LogMel:
        return LogMel(self.model.mel)

    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        latents = [self._encode(row, n) for row, n in zip(columns[self.stream], names, strict=True)]
        return {"latents": latents, "utt2num_frames": [len(row) for row in latents]}

    @torch.inference_mode()
    def _encode(self, row: Tensor, name: str) -> Tensor:
        mel = mel_of(row, self._log_mel, name) if self.stream == "wav" else row
        return self.model.encode(mel)

    def finish(self, tables: Any, output_dir: Path) -> None:
        """Write ``latents.json``: the clock, and mean and deviation of each channel.

        Of the training set they are about 0 and 1, as the model's own statistics are of it.
        """
        count, total, squares = 0, 0.0, 0.0
        for latents in read_scp(output_dir / "latents.scp").values():
            wide = np.asarray(latents, np.float64)
            count, total = count + len(wide), total + wide.sum(0)
            squares = squares + np.square(wide).sum(0)
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - np.square(mean), 0))
        facts = {
            "frames_per_sec": self.model.frames_per_sec,
            "mel_frames": self.model.mel_frames,
            "channels": self.model.channels,
            "n_frames": count,
            "mean": mean.tolist(),
            "std": std.tolist(),
        }
        write_json(output_dir / LATENTS_FILE, facts)


@dataclass(frozen=True)
class DecodeStep(_MelVAEStep):
    """Latents to mel, for a vocoder.

    Args:
        model: The mel-VAE.
    """

    reads = ("latents",)
    writes = ("mel",)

    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        return {"mel": [self.model.decode(row) for row in columns["latents"]]}
