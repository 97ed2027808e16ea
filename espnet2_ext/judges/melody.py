"""The melody judge hears the singer's F0 within a mixture of voice and instruments.

It looks at a log-frequency spectrogram, five bins a semitone. At every pitch it sees the strengths
of that pitch's harmonics, with the same weights at every pitch, so that what it learns about one
pitch holds for all of them. It sees a quarter of a second to each side: enough to tell a voice from
an instrument, too little to guess a tune.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from librosa.sequence import viterbi
from torch import Tensor, nn

from espnet2_ext.judges.checkpoint import load_judge, save_judge
from espnet2_ext.judges.f0 import F0_CEIL_HZ, frame_times, sample_f0
from espnet2_ext.judges.network import Block, TrunkConfig

NAME = "melody_judge"
MELODY_FPS = 50
"""Frames a second of the network; F0 is interpolated to `judges.f0.FPS`."""
BINS_PER_OCTAVE = 60
LOWEST_HZ, HIGHEST_HZ = 60.0, 1400.0
N_PITCHES = 1 + int(BINS_PER_OCTAVE * np.log2(HIGHEST_HZ / LOWEST_HZ))
UNVOICED = N_PITCHES
"""Class of a frame without F0; the classes before it are pitches, 20 cents apart."""
HARMONICS = (0.5, 1, 2, 3, 4, 5, 6, 7, 8)
"""Multiples of a pitch at which the network listens; half of it speaks against an octave error."""
_OFFSETS = tuple(round(BINS_PER_OCTAVE * np.log2(h / HARMONICS[0])) for h in HARMONICS)
_TOP_HZ = 7000.0
N_BINS = 1 + int(BINS_PER_OCTAVE * np.log2(_TOP_HZ / (LOWEST_HZ * HARMONICS[0])))
_WINDOW_SEC = 0.064
_FLOOR, _RANGE, _SCALE = 1e-5, 8.0, 2.0
_AROUND = 3  # bins to each side of the path that F0 is averaged over
_GLIDE_BINS = 12  # that a voice glides in a frame, at most
_JUMP = 1e-6  # probability, in a frame, of a jump to any pitch


@dataclass(frozen=True)
class MelodyConfig:
    """Size of the network.

    Args:
        channels: At each pitch.
        hidden: Of the layers that decide about voicing and compare pitches.
        n_blocks: Of these layers.
        kernel: Their frames.
        dropout: Theirs.
    """

    channels: int = 16
    hidden: int = 128
    n_blocks: int = 3
    kernel: int = 7
    dropout: float = 0.1


@lru_cache(maxsize=4)
def _analysis(fs: int) -> tuple[int, Tensor, Tensor, Tensor]:
    if fs < 2 * _TOP_HZ:
        raise ValueError(f"the melody judge needs at least {int(2 * _TOP_HZ)} Hz, not {fs}")
    window = round(fs * _WINDOW_SEC)
    n_fft = 2 << (window - 1).bit_length()
    at_hz = LOWEST_HZ * HARMONICS[0] * 2 ** (np.arange(N_BINS) / BINS_PER_OCTAVE)
    at = torch.from_numpy(at_hz * n_fft / fs)
    return n_fft, torch.hann_window(window), at.long(), at.frac().float()[:, None]


def log_frequency(wav: np.ndarray, fs: int) -> Tensor:
    """Log magnitudes (T, N_BINS) of samples (N,), `MELODY_FPS` frames a second, at any rate.

    The mean level of the louder frames is taken out, so that gain is not heard.
    """
    n_fft, taper, low, weight = _analysis(fs)
    hop = round(fs / MELODY_FPS)
    n_frames = max(1, -(-len(wav) // hop))
    samples = torch.from_numpy(np.array(wav, np.float32))
    side = n_fft // 2 - hop // 2  # the middle of frame 0 is half a frame from the start
    samples = nn.functional.pad(samples, (side, n_fft + n_frames * hop - len(samples)))
    spectrum = torch.stft(
        samples, n_fft, hop, len(taper), taper, center=False, return_complex=True
    ).abs()[:, :n_frames]
    magnitude = spectrum[low] * (1 - weight) + spectrum[low + 1] * weight
    logs = magnitude.clamp_min(_FLOOR).log().T
    level = logs.mean(-1)
    active = level > level.max() - _RANGE / 2
    return (logs - logs[active].mean()).clamp_min(-_RANGE) / _SCALE


class MelodyNetwork(nn.Module):
    """Log-frequency frames (B, T, N_BINS) -> logits (B, T, N_PITCHES + 1)."""

    def __init__(self, config: MelodyConfig) -> None:
        super().__init__()
        c = config.channels
        self.stem = nn.Conv2d(len(HARMONICS), c, (3, 5), padding=(1, 2))
        self.local = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(c, c, (5, 5), padding=2, groups=c),
                nn.Conv2d(c, 2 * c, 1),
                nn.GELU(),
                nn.Conv2d(2 * c, c, 1),
            )
            for _ in range(2)
        )
        self.salience = nn.Conv2d(c, 1, 1)
        self.inward = nn.Linear(N_PITCHES + N_BINS, config.hidden)
        block = TrunkConfig(config.hidden, config.n_blocks, config.kernel, config.dropout)
        self.blocks = nn.ModuleList(Block(block) for _ in range(config.n_blocks))
        self.norm = nn.LayerNorm(config.hidden)
        self.outward = nn.Linear(config.hidden, N_PITCHES + 1)
        self.to(memory_format=torch.channels_last)  # 1.7 times as fast on a CPU

    def forward(self, frames: Tensor) -> Tensor:
        stacked = nn.functional.pad(
            frames, (0, _OFFSETS[-1] + N_PITCHES - N_BINS), value=-_RANGE / _SCALE
        )
        x = torch.stack([stacked[..., o : o + N_PITCHES] for o in _OFFSETS], 1)
        x = nn.functional.gelu(self.stem(x))
        for layer in self.local:
            x = x + layer(x)
        salience = self.salience(x)[:, 0]
        y = self.inward(torch.cat([salience, frames], -1))
        mask = torch.ones(())
        for block in self.blocks:
            y = block(y, mask)
        y = self.outward(self.norm(y))
        return y + nn.functional.pad(salience, (0, 1))


class MelodyJudge:
    """Hears the sung F0 of a mixture; an `Extractor`, trained by `espnet2_ext.bin.fit judges`."""

    def __init__(self, config: MelodyConfig, network: MelodyNetwork) -> None:
        self.config, self.network = config, network.eval()

    @classmethod
    def load(cls, folder: str | Path) -> "MelodyJudge":
        """Read ``melody_judge.yaml`` and ``.safetensors``, strictly."""
        return cls(*load_judge(folder, NAME, MelodyConfig, MelodyNetwork))

    def save(self, folder: str | Path) -> None:
        """Write both files."""
        save_judge(folder, NAME, self.config, self.network)

    @torch.no_grad()
    def __call__(self, wav: np.ndarray, fs: int, ceiling_hz: float = F0_CEIL_HZ) -> np.ndarray:
        """Samples (N,) and rate -> F0 (T,) Hz, 0 where unvoiced, at `judges.f0.frame_times`."""
        logits = self.network(log_frequency(wav, fs)[None])[0]
        f0 = read_pitch(logits, ceiling_hz).numpy()
        times = (np.arange(len(f0)) + 0.5) / MELODY_FPS
        return sample_f0(times, f0, frame_times(len(wav), fs))


def read_pitch(logits: Tensor, ceiling_hz: float) -> Tensor:
    """F0 (T,) in Hz of logits (T, N_PITCHES + 1), 0 where unvoiced.

    A frame is voiced where all pitches together are likelier than none. Its pitch lies on the
    likeliest path (Viterbi), on which a voice glides and seldom jumps: a chord note that is louder
    for a frame or two does not draw it away. F0 is the average around the path.
    """
    octaves = torch.arange(N_PITCHES) / BINS_PER_OCTAVE
    shares = logits.softmax(-1)
    pitches = shares[:, :UNVOICED] * (LOWEST_HZ * 2**octaves <= ceiling_hz)
    voiced = pitches.sum(-1)
    anywhere = (1 - voiced)[:, None] / N_PITCHES  # where nothing is sung, the path is free
    path = viterbi((pitches + anywhere).T.double().numpy(), _transitions())
    near = (torch.arange(N_PITCHES) - torch.from_numpy(path.astype(np.int64))[:, None]).abs()
    weights = pitches * (near <= _AROUND)
    middle = (weights * octaves).sum(-1) / weights.sum(-1).clamp_min(1e-12)
    return torch.where((voiced > 0.5) & (weights.sum(-1) > 0), LOWEST_HZ * 2**middle, 0.0)


@lru_cache(maxsize=1)
def _transitions() -> np.ndarray:
    """Probabilities of the next frame's pitch, a row for each pitch of this frame."""
    away = np.abs(np.subtract.outer(np.arange(N_PITCHES), np.arange(N_PITCHES)))
    glides = np.maximum(0.0, 1 - away / _GLIDE_BINS)
    return (1 - _JUMP) * glides / glides.sum(1, keepdims=True) + _JUMP / N_PITCHES
