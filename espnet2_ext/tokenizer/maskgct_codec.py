"""MaskGCT's two codecs, from the files of ``amphion/MaskGCT``: semantic codes, acoustic codes.

Weights come without configurations; names and shapes say every size. Their licence is CC-BY-NC-4.0.

Source: Wang et al. 2024 (arXiv 2409.00750).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import LongTensor, Tensor, nn
from torch.nn.functional import normalize

from espnet2_ext.checkpoint import load_state, load_strict, save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.files import LICENCE_FILE, write_text
from espnet2_ext.hub import fetch
from espnet2_ext.tokenizer.codec import CODEC_FILE, AudioCodec
from espnet2_ext.tokenizer.factorized_vq import FactorizedRVQ
from espnet2_ext.tokenizer.vocos import Vocos, VocosBackbone
from espnet2_ext.tokenizer.wave_encoder import WaveEncoder

HUB = "amphion/MaskGCT"
LICENCE = "CC BY-NC 4.0 (Creative Commons Attribution-NonCommercial 4.0 International)"
"""Of all weights there, and of what is trained from them."""

SEMANTIC = "semantic_codec/model.safetensors"
ENCODER, DECODER = "acoustic_codec/model.safetensors", "acoustic_codec/model_1.safetensors"
FS = 24000
SSL_MODEL, SSL_LAYER = "facebook/w2v-bert-2.0", 17
"""Of the features that the semantic codec quantises, 50 a second of audio at 16 kHz."""

_G, _V = "weight_g", "weight_v"


@dataclass(frozen=True)
class MaskGCTCodecConfig:
    """Where the acoustic codec comes from.

    Args:
        source: The published folder, or its name on the Hugging Face hub.
    """

    source: str = HUB


class _Sizes:
    """Shapes of the parameters of a file."""

    def __init__(self, state: Mapping[str, Tensor], place: str | Path) -> None:
        self.state, self.place = state, place

    def of(self, name: str, dims: int) -> tuple[int, ...]:
        """Shape of a parameter, which has `dims` dimensions."""
        if name not in self.state or self.state[name].dim() != dims:
            raise UserError(self.place, f"no parameter {name} of {dims} dimensions", "MaskGCT's")
        return tuple(self.state[name].shape)

    def count(self, name: str) -> int:
        """Modules of a list, one at least."""
        pattern = re.compile(rf"{re.escape(name)}\.(\d+)\.")
        return max(1, len({m[1] for key in self.state if (m := pattern.match(key))}))

    def vocos(self, name: str) -> tuple[int, int, int, int]:
        """Channels, width, inner width and blocks of a backbone."""
        width, channels, _ = self.of(f"{name}.embed.weight", 3)
        inner, _ = self.of(f"{name}.convnext.0.pwconv1.weight", 2)
        return channels, width, inner, self.count(f"{name}.convnext")

    def quantizer(self) -> FactorizedRVQ:
        """The untrained quantiser."""
        n = self.count("quantizer.quantizers")
        at = [f"quantizer.quantizers.{i}" for i in range(n)]
        width, channels, _ = self.of(f"{at[0]}.in_project.weight", 3)
        return FactorizedRVQ(channels, [self.of(f"{a}.codebook.weight", 2)[0] for a in at], width)


def without_weight_norms(state: Mapping[str, Tensor], place: str | Path) -> dict[str, Tensor]:
    """Each pair ``weight_g``, ``weight_v`` as the one ``weight`` that it makes.

    Raises:
        UserError: one of a pair is missing.
    """
    plain = {}
    for name, tensor in state.items():
        stem = name.removesuffix(_G).removesuffix(_V)
        if stem == name:
            plain[name] = tensor
            continue
        g, v = (state.get(stem + part) for part in (_G, _V))
        if g is None or v is None:
            missing = stem + (_G if g is None else _V)
            raise UserError(place, f"missing parameter {missing}", f"beside {name}")
        plain[f"{stem}weight"] = g * v / v.flatten(1).norm(dim=1).view(-1, *(1,) * (v.dim() - 1))
    return plain


class SemanticCodec(nn.Module):
    """Normalised SSL features to codes, and back.

    Args:
        sizes: Of the weights.
    """

    def __init__(self, sizes: _Sizes) -> None:
        super().__init__()
        channels, *others = sizes.vocos("encoder.0")
        self.encoder, self.decoder = (
            nn.Sequential(VocosBackbone(channels, *others), nn.Linear(others[0], channels))
            for _ in range(2)
        )
        self.quantizer = sizes.quantizer()

    @classmethod
    def read(cls, source: str | Path, offline: bool = False) -> "SemanticCodec":
        """Read it from the published folder, or from the hub (`offline`: from its cache alone).

        Raises:
            UserError: the file is missing, or is not this codec's.
        """
        path = fetch(source, offline=offline, only=[SEMANTIC]) / SEMANTIC
        state = without_weight_norms(load_state(path), path)
        return load_strict(cls(_Sizes(state, path)), state, path).eval()

    def encode(self, features: Tensor) -> LongTensor:
        """Features (B, F, channels), normalised by `read_statistics`, to codes (B, F)."""
        hidden = self.encoder(features.transpose(1, 2))
        return self.quantizer.encode(hidden.transpose(1, 2))[..., 0]

    @property
    def channels(self) -> int:
        """Of the features."""
        return self.encoder[1].out_features

    def projected(self, features: Tensor) -> Tensor:
        """What of features (B, F, channels) is compared with `directions` (B, F, width)."""
        hidden = self.encoder(features.transpose(1, 2)).transpose(1, 2)
        return self.quantizer.quantizers[0].in_project(hidden).transpose(1, 2)

    @property
    def directions(self) -> Tensor:
        """Of the codes (codes, width), each of length 1."""
        return normalize(self.quantizer.quantizers[0].codebook.weight, dim=-1)

    def decode(self, codes: LongTensor) -> Tensor:
        """Codes (B, F) to normalised features (B, F, channels)."""
        return self.decoder(self.quantizer.embed(codes[..., None]))


def read_statistics(path: str | Path) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (channels,) of the SSL features, from ``wav2vec2bert_stats.pt``.

    No pickled code is run.

    Raises:
        UserError: the file is missing, or does not hold ``mean`` and ``var``.
    """
    state = load_state(path)
    if state.keys() != {"mean", "var"} or state["mean"].shape != state["var"].shape:
        raise UserError(path, f"{', '.join(sorted(state))}", "mean and var of one shape")
    if not bool((state["var"] > 0).all()):
        raise UserError(path, "a variance that is not above 0", "statistics of features", "var")
    return state["mean"].float(), state["var"].float().sqrt()


