"""Fit the judges on real audio: what the recipe does before it scores anything."""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from espnet2_ext.judges.augment import perturb, uniform, warp_frequency
from espnet2_ext.judges.network import SUBSAMPLING, TrunkConfig
from espnet2_ext.judges.phone_recognizer import (
    BLANK,
    CtcNetwork,
    CtcPhoneRecognizer,
    RecognizerConfig,
    best_path,
    phone_inventory,
)
from espnet2_ext.judges.recording import PhoneBank, Recording
from espnet2_ext.judges.singer_embedder import (
    ConvSingerEmbedder,
    EmbedderConfig,
    EmbedderNetwork,
)
from espnet2_ext.metrics.per import phone_errors
from espnet2_ext.one_thread import one_thread

IGNORE = -100


@dataclass(frozen=True)
class FitConfig:
    """How to train the recogniser.

    Args:
        steps: Optimiser steps.
        batch_sec: Audio a step, padding included (s).
        lr: Peak learning rate.
        weight_decay: AdamW's.
        warmup: Share of the steps.
        align_weight: Weight of the frame-wise targets from the labels.
        align_share: Share of the steps that these targets lead alone.
        recombine: Share of the phones replaced by another one of the same singer.
        seed: Of weights, order and augmentation.
        trunk: Size of the recogniser.
    """

    steps: int = 900
    batch_sec: float = 40.0
    lr: float = 3e-3
    weight_decay: float = 0.02
    warmup: float = 0.1
    align_weight: float = 0.5
    align_share: float = 0.0
    recombine: float = 0.0
    seed: int = 0
    trunk: TrunkConfig = field(default_factory=TrunkConfig)


@dataclass(frozen=True)
class EmbedderFitConfig:
    """The same for the singer embedder."""

    steps: int = 250
    batch_size: int = 48
    crop_frames: int = 200
    lr: float = 3e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    warps: tuple[float, ...] = field(default=(0.84, 0.92, 1.0, 1.09, 1.19))
    scale: float = 16.0
    margin: float = 0.2
    seed: int = 1


@one_thread()
def fit_recognizer(recordings: Sequence[Recording], config: FitConfig) -> CtcPhoneRecognizer:
    """Train a recogniser with CTC and, where phone times are known, frame-wise targets beside it.

    The frame-wise head is dropped afterwards; it only makes training short.
    """
    phones = phone_inventory([recording.phones for recording in recordings])
    recognizer = RecognizerConfig(phones, config.trunk)
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    network = CtcNetwork(recognizer)
    network.trunk.set_statistics(torch.cat([r.mel for r in recordings]))
    index = {phone: k for k, phone in enumerate(recognizer.phones, 1)}
    align_head = nn.Linear(recognizer.trunk.channels, 1 + len(index))
    batches = _by_length(recordings, config.batch_sec, generator)
    bank = PhoneBank(recordings)

    def loss_of_batch(step: int) -> Tensor:
        batch = [bank.recombine(r, config.recombine, generator) for r in next(batches)]
        mels, frame_targets = [], []
        for recording in batch:
            mel, source = perturb(recording.mel, generator)
            mels.append(mel)
            frame_targets.append(_frame_targets(recording, index)[source][::SUBSAMPLING])
        lengths = torch.tensor([len(m) for m in mels])
        mel = nn.utils.rnn.pad_sequence(mels, batch_first=True)
        hidden, out = network.trunk(mel, lengths)
        aligned = nn.utils.rnn.pad_sequence(frame_targets, batch_first=True, padding_value=IGNORE)
        known = config.align_weight > 0 and bool((aligned != IGNORE).any())
        loss = torch.zeros(())
        if known:
            loss = config.align_weight * nn.functional.cross_entropy(
                align_head(hidden).flatten(0, 1), aligned.flatten(), ignore_index=IGNORE
            )
        if step > config.align_share * config.steps or not known:
            targets = [torch.tensor([index[p] for p in r.phones]) for r in batch]
            loss = loss + nn.functional.ctc_loss(
                network.head(hidden).log_softmax(-1).transpose(0, 1), torch.cat(targets), out,
                torch.tensor([len(t) for t in targets]), BLANK, zero_infinity=True,
            )  # fmt: skip
        return loss

    parameters = [*network.parameters(), *align_head.parameters()]
    train_judge(network, parameters, loss_of_batch, config, "phone recogniser")
    return CtcPhoneRecognizer(recognizer, network)


