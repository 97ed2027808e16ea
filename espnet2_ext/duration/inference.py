"""Predict phone times for scores that have none."""

import reprlib
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from espnet2_ext.checkpoint import build_strict, load_state
from espnet2_ext.config_types import fits
from espnet2_ext.duration.data import phone_ids
from espnet2_ext.duration.features import note_features
from espnet2_ext.duration.net import DurationNet
from espnet2_ext.duration.timing import time_phones
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.score.music_score import MusicScore

_FARTHEST_STD = 3.0  # from the median, of what is drawn


@dataclass(frozen=True)
class TimingSampling:
    """How performances are drawn; the YAML's of inference.

    Args:
        temperature: Standard deviations are multiplied by it; 0 gives the median performance.
        seed: Of the draws.
    """

    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 2:
            raise ValueError(f"temperature {self.temperature} is not between 0 and 2")


MEDIAN = TimingSampling()


def load_sampling(path: str | Path | None) -> TimingSampling:
    """Inference options of a YAML; the median without one."""
    return parse_config(TimingSampling, read_yaml(path), path) if path else MEDIAN


@dataclass(frozen=True)
class DurationConfig:
    """Options of `DurationNet`; the YAML's `model_conf`."""

    channels: int = 96
    n_layers: int = 2
    dropout: float = 0.1
    predict_std: bool = False


def build_net(options: Mapping[str, Any], place: str | Path) -> DurationNet:
    """The untrained network of a configuration; raises `UserError` for a key it does not have."""
    config = parse_config(DurationConfig, options.get("model_conf") or {}, place)
    phones = options.get("phone_list")
    if not fits(phones, list[str]) or not phones:
        raise UserError(place, reprlib.repr(phones), "a list of phones", "phone_list")
    return DurationNet(len(phones), **asdict(config))


class DurationInference:
    """A trained phone-duration model.

    Args:
        net: The network.
        phones: Phones in the order of their ids.
        device: Where it runs.
    """

    def __init__(self, net: DurationNet, phones: list[str], device: str = "cpu") -> None:
        self.net = net.to(device).eval()
        self.phone_ids = phone_ids(phones)
        self.device = device

    @property
    def samples(self) -> bool:
        """Whether it can draw performances, and not only give their median."""
        return self.net.log_std is not None

    @classmethod
    def load(
        cls, config: str | Path, checkpoint: str | Path, device: str = "cpu"
    ) -> "DurationInference":
        """Load from an experiment's ``config.yaml`` and weights (.pth or .safetensors).

        Raises:
            UserError: missing, foreign or mismatched files.
        """
        options = read_yaml(config)
        # The ESPnet model holds the network as its only child.
        state = {key.removeprefix("net."): v for key, v in load_state(checkpoint).items()}
        net = build_strict(lambda: build_net(options, config), state, config, checkpoint)
        return cls(net, options["phone_list"], device)

    @torch.no_grad()
    def generate(
        self, score: MusicScore, place: str = "score", sampling: TimingSampling = MEDIAN
    ) -> MusicScore:
        """Give a score performed phones; those it may have are not looked at.

        Each phone lasts at least a frame where there is room, they fill the score from 0 to the
        end of its last note, and the same score and seed give the same times.

        Args:
            score: Notes with their phones.
            place: For errors.
            sampling: How far from the median.

        Raises:
            UserError: naming a note without phones, an unknown phone, or a model that knows the
                median alone.
        """
        features = note_features(score, self.phone_ids, place)
        notes = torch.from_numpy(features).to(self.device)
        lengths = torch.tensor([len(notes)], device=self.device)
        deviation = None
        if sampling.temperature:
            if not self.samples:
                raise UserError(
                    place, f"timing temperature {sampling.temperature:g}",
                    "0, or a phone-duration model trained with predict_std",
                )  # fmt: skip
            deviation = sampling.temperature * _normal(features, sampling.seed).to(self.device)
        onset, initial = self.net.predict(notes[None], lengths, deviation)
        return time_phones(score, onset[0].tolist(), initial[0].tolist())


def _normal(features: np.ndarray, seed: int) -> Tensor:
    """Standard normal draws (N, 2) that depend on the notes and the seed alone."""
    generator = np.random.default_rng([seed, zlib.crc32(features.tobytes())])
    drawn = generator.standard_normal((len(features), 2), dtype=np.float32)
    return torch.from_numpy(drawn.clip(-_FARTHEST_STD, _FARTHEST_STD))
