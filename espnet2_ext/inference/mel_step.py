"""The analysis as a step: audio to natural-log mel, for data without tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.data.streams import StreamSizes
from espnet2_ext.errors import UserError
from espnet2_ext.inference.step import Columns, Step


@dataclass(frozen=True)
class MelStep(Step):
    """Mels, with their numbers of frames as ESPnet's shape file.

    Args:
        mel: Configuration; audio has its rate.
    """

    reads = ("wav",)
    writes = ("mel", "utt2num_frames")

    mel: MelConfig

    @property
    def sizes(self) -> StreamSizes:
        return StreamSizes(fs=self.mel.fs, n_mels=self.mel.n_mels)

    @property
    def options(self) -> str:
        return f"{self.mel}"

    @torch.inference_mode()
    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        log_mel = LogMel(self.mel)
        mels = [mel_of(wav, log_mel, utt) for wav, utt in zip(columns["wav"], names, strict=True)]
        return {"mel": mels, "utt2num_frames": [len(mel) for mel in mels]}


def mel_of(wav: Tensor, log_mel: LogMel, name: str) -> Tensor:
    """Natural-log mel (T, n_mels) of samples (N,).

    Raises:
        UserError: not one frame, naming the utterance.
    """
    hop = log_mel.config.hop_length
    if len(wav) < hop:
        raise UserError(name, f"{len(wav)} samples", f"at least one mel frame ({hop})", "wav")
    return log_mel(wav[None])[0]
