"""Frame features for SSL tokens: the interface, and phone features that need no download."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.fft import dct
from torch import Tensor, nn

from espnet2_ext.audio.mel import LogMel, MelConfig

_CROP_FRAMES = 100
_BATCH_CROPS = 8
_MIN_SCHEDULE = 10  # steps; OneCycleLR divides by its warm-up less one


class SSLFeatures(nn.Module, ABC):
    """Waveform (B, N) at `fs` Hz to features (B, F, dim) at the recipe's token rate.

    N is a multiple of ``fs // fps`` and F is exactly N over that.

    Attributes:
        fs: Rate that it expects (Hz).
        centroids: Its own tokens (K, dim), where they need no fit.
    """

    fs: int
    centroids: Tensor | None = None

    @abstractmethod
    def forward(self, wav: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class PhoneFeaturesConfig:
    """A small frame classifier of phones.

    Args:
        n_ceps: Cepstral coefficients per mel frame; few enough to smooth the harmonics away.
        context_frames: Mel frames that the input layer sees on each side of a token frame.
        hidden: Channels.
        kernel: Width of the convolutions over token frames.
        dilations: One residual convolution each. A final is told by how it ends, so the field of
            view must be as long as a syllable.
        dropout: In training.
        epochs: Passes over the training frames.
        lr: Peak learning rate.
        seed: Of weights and batches.
    """

    n_ceps: int = 24
    context_frames: int = 4
    hidden: int = 192
    kernel: int = 5
    dilations: Sequence[int] = (1, 2, 4, 8)
    dropout: float = 0.1
    epochs: int = 6
    lr: float = 3e-3
    seed: int = 0


class _Residual(nn.Module):
    """Dilated depthwise and pointwise convolution over (B, C, F), added to its input."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(
            channels, channels, kernel, padding="same", dilation=dilation, groups=channels
        )
        self.norm = nn.LayerNorm(channels)
        self.pointwise = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.norm(self.depthwise(x).transpose(1, 2))
        hidden = self.dropout(self.pointwise(nn.functional.gelu(hidden)))
        return x + hidden.transpose(1, 2)


class PhoneFeatures(SSLFeatures):
    """Features that separate phones, not pitches: a frame classifier's phone posteriors.

    Args:
        mel: Analysis.
        config: Network settings.
        n_phones: Classes, and the size of the features.
    """

    def __init__(self, mel: MelConfig, config: PhoneFeaturesConfig, n_phones: int) -> None:
        super().__init__()
        self.fs, self.config, self.log_mel = mel.fs, config, LogMel(mel)
        per_token, hidden = mel.frames_per_token, config.hidden
        basis = dct(np.eye(mel.n_mels), type=2, norm="ortho", axis=0)[: config.n_ceps]
        self.register_buffer("dct", torch.from_numpy(basis.T.astype(np.float32)), persistent=False)
        self.register_buffer("mean", torch.zeros(config.n_ceps))
        self.register_buffer("std", torch.ones(config.n_ceps))
        width = 2 * config.context_frames + per_token
        self.input = nn.Conv1d(config.n_ceps, hidden, width, per_token, config.context_frames)
        self.body = nn.Sequential(
            *(_Residual(hidden, config.kernel, d, config.dropout) for d in config.dilations)
        )
        self.norm = nn.LayerNorm(hidden)
        self.output = nn.Linear(hidden, n_phones)

    def cepstra(self, mel: Tensor) -> Tensor:
        """Log-mel (B, T, n_mels) to normalised cepstra (B, n_ceps, T)."""
        return ((mel @ self.dct - self.mean) / self.std).transpose(1, 2)

    def logits(self, cepstra: Tensor) -> Tensor:
        """Normalised cepstra (B, n_ceps, T) to phone scores (B, F, n_phones)."""
        hidden = self.body(self.input(cepstra)).transpose(1, 2)
        return self.output(nn.functional.gelu(self.norm(hidden)))

    def forward(self, wav: Tensor) -> Tensor:
        return self.logits(self.cepstra(self.log_mel(wav))).softmax(-1)

    def fit(self, mels: Sequence[Tensor], phone_ids: Sequence[Tensor]) -> "PhoneFeatures":
        """Train the classifier.

        Args:
            mels: Log-mel (T, n_mels) of each utterance.
            phone_ids: Phone of each token frame (F,) of the same utterances.

        Raises:
            ValueError: an utterance's lengths disagree, or nothing to train on.
        """
        per_token = self.log_mel.config.frames_per_token
        if not mels:
            raise ValueError("no labelled utterances to learn phones from")
        ceps = torch.cat([mel @ self.dct for mel in mels])
        self.mean.copy_(ceps.mean(0))
        self.std.copy_(ceps.std(0).clamp_min(1e-4))
        crops, targets = [], []
        for mel, ids in zip(mels, phone_ids, strict=True):
            if len(mel) != len(ids) * per_token:
                raise ValueError(f"{len(mel)} mel frames, {len(ids)} labelled token frames")
            cepstra = self.cepstra(mel[None])[0]
            for start in range(0, len(ids), _CROP_FRAMES):
                end = min(start + _CROP_FRAMES, len(ids))
                missing = _CROP_FRAMES - (end - start)
                crop = cepstra[:, start * per_token : end * per_token]
                crops.append(nn.functional.pad(crop, (0, missing * per_token)))
                targets.append(nn.functional.pad(ids[start:end].long(), (0, missing), value=-100))
        self._train(torch.stack(crops), torch.stack(targets))
        return self

    def _train(self, crops: Tensor, targets: Tensor) -> None:
        config = self.config
        generator = torch.Generator().manual_seed(config.seed)
        optimizer = torch.optim.AdamW(self.parameters(), lr=config.lr, weight_decay=0.01)
        steps = config.epochs * -(-len(crops) // _BATCH_CROPS)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            config.lr,
            total_steps=max(steps + 1, _MIN_SCHEDULE),
            pct_start=0.2,
        )
        self.train()
        for _ in range(config.epochs):
            for rows in torch.randperm(len(crops), generator=generator).split(_BATCH_CROPS):
                logits = self.logits(crops[rows])
                loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets[rows].flatten())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        self.eval()
