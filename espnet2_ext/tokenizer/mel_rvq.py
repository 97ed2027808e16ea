"""mel_rvq: residual vector quantisation of log-mel frames, fitted by k-means in seconds."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from espnet2_ext.audio.griffin_lim import griffin_lim
from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.checkpoint import build_strict, load_state, save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.tokenizer.codec import CODEC_FILE, AudioCodec
from espnet2_ext.tokenizer.kmeans import fit_kmeans, nearest


@dataclass(frozen=True)
class MelRVQConfig:
    """Settings of the codec.

    Args:
        n_codebooks: Codes per frame.
        codebook_size: Values of a code.
        weighting: Exponent of each mel bin's standard deviation in the scaling: 0 measures
            distortion in plain log magnitude, 1 gives every bin unit variance.
        n_iter: k-means iterations per codebook.
        max_frames: Token frames that the fit looks at, drawn with `seed`.
        seed: Of draws and seeding.
        griffin_lim_iters: For `decode`.
    """

    n_codebooks: int = 4
    codebook_size: int = 256
    weighting: float = 1.0
    n_iter: int = 25
    max_frames: int = 60000
    seed: int = 0
    griffin_lim_iters: int = 32

    def __post_init__(self) -> None:
        for name in ("n_codebooks", "codebook_size", "n_iter", "max_frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} is not positive")


class MelRVQ(AudioCodec):
    """Residual k-means over log-mel; the mel frames of one token frame are one vector.

    Stacking keeps the mel's time resolution: at 50 tokens and 100 mel frames a second a code
    describes two frames of 80 bins. `embed` is the sum of centroids in the scaled space.

    Args:
        mel: Analysis.
        config: Codec settings.
    """

    def __init__(self, mel: MelConfig, config: MelRVQConfig) -> None:
        super().__init__()
        self.config, self.log_mel = config, LogMel(mel)
        self.fs, self.fps = mel.fs, mel.fps
        self.n_codebooks, self.codebook_size = config.n_codebooks, config.codebook_size
        self.dim = mel.n_mels * mel.frames_per_token
        self.register_buffer("mean", torch.zeros(self.dim))
        self.register_buffer("scale", torch.ones(self.dim))
        self.register_buffer(
            "centroids", torch.zeros(self.n_codebooks, self.codebook_size, self.dim)
        )

    def _stack(self, mel: Tensor) -> Tensor:
        """Log-mel (B, T, n_mels) to scaled token vectors (B, F, dim)."""
        per_token = self.log_mel.config.frames_per_token
        if mel.size(1) % per_token:
            raise ValueError(f"{mel.size(1)} mel frames are not a multiple of {per_token}")
        return (mel.reshape(len(mel), -1, self.dim) - self.mean) * self.scale

    def encode_mel(self, mel: Tensor) -> Tensor:
        """Log-mel (B, T, n_mels) to codes (B, T // frames_per_token, n_codebooks)."""
        residual = self._stack(mel)
        codes = []
        for codebook in self.centroids:
            codes.append(nearest(residual, codebook))
            residual = residual - codebook[codes[-1]]
        return torch.stack(codes, dim=-1)

    def encode(self, wav: Tensor) -> Tensor:
        return self.encode_mel(self.log_mel(wav))

    def embed(self, codes: Tensor) -> Tensor:
        embedded = torch.zeros(*codes.shape[:-1], self.dim, device=self.mean.device)
        for k in range(codes.size(-1)):
            embedded = embedded + self.centroids[k][codes[..., k]]
        return embedded

    def decode_mel(self, codes: Tensor) -> Tensor:
        """Codes (B, F, k) to log-mel (B, F * frames_per_token, n_mels)."""
        return self.decode_embedding(self.embed(codes))

    def decode_embedding(self, embedded: Tensor) -> Tensor:
        """What `embed` gives, or an expectation of it, (B, F, dim), to log-mel, as `decode_mel`."""
        stacked = embedded / self.scale + self.mean
        floor = torch.tensor(self.log_mel.config.floor).log()
        return stacked.reshape(len(stacked), -1, self.log_mel.config.n_mels).clamp_min(floor.item())

    def decode(self, codes: Tensor) -> Tensor:
        return griffin_lim(self.decode_mel(codes), self.log_mel, self.config.griffin_lim_iters)

    @torch.no_grad()
    def fit(self, mel: Tensor) -> "MelRVQ":
        """Fit scaling and codebooks.

        Args:
            mel (Tensor): Log-mel frames (T, n_mels), utterances joined at token boundaries.

        Raises:
            ValueError: too few frames for a codebook.
        """
        config = self.config
        std, centre = mel.std(0).clamp_min(1e-4), mel.mean(0)
        per_token = self.log_mel.config.frames_per_token
        self.mean.copy_(centre.repeat(per_token))
        # bins are scaled relative to the average bin, so distortions of all weightings compare
        scale = std**-config.weighting
        self.scale.copy_((scale / std.mean() ** (1 - config.weighting)).repeat(per_token))
        vectors = self._stack(mel[None])[0]
        generator = torch.Generator().manual_seed(config.seed)
        residual = vectors[torch.randperm(len(vectors), generator=generator)[: config.max_frames]]
        for k in range(self.n_codebooks):
            codebook = fit_kmeans(residual, self.codebook_size, config.n_iter, seed=config.seed + k)
            self.centroids[k].copy_(codebook)
            residual = residual - codebook[nearest(residual, codebook)]
        return self

    def save(self, folder: str | Path) -> None:
        save_safetensors(self.state_dict(), Path(folder) / CODEC_FILE, {"codec": "mel_rvq"})

    @classmethod
    def load(cls, build: Callable[[], "MelRVQ"], folder: str | Path) -> "MelRVQ":
        """Strictly load the tensors that `save` wrote into the codec that `build` makes."""
        path = Path(folder) / CODEC_FILE
        state = load_state(path)
        for name in ("mean", "scale"):
            if name in state and not state[name].isfinite().all():
                raise UserError(path, "values that are not finite", field=name)
        return build_strict(build, state, Path(folder) / "config.yaml", path)
