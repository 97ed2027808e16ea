"""AudioCodec: the interface that every codec stands behind."""

from abc import ABC, abstractmethod
from pathlib import Path

from torch import Tensor, nn

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.errors import UserError

CODEC_FILE = "codec.safetensors"


class AudioCodec(nn.Module, ABC):
    """A waveform as `n_codebooks` codes per frame, and back.

    Attributes:
        fs: Sampling rate (Hz).
        fps: Token frames per second.
        n_codebooks: Codes per frame.
        codebook_size: Values of a code: 0..codebook_size-1.
        dim: Size of a frame's embedding.
    """

    fs: int
    fps: int
    n_codebooks: int
    codebook_size: int
    dim: int

    @property
    def samples_per_token(self) -> int:
        return self.fs // self.fps

    @abstractmethod
    def encode(self, wav: Tensor) -> Tensor:
        """Waveform (B, N), N a multiple of `samples_per_token`, to codes (B, F, n_codebooks)."""

    @abstractmethod
    def embed(self, codes: Tensor) -> Tensor:
        """Codes (B, F, k), the first k <= n_codebooks of each frame, to embeddings (B, F, dim)."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, F, k) to waveform (B, F * samples_per_token)."""

    @abstractmethod
    def save(self, folder: str | Path) -> None:
        """Write what `load_codec` needs beside ``config.yaml``."""

    def check(self, mel: MelConfig, place: str | Path) -> None:
        """Refuse a recipe whose clock is not the codec's."""
        if self.fs != mel.fs:
            raise UserError(place, f"{self.fs} Hz", f"{mel.fs} Hz as the mel", "codec fs")
        if self.fps != mel.fps:
            raise UserError(place, f"{self.fps}", f"{mel.fps} as the mel", "codec fps")
