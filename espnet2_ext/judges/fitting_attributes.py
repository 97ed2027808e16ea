"""Fit the attribute judge on real audio."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.files import read_table
from espnet2_ext.judges.attributes import (
    ATTRIBUTES,
    INSTRUMENTS,
    TEMPO,
    TEMPO_BINS_BPM,
    TRUNK,
    AttributeConfig,
    AttributeJudge,
    AttributeNetwork,
    Heard,
    known_values,
    listen,
    read_attributes,
    rightness,
)
from espnet2_ext.judges.augment import mask_patches, uniform
from espnet2_ext.judges.data import require
from espnet2_ext.judges.f0 import Extractor
from espnet2_ext.judges.fitting import train_judge
from espnet2_ext.judges.network import N_MELS
from espnet2_ext.one_thread import one_thread

_TEMPO_WIDTH = 0.02  # of the targets around the true tempo, natural-log units


@dataclass(frozen=True)
class AttributeFitConfig:
    """How to train the attribute judge.

    Args:
        steps: Optimiser steps.
        batch_size: Utterances a step.
        crop_frames: Of 10 ms; tempo is heard in whole recordings all the same.
        lr: Peak learning rate.
        weight_decay: AdamW's.
        warmup: Share of the steps.
        noise: Of the mel, natural-log units.
        dropout: In the trunk and over the onsets.
        seed: Of weights and order.
    """

    steps: int = 500
    batch_size: int = 24
    crop_frames: int = 500
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    noise: float = 0.3
    dropout: float = 0.25
    seed: int = 2


def load_heard(
    folder: str | Path, extractor: Extractor
) -> tuple[list[Heard], list[Mapping[str, Any]]]:
    """What is heard of a data directory's recordings, and what they are described by.

    Both are empty where there is no attributes.jsonl.

    Raises:
        UserError: an utterance is described, and not recorded.
    """
    described = read_attributes(folder)
    wav_scp = Path(folder) / "wav.scp"
    wavs = read_table(wav_scp)
    recorded = [require(wavs, utt, wav_scp) for utt in described]
    return [listen(*read_wav(wav), extractor) for wav in recorded], list(described.values())


def values_of(described: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The values of each attribute that recordings are described by, in order."""
    found: dict[str, set[str]] = {}
    for attributes in described:
        for name, value in known_values(attributes).items():
            some = value if name == INSTRUMENTS else () if name == TEMPO else (value,)
            found.setdefault(name, set()).update(some)
    if TEMPO in found:
        found[TEMPO] = {f"{bpm:.2f}" for bpm in TEMPO_BINS_BPM}
    return {name: sorted(found[name], key=_order) for name in ATTRIBUTES if name in found}


def _order(value: str) -> tuple[float, str]:
    return (float(value), "") if value.replace(".", "").isdigit() else (0.0, value)


@one_thread()
def fit_attributes(
    heard: Sequence[Heard],
    described: Sequence[Mapping[str, Any]],
    config: AttributeFitConfig,
    trunk: Mapping[str, Any] | None = None,
) -> AttributeJudge:
    """Train all heads together; an utterance teaches those of the attributes that it has."""
    sizes = AttributeConfig(values_of(described), {"dropout": config.dropout, **(trunk or TRUNK)})
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    network = AttributeNetwork(sizes)
    network.trunk.set_statistics(torch.cat([one.frames for one in heard]))
    targets = [
        {name: _target(name, value, sizes.values[name]) for name, value in known_values(a).items()}
        for a in described
    ]
    order: list[int] = []

    def loss_of_batch(step: int) -> Tensor:
        while len(order) < config.batch_size:
            order.extend(torch.randperm(len(heard), generator=generator).tolist())
        picked = [order.pop() for _ in range(config.batch_size)]
        logits = network(*_batch([heard[k] for k in picked], config, generator))
        losses = []
        for name, rows in logits.items():
            known = [row for row, k in enumerate(picked) if name in targets[k]]
            if known:
                wanted = torch.stack([targets[picked[row]][name] for row in known])
                losses.append(_loss(name, rows[known], wanted))
        return torch.stack(losses).mean()

    train_judge(network, list(network.parameters()), loss_of_batch, config, "attribute judge")
    return AttributeJudge(sizes, network)


def _batch(
    rows: Sequence[Heard], config: AttributeFitConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    crops = []
    for row in rows:
        spare = max(1, len(row.frames) - config.crop_frames + 1)
        start = int(torch.randint(spare, (), generator=generator))
        crop = row.frames[start : start + config.crop_frames]
        mel, pitch = crop[:, :N_MELS], crop[:, N_MELS:]
        mel = mask_patches(mel, generator)
        mel = mel + uniform(0, config.noise, generator) * torch.randn(
            mel.shape, generator=generator
        )
        crops.append(torch.cat([mel, pitch], -1))
    lengths = torch.tensor([len(crop) for crop in crops])
    level = torch.tensor([row.level for row in rows])
    onsets = torch.stack([row.onsets for row in rows])
    return nn.utils.rnn.pad_sequence(crops, batch_first=True), lengths, level, onsets


def _target(name: str, value: Any, values: Sequence[str]) -> Tensor:
    """Of each value: how probable it is, or whether it is there."""
    if name == INSTRUMENTS:
        return torch.tensor([float(v in value) for v in values])
    if name == TEMPO:
        away = torch.tensor([float(v) for v in values]).log() - torch.tensor(value).log()
        return (-0.5 * (away / _TEMPO_WIDTH).square()).softmax(0)
    return torch.tensor([float(v == value) for v in values])


def _loss(name: str, logits: Tensor, wanted: Tensor) -> Tensor:
    if name == INSTRUMENTS:
        return nn.functional.binary_cross_entropy_with_logits(logits, wanted)
    return nn.functional.cross_entropy(logits, wanted)


@dataclass(frozen=True)
class AttributeQuality:
    """What the judge is worth for one attribute.

    Args:
        accuracy: Mean of `rightness` over the recordings that have the attribute.
        n_utt: How many these are.
        mistaken: How often a value was taken for another one, the most frequent mistake first:
            ``young as child``. Of instruments: ``piano missed``, and ``piano heard wrongly`` where
            it does not play. Of tempi: the heard one as a multiple of the true one, ``0.5 times``.
    """

    accuracy: float
    n_utt: int
    mistaken: Mapping[str, int]


def attribute_quality(
    judge: AttributeJudge, heard: Sequence[Heard], described: Sequence[Mapping[str, Any]]
) -> dict[str, AttributeQuality]:
    """How well each attribute of recordings is heard."""
    right: dict[str, list[float]] = {}
    mistaken: dict[str, Counter[str]] = {}
    for one, attributes in zip(heard, described, strict=True):
        said = judge.hear(one)
        for name, truth in judge.known_of(attributes).items():
            value = rightness(name, said[name], truth, judge.config.values[name])
            right.setdefault(name, []).append(value)
            counts = mistaken.setdefault(name, Counter())
            if value < 1:
                counts.update(_mistakes(name, said[name], truth, judge.config.values[name]))
    return {
        name: AttributeQuality(
            sum(values) / len(values), len(values), dict(mistaken[name].most_common())
        )
        for name, values in right.items()
    }


def _mistakes(name: str, said: Any, truth: Any, values: Sequence[str]) -> list[str]:
    if name == INSTRUMENTS:
        missed = [f"{v} missed" for v in values if v in truth and v not in said]
        return missed + [f"{v} heard wrongly" for v in values if v in said and v not in truth]
    return [f"{said / truth:.1f} times" if name == TEMPO else f"{truth} as {said}"]
