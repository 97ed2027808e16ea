"""Predict phone times for scores that have none."""

import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from espnet2_ext.checkpoint import build_strict, load_state
from espnet2_ext.config_types import fits
from espnet2_ext.duration.data import phone_ids
from espnet2_ext.duration.features import note_features
from espnet2_ext.duration.net import DurationNet
from espnet2_ext.duration.timing import time_phones
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.score.music_score import MusicScore


@dataclass(frozen=True)
class DurationConfig:
    """Sizes of `DurationNet`; the YAML's `model_conf`."""

    channels: int = 96
    n_layers: int = 2
    dropout: float = 0.1


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
    """

    def __init__(self, net: DurationNet, phones: list[str], device: str = "cpu") -> None:
        self.net = net.to(device).eval()
        self.phone_ids = phone_ids(phones)
        self.device = device

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
    def generate(self, score: MusicScore, place: str = "score") -> MusicScore:
        """Give a score performed phones; those it may have are not looked at.

        Each phone lasts at least a frame where there is room, they fill the score from 0 to the
        end of its last note, and the same score gives the same times.

        Raises:
            UserError: naming a note without phones, or an unknown phone.
        """
        notes = torch.from_numpy(note_features(score, self.phone_ids, place)).to(self.device)
        lengths = torch.tensor([len(notes)], device=self.device)
        onset, initial = self.net.predict(notes[None], lengths)
        return time_phones(score, onset[0].tolist(), initial[0].tolist())
