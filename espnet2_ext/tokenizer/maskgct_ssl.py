"""MaskGCT's semantic tokens: a layer of w2v-BERT, quantised by the published semantic codec.

What the codec quantises lies in a few dimensions, and the code whose direction is nearest is taken.
So features are directions there, and the codes' own directions are centroids that need no fit.

Source: Wang et al. 2024 (arXiv 2409.00750). Other than in the published code, audio is padded so
that frames are centred on the token frames, of which there are as many as the recipe has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config
from espnet2_ext.tokenizer.maskgct_codec import (
    HUB,
    SSL_LAYER,
    SSL_MODEL,
    SemanticCodec,
    read_statistics,
)
from espnet2_ext.tokenizer.ssl_features import SSLFeatures
from espnet2_ext.tokenizer.ssl_pretrained import read_hf

SSL_FS = 16000
_WINDOW, _HOP, _STRIDE = 400, 160, 2
"""Samples of a frame of the filterbank, its hop, and how many frames a token has."""


@dataclass(frozen=True)
class MaskGCTFeaturesConfig:
    """Where the parts come from.

    Args:
        statistics: ``wav2vec2bert_stats.pt`` of MaskGCT's code (``models/tts/maskgct/ckpt``).
        source: The published folder, or its name on the Hugging Face hub.
        model: w2v-BERT: folder, or name on the hub.
        layer: Hidden layer.
    """

    statistics: str
    source: str = HUB
    model: str = SSL_MODEL
    layer: int = SSL_LAYER


class MaskGCTFeatures(SSLFeatures):
    """Directions of which MaskGCT's semantic codes are the nearest centroids.

    Args:
        config: Options.
        fps: Token frames per second.
        place: File that the options stand in.
        offline: Take models of the hub from its cache alone.

    Raises:
        UserError: a part is missing or does not fit the others, or the recipe has another rate.
    """

    fs = SSL_FS

    def __init__(
        self, config: MaskGCTFeaturesConfig, fps: int, place: str | Path, offline: bool = False
    ) -> None:
        super().__init__()
        from transformers import SeamlessM4TFeatureExtractor

        rate = SSL_FS // (_HOP * _STRIDE)
        if fps != rate:
            raise UserError(place, f"{fps} frames a second", f"{rate}, as MaskGCT", "ssl")
        self.layer = config.layer
        self.filterbank = SeamlessM4TFeatureExtractor(stride=_STRIDE)
        self.model = read_hf(config.model, place, offline)
        if self.model.config.model_type != "wav2vec2-bert":
            found = f"a {self.model.config.model_type} model"
            raise UserError(config.model, found, "a wav2vec2-bert model", "ssl")
        n_layers, width = self.model.config.num_hidden_layers, self.model.config.hidden_size
        if not 0 <= config.layer <= n_layers:
            raise UserError(place, f"{config.layer}", f"0..{n_layers}", "ssl layer")
        self.codec = SemanticCodec.read(config.source, offline)
        mean, std = read_statistics(config.statistics)
        for found, of in ((len(mean), config.statistics), (self.codec.channels, config.source)):
            if found != width:
                raise UserError(of, f"{found} channels", f"{width}, as {config.model}", "ssl")
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @classmethod
    def from_options(
        cls, options: Mapping[str, Any], fps: int, place: str | Path, offline: bool = False
    ) -> "MaskGCTFeatures":
        return cls(parse_config(MaskGCTFeaturesConfig, options, place), fps, place, offline)

    @property
    def centroids(self) -> Tensor:
        return self.codec.directions

    @torch.no_grad()
    def forward(self, wav: Tensor) -> Tensor:
        around = _WINDOW - _HOP
        wavs = list(pad(wav, (around // 2, around - around // 2)).cpu().numpy())
        inputs = self.filterbank(wavs, sampling_rate=SSL_FS, return_tensors="pt").to(wav.device)
        hidden = self.model(**inputs, output_hidden_states=True).hidden_states[self.layer]
        return normalize(self.codec.projected((hidden - self.mean) / self.std), dim=-1)
