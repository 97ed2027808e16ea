"""What a batch of scores says of each frame: its phone and note, those around, its place there."""

from dataclasses import dataclass

import torch
from torch import BoolTensor, LongTensor, Tensor

FRAMES_PER_UNIT = 10.0  # frames are divided by this, to have values near one
NO_MIDI = 128


@dataclass(frozen=True)
class ScoreFeatures:
    """Features of every frame of a batch of scores.

    Args:
        phones: Current, previous and next phone (B, F, 3); 0 none, else phone id + 1.
        midi: Current, previous and next note (B, F, 3); `NO_MIDI` where there is none.
        position: Position in and length of phone and note (B, F, 10).
        mask: True on frames of the score (B, F).
    """

    phones: LongTensor
    midi: LongTensor
    position: Tensor
    mask: BoolTensor

    def parts(self) -> tuple[Tensor, ...]:
        """Phones, midi, position and mask."""
        return self.phones, self.midi, self.position, self.mask


def score_features(score_frames: LongTensor, lengths: LongTensor) -> ScoreFeatures:
    """Derive `ScoreFeatures` from padded score frames.

    Args:
        score_frames: (B, F, 4): phone id, midi, phone index, note index.
        lengths: Frames of each score (B,).
    """
    B, F, _ = score_frames.shape
    t = torch.arange(F, device=score_frames.device).expand(B, F)
    mask = t < lengths[:, None]
    phone, midi, phone_index, note_index = score_frames.masked_fill(~mask[..., None], -1).unbind(-1)
    phone_run, note_run = _run(phone_index, t), _run(note_index, t)
    phones = [phone + 1, *(_neighbour(phone + 1, run, 0) for run in _sides(phone_run))]
    notes = [midi.clamp(min=0), *(_neighbour(midi, run, NO_MIDI) for run in _sides(note_run))]
    notes = [n.masked_fill(n < 0, NO_MIDI) for n in notes]
    position = [x for run in (phone_run, note_run) for x in _position(t, *run)]
    return ScoreFeatures(
        torch.stack(phones, -1), torch.stack(notes, -1), torch.stack(position, -1), mask
    )


def _run(index: LongTensor, t: LongTensor) -> tuple[LongTensor, LongTensor]:
    """First frame of the run of equal `index` that holds each frame, and the frame after it."""
    F = index.size(1)
    change = torch.ones_like(index, dtype=torch.bool)
    change[:, 1:] = index[:, 1:] != index[:, :-1]
    start = torch.where(change, t, 0).cummax(dim=1).values
    following = torch.full_like(t, F)
    following[:, :-1] = torch.where(change, t, F)[:, 1:]
    end = following.flip(1).cummin(dim=1).values.flip(1)
    return start, end


def _sides(run: tuple[LongTensor, LongTensor]) -> tuple[LongTensor, LongTensor]:
    return run[0] - 1, run[1]


def _neighbour(values: LongTensor, frame: LongTensor, none: int) -> LongTensor:
    outside = (frame < 0) | (frame >= values.size(1))
    found = values.gather(1, frame.clamp(0, values.size(1) - 1))
    return found.masked_fill(outside, none)


def _position(t: LongTensor, start: LongTensor, end: LongTensor) -> list[Tensor]:
    since, until, length = t - start, end - t, end - start
    return [
        (since + 0.5) / length,
        since / FRAMES_PER_UNIT,
        until / FRAMES_PER_UNIT,
        torch.log(length.float()),
        torch.exp(-since / 3.0) - torch.exp(-until / 3.0),
    ]
