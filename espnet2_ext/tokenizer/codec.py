"""AudioCodec: the interface that every codec stands behind, and the choice among them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config

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


def codec_type(config: Mapping[str, Any], place: str | Path) -> str:
    """The ``type`` of a codec section; an unknown one is a `UserError`."""
    name = config.get("type")
    if name not in ("mel_rvq", "espnet"):
        raise UserError(place, f"{name!r}", "mel_rvq or espnet", "codec type")
    return name


def create_codec(config: Mapping[str, Any], mel: MelConfig, place: str | Path) -> AudioCodec:
    """Build the codec a ``codec`` section names: mel_rvq yet to be fitted, or a pretrained one.

    Args:
        config: The section.
        mel: The recipe's mel configuration.
        place: File the section stands in, for error messages.
    """
    options = {key: value for key, value in config.items() if key != "type"}
    codec: AudioCodec
    if codec_type(config, place) == "mel_rvq":
        from espnet2_ext.tokenizer.mel_rvq import MelRVQ, MelRVQConfig

        codec = MelRVQ(mel, parse_config(MelRVQConfig, options, place))
    else:
        from espnet2_ext.tokenizer.espnet_codec import ESPnetCodec, ESPnetCodecConfig

        codec = ESPnetCodec.create(parse_config(ESPnetCodecConfig, options, place), place)
    codec.check(mel, place)
    return codec.eval()


def load_codec(config: Mapping[str, Any], mel: MelConfig, folder: str | Path) -> AudioCodec:
    """Load the codec of a tokenizer folder, as `AudioCodec.save` wrote it.

    Args:
        config: The ``codec`` section of the folder's config.yaml.
        mel: The recipe's mel configuration.
        folder: Tokenizer folder.
    """
    place = Path(folder) / "config.yaml"
    codec: AudioCodec
    if codec_type(config, place) == "mel_rvq":
        from espnet2_ext.tokenizer.mel_rvq import MelRVQ

        codec = MelRVQ.load(lambda: create_codec(config, mel, place), folder)
    else:
        from espnet2_ext.tokenizer.espnet_codec import ESPnetCodec

        codec = ESPnetCodec.load(folder)
        codec.check(mel, place)
    return codec.eval()
