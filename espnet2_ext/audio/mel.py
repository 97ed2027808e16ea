"""The mel configuration of a recipe, and the log-mel spectrogram that every part shares."""

from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from espnet2_ext.audio.mel_basis import mel_basis
from espnet2_ext.audio.wav import FS_RANGE
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_yaml

_MOST = {"fs": FS_RANGE[1], "n_fft": 2**16, "win_length": 2**16, "hop_length": 2**16,
         "n_mels": 1024, "fps": 1000}  # fmt: skip
"""No analysis goes beyond these; tables as large as their products are computed."""

MEL_MEAN, MEL_STD = -5.0, 2.5
"""Rough statistics of natural-log mel over voices: networks see values around one."""


@dataclass(frozen=True)
class MelConfig:
    """Analysis settings, as in ``conf/mel.yaml``; rates in Hz, lengths in samples.

    `fps` is None where there are no tokens (a mel-VAE's latents have a clock of their own).
    """

    fs: int = 24000
    n_fft: int = 1024
    win_length: int = 1024
    hop_length: int = 240
    n_mels: int = 80
    fmin: float = 0
    fmax: float = 12000
    floor: float = 1e-5
    fps: int | None = 50

    def __post_init__(self) -> None:
        for name, most in _MOST.items():
            if getattr(self, name) is not None and not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} {getattr(self, name)} is not from 1 to {most}")
        if self.win_length > self.n_fft or self.hop_length > self.n_fft:
            raise ValueError(f"win_length or hop_length is longer than n_fft {self.n_fft}")
        if not self.floor > 0:
            raise ValueError(f"floor {self.floor} is not above 0")
        if self.fps is not None and self.fs % (self.fps * self.hop_length):
            raise ValueError(
                f"fs {self.fs} is not a multiple of fps {self.fps} x hop_length {self.hop_length}"
            )
        if not 0 <= self.fmin < self.fmax <= self.fs / 2:
            raise ValueError(f"mel range {self.fmin}-{self.fmax} Hz outside 0-{self.fs / 2} Hz")

    @classmethod
    def load(cls, path: str | Path) -> "MelConfig":
        """Read a YAML file; raises `UserError` for unknown keys and impossible values."""
        return parse_config(cls, read_yaml(path), path)

    def asdict(self) -> dict:
        return asdict(self)

    @property
    def samples_per_token(self) -> int:
        """Samples that one token frame covers; a `UserError` where there are no tokens."""
        if self.fps is None:
            raise UserError("mel configuration", "null", "token frames a second", "fps")
        return self.fs // self.fps

    @property
    def frames_per_token(self) -> int:
        """Mel frames that one token frame covers."""
        return self.samples_per_token // self.hop_length

    @property
    def frames_per_sec(self) -> float:
        return self.fs / self.hop_length

    def require_same(self, other: "MelConfig", place: str | Path) -> None:
        """Refuse to mix models of two mel configurations, naming the first difference."""
        for key, value in self.asdict().items():
            if getattr(other, key) != value:
                raise UserError(place, f"{key} {getattr(other, key)}", f"{value}", "mel")


def mel_config(args: Namespace, prefix: str = "") -> MelConfig:
    """The mel configuration; one named by its file is read and kept in `args` as values."""
    if isinstance(args.mel_config, str):
        args.mel_config = MelConfig.load(args.mel_config).asdict()
    return parse_config(MelConfig, args.mel_config, f"{prefix}mel_config")


class LogMel(nn.Module):
    """Natural-log magnitude mel-spectrogram, frame k centred on the middle of its hop.

    ``forward``: wav (B, N) in [-1, 1] -> (B, N // hop_length, n_mels).
    """

    def __init__(self, config: MelConfig) -> None:
        super().__init__()
        self.config = config
        basis = mel_basis(config.fs, config.n_fft, config.n_mels, config.fmin, config.fmax)
        self.register_buffer("basis", torch.from_numpy(basis), persistent=False)
        self.register_buffer("window", torch.hann_window(config.win_length), persistent=False)

    def forward(self, wav: Tensor) -> Tensor:
        c = self.config
        n_frames = wav.size(-1) // c.hop_length
        pad = (c.n_fft - c.hop_length) // 2
        padded = nn.functional.pad(
            wav[..., : n_frames * c.hop_length], (pad, c.n_fft - c.hop_length - pad)
        )
        spectrum = torch.stft(
            padded, c.n_fft, c.hop_length, c.win_length, self.window, center=False,
            return_complex=True,
        )  # fmt: skip
        mel = self.basis @ spectrum.abs()
        return mel.clamp_min(c.floor).log().transpose(-1, -2)


def normalise_mel(mel: Tensor) -> Tensor:
    """Natural-log mel as networks see it."""
    return (mel - MEL_MEAN) / MEL_STD


def denormalise_mel(normalised: Tensor) -> Tensor:
    """The inverse of `normalise_mel`."""
    return normalised * MEL_STD + MEL_MEAN
