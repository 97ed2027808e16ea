"""Contrastive losses of CoMelSinger (Zhao et al. 2026), section III-B, and its perturbed melodies.

What the paper leaves open, and what is done here:

- Eq. (3) as printed has its best pairs at its highest value. A loss is minimised, so here it has
  the minus that is missing.
- What is pooled, and whether it is normalised: the states of the target's frames, each utterance's
  mean of length 1 (`normalize`), so that a temperature means the same for every model.
- Eq. (5) as printed sums L^2 terms, so that a long utterance outweighs the others. By default the
  terms' mean over all valid pairs is taken; ``reduction="sum"`` is as printed.
- P(.) moves half of the notes, rounded up, and each by 1 to 6 semitones: 0 is not drawn.
"""

import torch
import torch.nn.functional as F
from torch import BoolTensor, LongTensor, Tensor

MEAN, SUM = REDUCTIONS = ("mean", "sum")
INVALID = -1.0
"""Label of a pair of frames of which one is silence or padding."""
LOWEST_MIDI, HIGHEST_MIDI = 1, 127


def pool(states: Tensor, mask: BoolTensor) -> Tensor:
    """Mean over the frames of the mask: states (K, L, d), mask (K, L), to (K, d)."""
    real = mask[..., None].to(states.dtype)
    return (states * real).sum(1) / real.sum(1).clamp_min(1)


def sequence_contrast(
    ga: Tensor, gb: Tensor, temperature: float = 0.1, normalize: bool = True
) -> Tensor:
    """L_SCL, eq. (3) with the minus that it lacks: a scalar, 0 at best.

    Args:
        ga: Pooled states of K melodies of one text after prompt A (K, d).
        gb: Of the same melodies after prompt B (K, d).
        temperature: tau.
        normalize: Compare cosines, not products.
    """
    similarity = pairwise(ga, gb, normalize) / temperature
    own = torch.arange(len(ga), device=ga.device)
    return (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.T, own)) / 2


def pairwise(a: Tensor, b: Tensor, normalize: bool = True) -> Tensor:
    """Cosines, or products, of all of a (..., I, d) with all of b (..., J, d): (..., I, J).

    In 32 bits, also where training has 16.
    """
    a, b = a.float(), b.float()
    if normalize:
        a, b = F.normalize(a, dim=-1), F.normalize(b, dim=-1)
    with torch.autocast(a.device.type, enabled=False):
        return a @ b.transpose(-1, -2)


def frame_labels(
    pitch_a: LongTensor, pitch_b: LongTensor, semantic: LongTensor, valid: BoolTensor, alpha: float
) -> Tensor:
    """Y of eq. (4) (K, L, L), i of view A and j of view B.

    Args:
        pitch_a: MIDI number of each frame in view A (K, L); 0 at rests.
        pitch_b: In view B (K, L).
        semantic: Semantic codes, the same in both (K, L).
        valid: False on padding (K, L). Silence, a frame without a note, is left out as well.
        alpha: Label of frames of one pitch and two codes.
    """
    same_pitch = pitch_a[:, :, None] == pitch_b[:, None]
    same_code = semantic[:, :, None] == semantic[:, None]
    labels = torch.where(same_code, 1.0, alpha) * same_pitch
    real_a, real_b = valid & (pitch_a > 0), valid & (pitch_b > 0)
    return labels.masked_fill(~(real_a[:, :, None] & real_b[:, None]), INVALID)


def frame_contrast(fa: Tensor, fb: Tensor, labels: Tensor, reduction: str = MEAN) -> Tensor:
    """L_FCL, eq. (5): a scalar, 0 at best, and 0 where no pair is valid.

    Args:
        fa: States of view A's frames (K, L, d).
        fb: Of view B's (K, L, d).
        labels: Y (K, L, L); pairs below 0 are left out.
        reduction: "mean" over valid pairs; "sum" over an utterance's, the mean over utterances.
    """
    valid = labels >= 0
    terms = (pairwise(fa, fb) - labels).square() * valid
    count = len(fa) if reduction == SUM else valid.sum().clamp_min(1)
    return terms.sum() / count


def perturb(
    pitch: LongTensor,
    segments: LongTensor,
    generator: torch.Generator | None = None,
    share: float = 0.5,
    most: int = 6,
) -> LongTensor:
    """P(.): another melody in the same rhythm (B, L).

    Of each utterance's notes a share, rounded up, is moved by 1 to `most` semitones up or down,
    each note with all its frames, never rests. One that would leave 1 to 127 moves the other way.

    Args:
        pitch: MIDI number of each frame (B, L); 0 or less at rests and on padding.
        segments: Number of the note that a frame belongs to (B, L). Neighbouring frames are one
            note where it is the same.
        generator: Of random numbers, on the pitches' device; None: torch's own.
        share: Of the notes that are moved.
        most: Semitones.
    """
    B, L = pitch.shape
    begins = (segments[:, 1:] != segments[:, :-1]) | (pitch[:, 1:] != pitch[:, :-1])
    note = F.pad(begins, (1, 0)).long().cumsum(1)
    sung = torch.zeros(B, L, dtype=torch.bool, device=pitch.device)
    sung = sung.scatter(1, note, pitch > 0)  # of each note: frames of a note are all alike
    noise = torch.rand(B, L, generator=generator, device=pitch.device).masked_fill(~sung, 2.0)
    rank = noise.argsort(1).argsort(1)
    moved = sung & (rank < (sung.sum(1, keepdim=True) * share).ceil())
    drawn = torch.rand(B, L, generator=generator, device=pitch.device)
    step = (drawn * 2 * most).long().clamp(max=2 * most - 1) - most  # -most to most - 1
    step = step + (step >= 0)
    shift = (step * moved).gather(1, note)
    there = pitch + shift
    outside = (there < LOWEST_MIDI) | (there > HIGHEST_MIDI)
    return torch.where(pitch > 0, torch.where(outside, pitch - shift, there), pitch)


def transpositions(
    pitch: LongTensor, count: int, most: int = 6, generator: torch.Generator | None = None
) -> LongTensor:
    """`count` versions of one melody, each moved as a whole by another interval (count, L).

    The first is the melody itself. There are fewer versions where there are fewer intervals that
    keep all notes within 1 to 127, and one alone of a melody without notes.

    Args:
        pitch: MIDI number of each frame (L,); 0 or less at rests and on padding.
        count: Versions, the melody among them.
        most: Semitones up or down.
        generator: As in `perturb`.
    """
    sung = pitch[pitch > 0]
    if not len(sung):
        return pitch[None]
    low, high = int(sung.min()) - most, int(sung.max()) + most
    lowest, highest = -most + max(0, LOWEST_MIDI - low), most - max(0, high - HIGHEST_MIDI)
    shifts = torch.tensor([k for k in range(lowest, highest + 1) if k], device=pitch.device)
    order = torch.randperm(len(shifts), generator=generator, device=pitch.device)
    shifts = torch.cat([pitch.new_zeros(1), shifts[order].to(pitch.dtype)])[:count]
    return torch.where(pitch > 0, pitch + shifts[:, None], pitch)
