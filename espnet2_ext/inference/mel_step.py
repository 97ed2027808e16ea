"""The analysis as a step: audio to natural-log mel, for data without tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.data.streams import StreamSizes
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
        mels = [log_mel(wav[None])[0] for wav in columns["wav"]]
        return {"mel": mels, "utt2num_frames": [len(mel) for mel in mels]}
