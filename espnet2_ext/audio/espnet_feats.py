"""The recipe's log-mel as a feature extractor of ESPnet's own SVS tasks."""

from typing import Any

from espnet2.tts.feats_extract.abs_feats_extract import AbsFeatsExtract
from torch import Tensor

from espnet2_ext.audio.mel import LogMel, MelConfig


class RecipeLogMel(AbsFeatsExtract):
    """`LogMel` under ESPnet's interface, so that a baseline's features fit our vocoder.

    Options are the keys of ``conf/mel.yaml``. ``forward``: wav (B, N), lengths (B,) ->
    log-mel (B, T, n_mels), lengths (B,).
    """

    def __init__(self, **config: Any) -> None:
        super().__init__()
        self.config = MelConfig(**config)
        self.log_mel = LogMel(self.config)

    def output_size(self) -> int:
        return self.config.n_mels

    def get_parameters(self) -> dict[str, Any]:
        return self.config.asdict()

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        return self.log_mel(input), input_lengths // self.config.hop_length
