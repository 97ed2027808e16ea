"""Features of pretrained self-supervised models: Hugging Face (HuBERT, WavLM, ...) and ESPnet."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from espnet2_ext.checkpoint import build_strict, load_state
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.hub import fetch
from espnet2_ext.tokenizer.ssl_features import SSLFeatures

_NOT_FEATURES = ("losses.", "util_modules.", "global_step")


@dataclass(frozen=True)
class HFFeaturesConfig:
    """A Hugging Face model.

    Args:
        model: Folder, or name on the hub.
        layer: Hidden layer, from 1; 0 is the input of the first.
        fs: Rate that the model expects (Hz).
        normalize: Scale each waveform to zero mean and unit variance; None does what the model's
            feature extractor does (yes where its convolutions have layer norms).
    """

    model: str
    layer: int
    fs: int = 16000
    normalize: bool | None = None


class HFFeatures(SSLFeatures):
    """A hidden layer of a Hugging Face speech model; frames centred on the token frames."""

    def __init__(
        self, config: HFFeaturesConfig, fps: int, place: str | Path, offline: bool = False
    ) -> None:
        super().__init__()
        self.layer, self.fs = config.layer, config.fs
        self.model = read_hf(config.model, place, offline)
        hf = self.model.config
        if not hasattr(hf, "conv_kernel"):
            raise UserError(config.model, f"a {hf.model_type} model", "one that reads waveforms")
        if not 0 <= config.layer <= hf.num_hidden_layers:
            raise UserError(place, f"{config.layer}", f"0..{hf.num_hidden_layers}", "ssl layer")
        hop, field = 1, 1
        for kernel, stride in zip(hf.conv_kernel, hf.conv_stride, strict=True):
            field, hop = field + (kernel - 1) * hop, hop * stride
        _check_hop(hop, config.fs, fps, config.model)
        self.pad = field - hop
        layer_norms = getattr(hf, "feat_extract_norm", "group") == "layer"
        self.normalize = layer_norms if config.normalize is None else config.normalize

    @classmethod
    def from_options(
        cls, options: Mapping[str, Any], fps: int, place: str | Path, offline: bool = False
    ) -> "HFFeatures":
        return cls(parse_config(HFFeaturesConfig, options, place), fps, place, offline)

    def forward(self, wav: Tensor) -> Tensor:
        if self.normalize:
            wav = (wav - wav.mean(1, keepdim=True)) / (wav.var(1, keepdim=True) + 1e-7).sqrt()
        wav = nn.functional.pad(wav, (self.pad // 2, self.pad - self.pad // 2))
        return self.model(wav, output_hidden_states=True).hidden_states[self.layer]


@dataclass(frozen=True)
class ESPnetFeaturesConfig:
    """An ESPnet SSL model, such as XEUS (layer 18 in the SLM-SVS paper).

    Args:
        config: ``config.yaml`` of its training.
        checkpoint: Its ``.pth``.
        layer: Encoder layer, from 1.
        fs: Rate that the model expects (Hz).
        pad: Samples added in all so that frames are centred (field of the convolutions less hop).
    """

    config: str
    checkpoint: str
    layer: int = 18
    fs: int = 16000
    pad: int = 80


class ESPnetFeatures(SSLFeatures):
    """A hidden layer of a model of ESPnet's SSL task."""

    def __init__(self, config: ESPnetFeaturesConfig, fps: int, place: str | Path) -> None:
        super().__init__()
        from espnet2.tasks.ssl import SSLTask

        self.layer, self.fs, self.pad, self.fps = config.layer, config.fs, config.pad, fps
        args = Namespace(**read_yaml(config.config))

        def build() -> nn.Module:
            model = SSLTask.build_model(args)
            # losses and masking belong to training and differ among releases
            model.losses, model.util_modules = nn.ModuleList(), nn.ModuleDict()
            model.util_attributes, model.required_inputs = set(), set()
            return model

        state = {
            key: value
            for key, value in load_state(config.checkpoint).items()
            if not key.startswith(_NOT_FEATURES)
        }
        state["global_step"] = torch.zeros(1, dtype=torch.long)
        self.model = build_strict(build, state, config.config, config.checkpoint).eval()
        with torch.no_grad():
            n_layers = len(self._hidden(torch.zeros(1, self.fs)))
        if not 1 <= config.layer <= n_layers:
            raise UserError(place, f"{config.layer}", f"1..{n_layers}", "ssl layer")
        n_frames = self(torch.zeros(1, self.fs)).size(1)
        if n_frames != fps:
            raise UserError(config.config, f"{n_frames} frames a second", f"{fps} with pad", "ssl")

    @classmethod
    def from_options(
        cls, options: Mapping[str, Any], fps: int, place: str | Path
    ) -> "ESPnetFeatures":
        return cls(parse_config(ESPnetFeaturesConfig, options, place), fps, place)

    def _hidden(self, wav: Tensor) -> list[Tensor]:
        wav = nn.functional.pad(wav, (self.pad // 2, self.pad - self.pad // 2))
        lengths = torch.full((len(wav),), wav.size(1), device=wav.device)
        return self.model.inference_encode(wav, lengths)[1]

    @torch.no_grad()
    def forward(self, wav: Tensor) -> Tensor:
        return self._hidden(wav)[self.layer - 1]


def read_hf(model: str, place: str | Path, offline: bool = False) -> nn.Module:
    """A Hugging Face model, whole, without running code of its repository.

    Args:
        model: Folder, or name on the hub.
        place: File that names it, for errors.
        offline: Take it from the hub's cache alone.

    Raises:
        UserError: it cannot be loaded, or lacks parameters.
    """
    from transformers import AutoModel

    try:
        found, info = AutoModel.from_pretrained(
            _local(model, offline),
            output_loading_info=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, RuntimeError, UserError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(place, f"cannot load {model} ({reason})", field="ssl") from None
    missing = sorted(set(info["missing_keys"]) - {"masked_spec_embed"})
    if missing:
        raise UserError(model, f"missing parameter {missing[0]}", "a whole model")
    return found


def _local(model: str, offline: bool) -> Path:
    """The folder of a Hugging Face model; transformers itself would ask the hub, even offline."""
    folder = fetch(model, offline=offline, only=["*.json", "*.safetensors"])
    if not any(folder.glob("*.safetensors")):
        folder = fetch(model, offline=offline, only=["*.json", "*.bin"])
    return folder


def _check_hop(hop: int, fs: int, fps: int, place: str | Path) -> None:
    if hop * fps != fs:
        raise UserError(place, f"{fs / hop:g} frames a second at {fs} Hz", f"{fps}", "ssl")
