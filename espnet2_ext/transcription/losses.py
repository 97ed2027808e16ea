"""Losses of singing voice transcription, eq. (7)-(9) of CoMelSinger (Zhao et al. 2026).

What the paper leaves open, and what is done here:

- The printed sums grow with the utterance. By default L_seg is a mean over pairs of neighbouring
  frames, and L_dur a mean over notes of squares relative to each note's length, so that both lie
  between 0 and 2 and a batch counts each frame, or note, alike. ``reduction="sum"`` is as printed:
  sums of each utterance, of which the mean over the batch is taken.
- Padding belongs to no term. A pair of a real and a padded frame is no pair.
- A rest is a pitch token like any other (0): its borders are boundaries, its length is a duration.
- Eq. (8) rounds each duration down by itself, so its segments drift from those of eq. (2), by which
  the targets were expanded. Here the segments are those of the targets.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import BoolTensor, LongTensor, Tensor

from espnet2_ext.transcription.config import LossConfig

_MIN_COUNT = 1


@dataclass(frozen=True)
class TranscriptionLoss:
    """L_SVT and its parts, each a scalar tensor, unweighted; `onset` None where there is none."""

    total: Tensor
    cross_entropy: Tensor
    segment: Tensor
    duration: Tensor
    onset: Tensor | None = None


def segments_of(pitch: LongTensor) -> LongTensor:
    """Number of the segment that each frame belongs to, where only pitches are known (B, L).

    A segment is a run of frames of one pitch: repeated notes are one.
    """
    changes = F.pad(pitch[:, 1:] != pitch[:, :-1], (1, 0))
    return changes.long().cumsum(1)


def onsets_of(pitch: LongTensor, segments: LongTensor, vowel: BoolTensor) -> BoolTensor:
    """Frames at which a note, no rest, begins, and those at which its vowel does (B, L, 2).

    Args:
        pitch (LongTensor): Targets (B, L).
        segments (LongTensor): As in `duration_loss` (B, L).
        vowel (BoolTensor): Frames of phones that carry the pitch (B, L).
    """
    begins = F.pad(segments[:, 1:] != segments[:, :-1], (1, 0), value=True)
    sung = pitch > 0
    number = begins.long().cumsum(1) - 1
    so_far = (vowel & sung).long().cumsum(1)
    before = so_far - (vowel & sung).long()  # vowel frames before this one, of all notes
    at_begin = torch.zeros_like(so_far).scatter_add_(1, number, before * begins)
    first = vowel & (before == at_begin.gather(1, number))
    return torch.stack([begins & sung, first & sung], -1)


def cross_entropy(
    logits: Tensor, pitch: LongTensor, mask: BoolTensor, label_smoothing: float = 0.0
) -> Tensor:
    """Mean over real frames; logits (B, L, C), targets and mask (B, L)."""
    return F.cross_entropy(logits[mask], pitch[mask], label_smoothing=label_smoothing)


def segment_loss(
    probability: Tensor,
    pitch: LongTensor,
    mask: BoolTensor,
    delta: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    """L_seg, eq. (7): neighbours within a note are alike, and at a change at least delta apart.

    Args:
        probability (Tensor): Distributions over pitch tokens p (B, L, C).
        pitch (LongTensor): Targets (B, L).
        mask (BoolTensor): True on real frames (B, L).
        delta: The margin.
        reduction: "mean" over pairs, or "sum" of an utterance's, the mean over utterances.
    """
    pair = mask[:, 1:] & mask[:, :-1]
    change = pitch[:, 1:] != pitch[:, :-1]  # b_t
    distance = torch.linalg.vector_norm(probability[:, 1:] - probability[:, :-1], dim=-1)
    terms = torch.where(change, (delta - distance).clamp_min(0), distance).square() * pair
    count = len(terms) if reduction == "sum" else pair.sum().clamp_min(_MIN_COUNT)
    return terms.sum() / count


def duration_loss(
    probability: Tensor,
    pitch: LongTensor,
    segments: LongTensor,
    mask: BoolTensor,
    reduction: str = "mean",
) -> Tensor:
    """L_dur, eq. (8): the probability mass of a note's pitch over its frames is its length.

    Args:
        probability (Tensor): Distributions over pitch tokens p (B, L, C).
        pitch (LongTensor): Targets, one pitch in each segment (B, L).
        segments (LongTensor): Which segment a frame belongs to, each of adjacent frames, from 0 or
            any other number on (B, L): the notes of a score, or `segments_of`.
        mask (BoolTensor): True on real frames (B, L).
        reduction: "mean" over segments of ((mass - length) / length)^2, or "sum" of an
            utterance's (mass - length)^2, the mean over utterances.
    """
    B, L = pitch.shape
    number = F.pad(segments[:, 1:] != segments[:, :-1], (1, 0)).long().cumsum(1)  # from 0
    right = probability.gather(-1, pitch[..., None])[..., 0] * mask
    empty = probability.new_zeros(B, L)
    mass = empty.scatter_add(1, number, right)
    length = empty.scatter_add(1, number, mask.to(right.dtype))
    there = length > 0
    missing = (mass - length) * there
    if reduction == "sum":
        return missing.square().sum() / B
    return (missing / length.clamp_min(_MIN_COUNT)).square().sum() / there.sum().clamp_min(1)


def transcription_loss(
    logits: Tensor,
    pitch: LongTensor,
    segments: LongTensor,
    mask: BoolTensor,
    config: LossConfig | None = None,
    onset: Tensor | None = None,
    onset_truth: BoolTensor | None = None,
) -> TranscriptionLoss:
    """L_SVT = L_CE + .5 L_seg + .3 L_dur, eq. (9), and onsets beyond the paper.

    Args:
        logits (Tensor): Of pitch tokens (B, L, C).
        pitch (LongTensor): Targets (B, L).
        segments (LongTensor): As in `duration_loss` (B, L).
        mask (BoolTensor): True on real frames (B, L).
        config: Weights, margin and reduction.
        onset (Tensor): Logits of onsets (B, L, 2); None: without.
        onset_truth (BoolTensor): Theirs, by `onsets_of`.
    """
    config = config or LossConfig()
    probability = logits.softmax(-1)
    ce = cross_entropy(logits, pitch, mask, config.label_smoothing)
    seg = segment_loss(probability, pitch, mask, config.delta, config.reduction)
    dur = duration_loss(probability, pitch, segments, mask, config.reduction)
    total = ce + config.segment * seg + config.duration * dur
    begins = None
    if onset is not None and onset_truth is not None:
        truth = onset_truth[mask].to(onset.dtype)
        begins = F.binary_cross_entropy_with_logits(onset[mask], truth, reduction="none")
        begins = begins.sum(-1).mean()
        total = total + config.onset * begins
    return TranscriptionLoss(total, ce, seg, dur, begins)
