"""SSL tokens: frame features of a self-supervised (or small phone) model, quantised by k-means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.checkpoint import build_strict, load_state, save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config
from espnet2_ext.one_thread import map_each
from espnet2_ext.tokenizer.kmeans import fit_kmeans, nearest
from espnet2_ext.tokenizer.ssl_features import PhoneFeatures, PhoneFeaturesConfig, SSLFeatures

SSL_FILE = "ssl.safetensors"
SSL_TYPES = ("phone", "hf", "espnet", "maskgct")
_FITTED = "features."


@dataclass(frozen=True)
class KMeansConfig:
    """The keys of the ``ssl`` section that belong to k-means.

    Args:
        n_clusters: SSL tokens.
        kmeans_iters: Lloyd iterations.
        max_frames: Token frames that the fit looks at, drawn with `kmeans_seed`.
        kmeans_seed: Of draws and seeding.
        centroids: File of centroids fitted elsewhere (those of a pretrained speech LM), in place
            of a fit; see `read_centroids`.
    """

    n_clusters: int = 256
    kmeans_iters: int = 25
    max_frames: int = 60000
    kmeans_seed: int = 0
    centroids: str | None = None

    @classmethod
    def split(
        cls, config: Mapping[str, Any], place: str | Path
    ) -> tuple["KMeansConfig", dict[str, Any]]:
        """K-means settings of an ``ssl`` section, and the options of its features."""
        own = {key: config[key] for key in config if key in cls.__dataclass_fields__}
        rest = {key: config[key] for key in config if key not in own and key != "type"}
        return parse_config(cls, own, place), rest


class SSLTokenizer(nn.Module):
    """One token per frame: the nearest k-means centroid of its features.

    Args:
        features: The feature extractor.
        centroids (Tensor): (K, dim).
        fs: The recipe's rate (Hz); resampled to the extractor's when they differ.
        fps: Token frames per second.
    """

    def __init__(self, features: SSLFeatures, centroids: Tensor, fs: int, fps: int) -> None:
        super().__init__()
        self.features, self.fs, self.fps = features, fs, fps
        self.register_buffer("centroids", centroids)

    @property
    def n_clusters(self) -> int:
        return len(self.centroids)

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Tensor:
        """Waveform (B, N), N a multiple of ``fs // fps``, to tokens (B, F)."""
        return nearest(extract(self.features, wav, self.fs, self.fps), self.centroids)

    def save(self, path: str | Path) -> None:
        """Write centroids, and the features' own weights when they were fitted here."""
        state = {"centroids": self.centroids}
        if isinstance(self.features, PhoneFeatures):
            state |= {_FITTED + k: v for k, v in self.features.state_dict().items()}
        save_safetensors(state, path, {"ssl": type(self.features).__name__})


def extract(features: SSLFeatures, wav: Tensor, fs: int, fps: int) -> Tensor:
    """Features (B, F, dim) of a waveform (B, N) at `fs` Hz, exactly N // (fs // fps) frames."""
    n_frames = wav.size(-1) // (fs // fps)
    if features.fs != fs:
        from torchaudio.functional import resample

        wav = resample(wav, fs, features.fs)
    return features(wav[..., : n_frames * (features.fs // fps)])[:, :n_frames]


def build_features(
    config: Mapping[str, Any],
    mel: MelConfig,
    n_phones: int,
    place: str | Path,
    offline: bool = False,
) -> SSLFeatures:
    """Build the extractor of an ``ssl`` section; a pretrained one comes with its weights.

    Args:
        config: type (one of `SSL_TYPES`), n_clusters, and the type's own options.
        mel: The recipe's mel configuration.
        n_phones: Size of the phone set, for the phone features.
        place: File the section stands in, for error messages.
        offline: Take a model of the hub from its cache alone.
    """
    kind = config.get("type")
    if kind not in SSL_TYPES:
        raise UserError(place, f"{kind!r}", f"one of {', '.join(SSL_TYPES)}", "ssl type")
    _, options = KMeansConfig.split(config, place)
    if kind == "phone":
        return PhoneFeatures(mel, parse_config(PhoneFeaturesConfig, options, place), n_phones)
    from espnet2_ext.tokenizer.ssl_pretrained import ESPnetFeatures, HFFeatures

    if kind == "hf":
        features = HFFeatures.from_options(options, mel.fps, place, offline).eval()
    elif kind == "maskgct":
        from espnet2_ext.tokenizer.maskgct_ssl import MaskGCTFeatures

        features = MaskGCTFeatures.from_options(options, mel.fps, place, offline).eval()
    else:
        features = ESPnetFeatures.from_options(options, mel.fps, place).eval()
    features.requires_grad_(False)
    return features


@torch.no_grad()
def fit_centroids(
    features: SSLFeatures,
    wavs: Sequence[Tensor],
    mel: MelConfig,
    config: KMeansConfig,
    nj: int = 1,
) -> Tensor:
    """Fit centroids over the features of utterances (N,); at most `max_frames` frames of them.

    `nj` utterances are analysed at a time; the centroids are the same for all.
    """
    device = next(features.parameters()).device

    @torch.no_grad()
    def rows_of(wav: Tensor) -> Tensor:
        return extract(features, wav[None].to(device), mel.fs, mel.fps)[0].cpu()

    rows = torch.cat(map_each(rows_of, wavs, nj))
    generator = torch.Generator().manual_seed(config.kmeans_seed)
    rows = rows[torch.randperm(len(rows), generator=generator)[: config.max_frames]]
    return fit_kmeans(rows, config.n_clusters, config.kmeans_iters, config.kmeans_seed)


def load_ssl(
    config: Mapping[str, Any],
    mel: MelConfig,
    n_phones: int,
    folder: str | Path,
    offline: bool = False,
) -> SSLTokenizer:
    """Build the SSL tokenizer of a tokenizer folder, with its weights, strictly.

    `offline` takes a model of the hub, if it names one, from the hub's cache alone.
    """
    place, path = Path(folder) / "config.yaml", Path(folder) / SSL_FILE
    state = load_state(path)
    if "centroids" not in state or state["centroids"].dim() != 2:
        raise UserError(path, "no centroids (K, dim)", "a file of fit_tokenizers")
    centroids = state.pop("centroids")
    n_clusters = KMeansConfig.split(config, place)[0].n_clusters
    if len(centroids) != n_clusters:
        raise UserError(path, f"{len(centroids)} clusters", f"{n_clusters} as in config.yaml")
    if config.get("type") == "phone":
        fitted = {k.removeprefix(_FITTED): v for k, v in state.items()}
        features = build_strict(
            lambda: build_features(config, mel, n_phones, place), fitted, place, path
        )
    else:
        features = build_features(config, mel, n_phones, place, offline)
    return SSLTokenizer(features, centroids, mel.fs, mel.fps).eval()
