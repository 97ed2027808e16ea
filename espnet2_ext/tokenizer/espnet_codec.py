"""ESPnet's gan_codec models (SoundStream, DAC, ...) behind `AudioCodec`."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from espnet2_ext.audio.wav import FS_RANGE
from espnet2_ext.checkpoint import build_strict, load_state, save_safetensors
from espnet2_ext.config_types import fits
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_yaml, write_text
from espnet2_ext.hub import fetch, zoo_files
from espnet2_ext.tokenizer.codec import CODEC_FILE, AudioCodec

CODEC_CONFIG = "codec.yaml"
_GENERATOR = "codec.generator."
# as in espnet2.tasks.gan_codec, whose import costs many seconds
_CODECS = {
    "soundstream": "SoundStream",
    "encodec": "Encodec",
    "dac": "DAC",
    "funcodec": "FunCodec",
}
_DISCRIMINATORS = 2**27
"""Numbers that a codec's discriminators may have: they are built with it, and dropped."""

_FILES = ["*.pth", "*.yaml"]
_HUB_TAG = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class ESPnetCodecConfig:
    """Where a trained codec comes from: its two files, or a tag.

    Args:
        config: ``config.yaml`` of its training.
        checkpoint: Its ``.pth``.
        tag: Hugging Face model of the ESPnet model zoo, "owner/name", instead of the files.
        n_codebooks: Use the first codebooks only; None uses all.
    """

    config: str | None = None
    checkpoint: str | None = None
    tag: str | None = None
    n_codebooks: int | None = None

    def __post_init__(self) -> None:
        if (self.tag is None) == (self.config is None and self.checkpoint is None):
            raise ValueError("an espnet codec needs either config and checkpoint, or tag")
        if self.tag is None and (self.config is None or self.checkpoint is None):
            missing = "config" if self.config is None else "checkpoint"
            raise ValueError(f"an espnet codec without {missing}")
        if self.tag is not None and not _HUB_TAG.fullmatch(self.tag):
            raise ValueError(f"tag {self.tag!r} is not of the form owner/name")


class ESPnetCodec(AudioCodec):
    """The generator of an ESPnet codec: encoder, residual quantiser, decoder.

    Args:
        args: ``codec`` and ``codec_conf`` as in ESPnet's config.yaml; ``n_codebooks``: use the
            first codebooks only, None uses all.
        state: Weights of the generator.
        config: File that `args` come from, for error messages.
        weights: File that `state` comes from, for error messages.

    Raises:
        UserError: no configuration of a codec, or weights of another one.
    """

    def __init__(
        self,
        args: Mapping[str, Any],
        state: Mapping[str, Tensor],
        config: str | Path,
        weights: str | Path,
    ) -> None:
        super().__init__()
        self.args = {key: args.get(key) for key in ("codec", "codec_conf")}
        name, n_codebooks = self.args["codec"], args.get("n_codebooks")
        if not isinstance(name, str) or name not in _CODECS:
            raise UserError(config, f"{name!r}", f"one of {', '.join(_CODECS)}", "codec")
        if not fits(n_codebooks, int | None):
            raise UserError(config, f"{n_codebooks!r}", "an integer or null", "n_codebooks")
        module = importlib.import_module(f"espnet2.gan_codec.{name}.{name}")
        codec_class = getattr(module, _CODECS[name])
        codec = build_strict(
            lambda: codec_class(**(self.args["codec_conf"] or {})),
            state,
            config,
            weights,
            part=lambda codec: codec.generator,
            slack=_DISCRIMINATORS,
            renamed=_rename_norms,
        )
        self.generator: nn.Module = codec.generator
        try:
            self._probe(codec.meta_info(), n_codebooks, config)
        except (TypeError, KeyError, ValueError, ArithmeticError, RuntimeError) as error:
            raise UserError(config, f"not an ESPnet codec configuration ({error})") from None

    def _probe(self, meta: Mapping[str, Any], n_codebooks: int | None, place: str | Path) -> None:
        """Ask the generator for its clock and its sizes."""
        self.fs, self._hop = meta["fs"], int(meta["frame_shift"])
        if not 0 < self.fs <= FS_RANGE[1] or self.fs % self._hop:
            raise UserError(place, f"hop {self._hop} at {self.fs} Hz", "whole frames per second")
        self.fps, self.codebook_size = self.fs // self._hop, meta["code_size_per_stream"][0]
        self.n_codebooks, self.dim = n_codebooks or 1, 0
        with torch.no_grad():
            codes = self.eval().generator.encode(torch.zeros(1, 1, self.fs))
            self.n_codebooks = n_codebooks or len(codes)
            if not 1 <= self.n_codebooks <= len(codes):
                raise UserError(place, f"{n_codebooks}", f"1..{len(codes)}", "n_codebooks")
            self.dim = self.generator.quantizer.decode(codes).size(1)

    def encode(self, wav: Tensor) -> Tensor:
        codes = self.generator.encode(wav.unsqueeze(1))  # (n_q, B, F)
        return codes[: self.n_codebooks, :, : wav.size(1) // self._hop].permute(1, 2, 0)

    def embed(self, codes: Tensor) -> Tensor:
        return self.generator.quantizer.decode(codes.permute(2, 0, 1)).transpose(1, 2)

    def decode(self, codes: Tensor) -> Tensor:
        wav = self.generator.decode(codes.permute(2, 0, 1)).flatten(1)
        n_samples = codes.size(1) * self._hop
        return nn.functional.pad(wav, (0, max(0, n_samples - wav.size(1))))[:, :n_samples]

    @classmethod
    def create(cls, config: ESPnetCodecConfig, place: str | Path) -> "ESPnetCodec":
        """Load a trained codec, its generator strictly.

        Raises:
            UserError: a file is missing, not a codec's, or lacks parameters.
        """
        train_config, checkpoint = config.config, config.checkpoint
        if config.tag is not None:
            try:
                train_config, checkpoint = zoo_files(fetch(config.tag, only=_FILES))
            except UserError as error:
                found = f"cannot fetch {config.tag} ({error})"
                raise UserError(place, found, "a reachable model", "tag") from None
        args = {**read_yaml(train_config), "n_codebooks": config.n_codebooks}
        state = {
            key.removeprefix(_GENERATOR): value
            for key, value in load_state(checkpoint).items()
            if key.startswith(_GENERATOR)
        }
        return cls(args, state, train_config, checkpoint)

    def save(self, folder: str | Path) -> None:
        """Write the generator and its configuration, so that the folder needs no other file."""
        save_safetensors(self.generator.state_dict(), Path(folder) / CODEC_FILE)
        values = {**self.args, "n_codebooks": self.n_codebooks}
        write_text(Path(folder) / CODEC_CONFIG, yaml.safe_dump(values, sort_keys=False))

    @classmethod
    def load(cls, folder: str | Path) -> "ESPnetCodec":
        """Load what `save` wrote."""
        config, weights = Path(folder) / CODEC_CONFIG, Path(folder) / CODEC_FILE
        return cls(read_yaml(config), load_state(weights), config, weights)


def _rename_norms(state: Mapping[str, Tensor], model: nn.Module) -> Mapping[str, Tensor]:
    """Give weight norms of checkpoints from before torch 2.0 the names that torch has now."""
    renamed = {}
    for key, value in state.items():
        for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
            if key.endswith(old):
                key = key.removesuffix(old) + f"parametrizations.weight.{new}"
        renamed[key] = value
    return renamed if renamed.keys() == model.state_dict().keys() else state
