"""Excitation: pulses or sines at exactly the given F0, and repeatable noise."""

import math

import torch
from torch import LongTensor, Tensor, nn


def fill_unvoiced(f0: Tensor) -> Tensor:
    """Give unvoiced frames the F0 of the nearest voiced frame before them, else after them.

    So that F0 neither jumps nor glides to zero where a voice starts or ends.

    Args:
        f0: Hz (B, T), 0 where unvoiced.

    Returns:
        Hz (B, T); all 0 where a row has no voiced frame.
    """
    frames = torch.arange(f0.size(1), device=f0.device).expand_as(f0)
    voiced = f0 > 0
    last = torch.where(voiced, frames, -1).cummax(dim=1).values
    first = torch.where(voiced, frames, f0.size(1)).flip(1).cummin(dim=1).values.flip(1)
    nearest = torch.where(last >= 0, last, first).clamp_max(f0.size(1) - 1)
    return f0.gather(1, nearest)


class Oscillator(nn.Module):
    """The phase of a voice whose F0 is linear between the frames' centres."""

    def __init__(self, fs: int, hop_length: int) -> None:
        super().__init__()
        self.fs, self.hop_length = fs, hop_length
        at = (torch.arange(hop_length, dtype=torch.float64) + 0.5) / hop_length - 0.5
        # weights of the previous, this and the next frame's value at each sample of a hop
        weights = torch.stack([(-at).clamp_min(0), 1 - at.abs(), at.clamp_min(0)])
        self.register_buffer("weights", weights, persistent=False)

    def between_frames(self, x: Tensor) -> Tensor:
        """Values (B, T, hop_length) at the samples, float64, of values (B, T) at the frames."""
        x = x.double()
        around = torch.stack(
            [torch.cat([x[:, :1], x[:, :-1]], 1), x, torch.cat([x[:, 1:], x[:, -1:]], 1)], -1
        )
        return around @ self.weights.double()

    def cycles(self, f0: Tensor) -> Tensor:
        """Cycles that each sample advances (B, T, hop_length), float64, of `f0` (B, T) Hz."""
        return self.between_frames(f0) / self.fs

    def start(self, f0: Tensor) -> Tensor:
        """Phase (B, T) in cycles, in [0, 1), before the first sample of each frame."""
        total = self.cycles(f0).sum(-1).cumsum(1)
        return nn.functional.pad(total[:, :-1], (1, 0)).remainder(1.0)

    def plan(self, f0: Tensor) -> Tensor:
        """F0 without gaps (Hz) and the phase (cycles) of each frame: (B, T, 2), float64.

        Of a whole song, so that its parts agree; see `AbsVocoder.plan`.
        """
        filled = fill_unvoiced(f0)
        return torch.stack([filled.double(), self.start(filled)], -1)

    def phase(self, cycles: Tensor, start: Tensor) -> Tensor:
        """Phase (B, T, hop_length) in cycles, in [0, 1), of what `cycles` and `start` gave."""
        return (start.unsqueeze(-1) + cycles.cumsum(-1)).remainder(1.0)


class PulseTrain(Oscillator):
    """Sum of all harmonics below the Nyquist frequency, each a cosine of amplitude 1.

    The sum has a closed form (Dirichlet's kernel), so its cost does not depend on the number of
    harmonics.
    """

    def forward(self, f0: Tensor, start: Tensor | None = None) -> Tensor:
        """Pulses (B, T * hop_length) for `f0` (B, T) Hz > 0.

        Args:
            f0: Hz, everywhere positive where the pulses will be heard.
            start: Phase before each frame, of `start` of the whole song; computed when None.
        """
        cycles = self.cycles(f0)
        phase = self.phase(cycles, self.start(f0) if start is None else start).flatten(1)
        n_harmonics = (0.5 / cycles.clamp_min(1e-4)).floor().flatten(1)
        # sum of cos(k a) for k = 1..n: (sin((n + 1/2) a) / sin(a / 2) - 1) / 2
        half = math.pi * phase
        denominator = half.sin()
        at_pulse = denominator.abs() < 1e-6
        ratio = ((2 * n_harmonics + 1) * half).sin() / denominator.masked_fill(at_pulse, 1.0)
        ratio = torch.where(at_pulse, 2 * n_harmonics + 1, ratio)
        return ((ratio - 1) / 2).float()


class SineHarmonics(Oscillator):
    """The lowest harmonics, each a sine of amplitude 1 on a channel of its own.

    Source: Wang, Takaki and Yamagishi 2019, "Neural source-filter waveform models for statistical
    parametric speech synthesis", eq. 1. Unlike there, a harmonic above the Nyquist frequency is
    silent, and the sines swell from half a frame inside a voiced stretch instead of beginning at
    once, so that they do not click.

    Args:
        fs: Hz.
        hop_length: Samples of a frame.
        n_harmonics: How many, the fundamental being the first.
    """

    def __init__(self, fs: int, hop_length: int, n_harmonics: int) -> None:
        super().__init__(fs, hop_length)
        self.n_harmonics = n_harmonics

    def forward(self, f0: Tensor, voiced: Tensor, start: Tensor | None = None) -> Tensor:
        """Sines (B, T * hop_length, n_harmonics).

        Args:
            f0: Hz (B, T) without gaps.
            voiced: 1 where frames are voiced (B, T); the others are silent throughout.
            start: As `PulseTrain.forward`.
        """
        cycles = self.cycles(f0)
        phase = self.phase(cycles, self.start(f0) if start is None else start).float().flatten(1)
        level = (2 * self.between_frames(voiced) - 1).clamp_min(0).float().flatten(1)
        number = torch.arange(1, self.n_harmonics + 1, device=f0.device)
        heard = cycles.float().flatten(1).unsqueeze(-1) * number < 0.5
        return (2 * math.pi * phase.unsqueeze(-1) * number).sin() * heard * level.unsqueeze(-1)


def frame_noise(like: Tensor, hop_length: int, start_frame: int | None) -> Tensor:
    """White noise (B, T * hop_length) of unit variance for the frames of `like` (B, T).

    Args:
        like: Gives the shape and the device.
        hop_length: Samples of a frame.
        start_frame: Position of the first frame in its song: the same noise for all rows and for
            every way of cutting the song; None draws new noise.
    """
    B, T = like.size()
    if start_frame is None:
        return torch.randn(B, T * hop_length, device=like.device)
    first, last = start_frame * hop_length, (start_frame + T) * hop_length
    return position_noise(torch.arange(first, last, device=like.device)).expand(B, -1)


def position_noise(positions: LongTensor) -> Tensor:
    """White noise of unit variance that depends on the sample's position alone.

    A song generated whole, in parts or in a batch therefore has the same noise. Positions are
    hashed (the finaliser of splitmix64) to uniform values.

    Args:
        positions: Sample positions, of any shape.
    """
    z = positions * -7046029254386353131  # 2^64 / golden ratio, as a signed integer
    z = (z ^ _shift_right(z, 30)) * -4658895280553007687
    z = (z ^ _shift_right(z, 27)) * -7723592293110705685
    z = z ^ _shift_right(z, 31)
    uniform = (z & 0xFFFFFF).float() / 0xFFFFFF - 0.5
    return uniform * math.sqrt(12.0)


def _shift_right(z: LongTensor, bits: int) -> LongTensor:
    """Logical shift: torch's is arithmetic."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)