@one_thread()
def fit_embedder(
    recordings: Sequence[Recording],
    config: EmbedderFitConfig,
    embedder: EmbedderConfig | None = None,
) -> ConvSingerEmbedder:
    """Train an embedder to tell singers, and warped singers, apart (additive-margin softmax)."""
    embedder = embedder or EmbedderConfig()
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    network = EmbedderNetwork(embedder)
    network.trunk.set_statistics(torch.cat([r.mel for r in recordings]))
    singers = {name: k for k, name in enumerate(sorted({r.singer for r in recordings}))}
    n_classes = len(singers) * len(config.warps)
    centres = nn.Parameter(torch.randn(n_classes, embedder.dim))
    by_singer = {s: [r for r in recordings if r.singer == s] for s in singers}

    def loss_of_batch(step: int) -> Tensor:
        crops, classes = [], []
        for k in range(config.batch_size):
            singer = list(singers)[k % len(singers)]
            pool = by_singer[singer]
            mel = pool[int(torch.randint(len(pool), (), generator=generator))].mel
            start = int(torch.randint(max(1, len(mel) - config.crop_frames), (),
                                      generator=generator))  # fmt: skip
            crop = mel[start : start + config.crop_frames]
            warp = int(torch.randint(len(config.warps), (), generator=generator))
            crop = warp_frequency(crop, config.warps[warp] * uniform(0.99, 1.01, generator))
            noise = uniform(0, 0.3, generator) * torch.randn(crop.shape, generator=generator)
            crops.append(crop + noise + uniform(-0.3, 0.3, generator))
            classes.append(singers[singer] * len(config.warps) + warp)
        lengths = torch.tensor([len(c) for c in crops])
        vectors = network(nn.utils.rnn.pad_sequence(crops, batch_first=True), lengths)
        target = torch.tensor(classes)
        cosines = vectors @ nn.functional.normalize(centres, dim=-1).T
        margin = config.margin * nn.functional.one_hot(target, n_classes)
        return nn.functional.cross_entropy(config.scale * (cosines - margin), target)

    train_judge(network, [*network.parameters(), centres], loss_of_batch, config, "singer embedder")
    return ConvSingerEmbedder(embedder, network)


@torch.no_grad()
def phone_error_rate(recognizer: CtcPhoneRecognizer, recordings: Sequence[Recording]) -> float:
    """PER over recordings, errors and phones pooled."""
    errors = n_ref = 0
    for recording in recordings:
        mel = recording.mel
        logits, _ = recognizer.network(mel[None], torch.tensor([len(mel)]))
        hyp = [recognizer.config.phones[k - 1] for k in best_path(logits[0])]
        counts = phone_errors(hyp, recording.phones)
        errors, n_ref = errors + counts.errors, n_ref + counts.n_ref
    return errors / max(1, n_ref)


def train_judge(network, parameters, loss_of_batch, config, name: str) -> None:
    optimizer = torch.optim.AdamW(parameters, config.lr, weight_decay=config.weight_decay)
    warmup = max(1, round(config.warmup * config.steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / warmup, 0.5 + 0.5 * math.cos(math.pi * step / config.steps)),
    )
    network.train()
    started, running = time.monotonic(), 0.0
    report_every = max(1, config.steps // 8)
    for step in range(1, config.steps + 1):
        loss = loss_of_batch(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        running += loss.item()
        if step % report_every == 0:
            elapsed = time.monotonic() - started
            logging.info(
                "%s: step %d/%d loss %.3f (%.0f s)",
                name, step, config.steps, running / report_every, elapsed,
            )  # fmt: skip
            running = 0.0
    network.eval()


def _by_length(
    recordings: Sequence[Recording], batch_sec: float, generator: torch.Generator
) -> Iterator[list[Recording]]:
    """Batches of similar length for ever, in a new order each epoch."""
    order = sorted(recordings, key=lambda r: len(r.mel))
    batches, batch = [], []
    for recording in order:
        if batch and len(recording.mel) * (len(batch) + 1) > batch_sec * 100:
            batches.append(batch)
            batch = []
        batch.append(recording)
    batches.append(batch)
    while True:
        for k in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[k]


def _frame_targets(recording: Recording, index: Mapping[str, int]) -> Tensor:
    """Class of each frame (T,); rests are the blank's class."""
    targets = torch.full((len(recording.mel),), IGNORE)
    for span in recording.spans:
        targets[span.start : span.end] = index.get(span.phone, BLANK)
    return targets
