"""Pitch for the flow: nominal MIDI frames of the score to curves and features.

Only pitch enters here; phones stay with the speech LM, as in the paper's Flow2.
"""

import torch
from torch import LongTensor, Tensor
from torch.nn import functional as F

from espnet2_ext.audio.pitch import OCTAVE

MIDDLE_MIDI = 60.0
PITCH_FEATURES = 10


def fill_gaps(values: Tensor, known: Tensor, default: float = 0.0) -> Tensor:
    """Interpolate (B, T) linearly through frames that are not `known`; hold at both ends.

    Rows without any known frame become `default`.
    """
    T = values.size(1)
    index = torch.arange(T, device=values.device).expand_as(known)
    before = torch.where(known, index, -1).cummax(1).values
    after = torch.where(known, index, T).flip(1).cummin(1).values.flip(1)
    left = torch.where(before < 0, after, before).clamp(0, T - 1)
    right = torch.where(after >= T, before, after).clamp(0, T - 1)
    weight = (index - left).to(values.dtype) / (right - left).clamp_min(1).to(values.dtype)
    a, b = values.gather(1, left), values.gather(1, right)
    filled = a + (b - a) * weight.clamp(0, 1)
    return torch.where(known.any(1, keepdim=True), filled, torch.full_like(filled, default))


def smooth(curve: Tensor, mask: Tensor, n_frames: int) -> Tensor:
    """Triangular moving average of (B, T) over `n_frames` each side, counting real frames only."""
    if n_frames < 1:
        return curve
    ramp = n_frames + 1 - torch.arange(-n_frames, n_frames + 1, device=curve.device).abs()
    kernel = (ramp / ramp.sum()).to(curve.dtype).view(1, 1, -1)
    real = mask.to(curve.dtype)
    total = F.conv1d((curve * real)[:, None], kernel, padding=n_frames)[:, 0]
    weight = F.conv1d(real[:, None], kernel, padding=n_frames)[:, 0]
    return torch.where(mask, total / weight.clamp_min(1e-4), curve)


def nominal_curve(midi: LongTensor, mask: Tensor) -> Tensor:
    """Nominal pitch (B, F) in semitones, drawn through rests (midi 0) as a line."""
    return fill_gaps(midi.float(), (midi > 0) & mask, MIDDLE_MIDI)


def pitch_features(midi: LongTensor, mask: Tensor) -> Tensor:
    """Features of the nominal pitch per frame.

    Level, rest flag, pitch class, and for the changes before and after the frame: how near, by how
    many semitones, and whether a rest lies there.

    Args:
        midi: Nominal MIDI number (B, F), 0 at rests.
        mask: True on real frames (B, F).

    Returns:
        (B, F, PITCH_FEATURES).
    """
    B, T = midi.size()
    midi = midi * mask
    index = torch.arange(T, device=midi.device).expand(B, T)
    curve = nominal_curve(midi, mask)
    rest = (midi == 0).float()
    changed = torch.ones_like(mask)
    changed[:, 1:] = (midi[:, 1:] != midi[:, :-1]) | (mask[:, 1:] != mask[:, :-1])
    start = torch.where(changed, index, 0).cummax(1).values
    ends = torch.where(changed, index, T).flip(1).cummin(1).values.flip(1)
    end = torch.cat([ends[:, 1:], torch.full_like(ends[:, :1], T)], 1)
    end = torch.minimum(end, mask.sum(1, keepdim=True))
    before, after = (start - 1).clamp_min(0), end.clamp_max(T - 1)
    is_last = end >= mask.sum(1, keepdim=True)
    after = torch.where(is_last, index, after)
    angle = curve * (2 * torch.pi / OCTAVE)
    features = [
        (curve - MIDDLE_MIDI) / OCTAVE,
        rest,
        angle.sin(),
        angle.cos(),
        1 / (1 + (index - start).clamp_min(0) / 4.0),
        1 / (1 + (end - 1 - index).clamp_min(0) / 4.0),
        (curve - curve.gather(1, before)).clamp(-OCTAVE, OCTAVE) / OCTAVE,
        (curve.gather(1, after) - curve).clamp(-OCTAVE, OCTAVE) / OCTAVE,
        rest.gather(1, before),
        rest.gather(1, after),
    ]
    return torch.stack(features, -1) * mask[..., None]
