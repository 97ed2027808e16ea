"""Iterative decoding of masked tokens: many utterances at once, each as if it were alone.

Layer by layer; in each, all free frames are masked at first. A step predicts every masked frame,
keeps those it is surest of, and masks the others again, fewer each time. Frames that are given (a
prompt before, a take around) are seen from the start and stay as they are.

Source: Wang et al. 2024 (MaskGCT, arXiv 2409.00750), sections 3.1 and 3.3, appendix; after Chang et
al. 2022 (MaskGIT). Other than in the published code, the spread that guidance restores is each
utterance's own, and so is the number of frames that are masked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import LongTensor, Tensor

from espnet2_ext.masked.generator import MaskedTokens
from espnet2_ext.masked.likeliest import likeliest
from espnet2_ext.masked.noise import gumbel
from espnet2_ext.masked.options import MaskedDecoding
from espnet2_ext.masked.remask import least_sure
from espnet2_ext.masked.schedule import decoding_times, masked_counts
from espnet2_ext.masked.sequences import Sequences
from espnet2_ext.masked.steering import Steering
from espnet2_ext.masked.task import Task

_COLDEST = 1e-3

NoiseOf = Callable[[int, int, int, int, int], Tensor]


@dataclass(frozen=True)
class Decoded:
    """Codes of a batch.

    Args:
        tokens: (B, L, N); zeros on padding.
        probabilities: Of every code when its frame was last predicted, with guidance and without
            temperature or filter (B, L, N, K); 1 for codes that were given. None: not asked for.
    """

    tokens: LongTensor
    probabilities: Tensor | None


@torch.no_grad()
def decode(
    model: MaskedTokens,
    task: Task,
    steering: Steering,
    unguided: Steering | None,
    config: MaskedDecoding,
    noise: NoiseOf,
    probabilities: bool = False,
) -> Decoded:
    """Decode a batch.

    Args:
        model: Generator, in evaluation mode.
        task: What is given.
        steering: Conditions, on the clock of prompt and target together.
        unguided: The same with the conditions that guidance leaves out dropped; prompt and prefix
            are left out here. None: `steering`.
        config: Options.
        noise: Numbers of [0, 1) of utterance, layer, step, frames, width (`noise.Noise`).
        probabilities: Also return them.
    """
    sequences = Sequences(model, task, steering, unguided, config)
    for layer in range(model.config.first_layer, len(model.codes)):
        masked = sequences.begin(layer)
        if len(masked):
            _decode_layer(sequences, masked, noise, probabilities)
            sequences.finish()
    kept = sequences.probabilities() if probabilities else None
    return Decoded(sequences.decoded(), kept)


def _decode_layer(
    sequences: Sequences, masked: LongTensor, noise: NoiseOf, probabilities: bool
) -> None:
    model, config, layer = sequences.model, sequences.config, sequences.layer
    steps, k = config.steps_of(layer), config.candidates(model.codes[layer])
    schedule, times = model.config.mask_schedule, decoding_times(steps)
    counts = list(zip(*(masked_counts(n, steps, schedule) for n in sequences.free), strict=True))
    modulation = sequences.network.modulation(torch.tensor(times[:-1], device=masked.device))
    for step, (now, then) in enumerate(pairwise(counts)):
        if now == then:
            continue  # all that is predicted would be masked again
        logits = model.to_logits[layer](sequences.guided(modulation[step], masked)).float()
        values, codes = likeliest(logits, k)
        drawn = [
            noise(row, layer, step, n, k + 1)
            for row, n in zip(sequences.rows, now, strict=True)
            if n
        ]
        drawn = gumbel(torch.cat(drawn).to(values.device))
        temperature = config.last_temperature if steps == 1 else config.temperature * times[step]
        if step == steps - 1 and steps > 1:
            place = codes.new_zeros(len(codes), 1)
        else:
            heated = values / max(temperature, _COLDEST)
            place = (heated + drawn[:, :k]).argmax(-1, keepdim=True)
        sequences.reveal(masked, codes.gather(1, place).squeeze(1))
        if probabilities:
            sequences.keep(masked, logits.softmax(-1))
        if not any(then):
            return
        sure = values.softmax(-1).gather(1, place).squeeze(1)
        sure = sure + config.choice_temperature * times[step] * drawn[:, k]
        masked = least_sure(sure, masked, now, then)
        sequences.hide(masked)
