"""F0 taken from the score instead of the generated features: an option that tables must label."""

import torch
from torch import LongTensor, Tensor, nn

from espnet2_ext.audio.pitch import midi_to_hz

GLIDE_SEC = 0.05
"""Notes pass into each other over about this time."""


def score_f0(midi: LongTensor, voiced: Tensor, frames_per_token: int, fps: int) -> Tensor:
    """F0 of the written notes, voiced where the features are.

    Args:
        midi: Nominal MIDI per token frame (F,), 0 at rests.
        voiced: Whether each mel frame is voiced (T,), T = F * frames_per_token.
        frames_per_token: Mel frames of a token frame.
        fps: Token frames a second.

    Returns:
        Hz (T,), 0 where unvoiced or where the score rests.

    Raises:
        ValueError: the lengths do not belong together.
    """
    notes = midi.repeat_interleave(frames_per_token).float()
    if notes.shape != voiced.shape:
        raise ValueError(f"{len(notes)} frames of score for {len(voiced)} of features")
    sung = (notes > 0).float()
    width = max(1, round(GLIDE_SEC * fps * frames_per_token)) // 2 * 2 + 1

    def average(x: Tensor) -> Tensor:
        return nn.functional.avg_pool1d(x[None, None], width, 1, width // 2)[0, 0]

    # rests take no part in the mean, so that a note neither starts nor ends off its pitch
    smooth = average(notes * sung) / average(sung).clamp_min(1e-6)
    hz = midi_to_hz(smooth)
    return torch.where((sung > 0) & (voiced > 0), hz, torch.zeros_like(hz))