class MaskGCTCodec(AudioCodec):
    """The acoustic codec: 12 codes of 1024 for each of 50 frames a second of audio at 24 kHz.

    Args:
        encoder: Weights of the encoder, weight norms folded.
        decoder: Of quantiser and decoder.
        places: Their files.

    Raises:
        UserError: they are not this codec's.
    """

    def __init__(
        self,
        encoder: Mapping[str, Tensor],
        decoder: Mapping[str, Tensor],
        places: tuple[str | Path, str | Path],
    ) -> None:
        super().__init__()
        sizes, strides = _Sizes(encoder, places[0]), []
        while f"block.{len(strides) + 1}.block.4.weight" in encoder:
            kernel = sizes.of(f"block.{len(strides) + 1}.block.4.weight", 3)[2]
            strides.append(kernel // 2)
        hop = math.prod(strides)
        if not strides or hop < 1 or FS % hop:
            raise UserError(places[0], f"strides {strides}", f"whole frames a second of {FS} Hz")
        width = sizes.of("block.0.weight", 3)[0]
        channels = sizes.of(f"block.{len(strides) + 2}.weight", 3)[0]
        self.encoder = load_strict(WaveEncoder(width, strides, channels), encoder, places[0])
        sizes = _Sizes(decoder, places[1])
        n_fft = sizes.of("model.head.istft.window", 1)[0]
        if n_fft < hop or (n_fft - hop) % 2:
            raise UserError(places[1], f"a window of {n_fft}", f"{hop} and twice some more")
        self.decoder = nn.Module()
        self.decoder.quantizer = sizes.quantizer()
        self.decoder.model = Vocos(*sizes.vocos("model.backbone"), n_fft, hop)
        load_strict(self.decoder, decoder, places[1])
        codebooks = [q.codebook.weight for q in self.decoder.quantizer.quantizers]
        self.fs, self.fps, self.dim = FS, FS // hop, channels
        self.n_codebooks, self.codebook_size = len(codebooks), len(codebooks[0])

    @classmethod
    def read(cls, source: str | Path) -> "MaskGCTCodec":
        """Read it from the published folder, or from the hub.

        Raises:
            UserError: a file is missing, or is not this codec's.
        """
        folder = fetch(source, only=[ENCODER, DECODER])
        paths = folder / ENCODER, folder / DECODER
        return cls(*(without_weight_norms(load_state(p), p) for p in paths), paths).eval()

    def encode(self, wav: Tensor) -> Tensor:
        return self.decoder.quantizer.encode(self.encoder(wav[:, None]))

    def embed(self, codes: Tensor) -> Tensor:
        return self.decoder.quantizer.embed(codes).transpose(1, 2)

    def decode(self, codes: Tensor) -> Tensor:
        return self.decoder.model(self.decoder.quantizer.embed(codes))

    def save(self, folder: str | Path) -> None:
        """Write encoder and decoder into one file, and the licence of the weights."""
        save_safetensors(self.state_dict(), Path(folder) / CODEC_FILE)
        write_text(Path(folder) / LICENCE_FILE, f"{CODEC_FILE}, from {HUB}: {LICENCE}\n")

    @classmethod
    def load(cls, folder: str | Path) -> "MaskGCTCodec":
        """Load what `save` wrote.

        Raises:
            UserError: the file is missing, or is not this codec's.
        """
        path = Path(folder) / CODEC_FILE
        state = load_state(path)
        parts = []
        for part in ("encoder.", "decoder."):
            named = {k: v for k, v in state.items() if k.startswith(part)}
            parts.append({k.removeprefix(part): v for k, v in named.items()})
        if len(state) != sum(map(len, parts)):
            raise UserError(path, "parameters of neither encoder nor decoder", "this codec's")
        return cls(*parts, (path, path)).eval()
