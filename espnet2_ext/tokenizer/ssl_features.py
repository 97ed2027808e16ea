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
_BATCH_CROPS = 32


class SSLFeatures(nn.Module, ABC):
    """Waveform (B, N) at `fs` Hz to features (B, F, dim) at the recipe's token rate.

    N is a multiple of ``fs // fps`` and F is exactly N over that.
    """

    fs: int

    @abstractmethod
    def forward(self, wav: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class PhoneFeaturesConfig:
    """A small frame classifier of phones whose bottleneck gives the features.

    Args:
        n_ceps: Cepstral coefficients per mel frame; few enough to smooth the harmonics away.
        context_frames: Mel frames seen on each side of a token frame.
        hidden: Width of the hidden layers.
        bottleneck: Feature size.
        dropout: On hidden layers, in training.
        epochs: Passes over the training frames.
        lr: Peak learning rate.
        seed: Of weights and batches.
    """

    n_ceps: int = 24
    context_frames: int = 10
    hidden: int = 256
    bottleneck: int = 32
    dropout: float = 0.2
    epochs: int = 8
    lr: float = 2e-3
    seed: int = 0


class PhoneFeatures(SSLFeatures):
    """Features that separate phones, not pitches: the bottleneck of a frame classifier.

    Args:
        mel: Analysis.
        config: Network settings.
        n_phones: Classes in training.
    """

    def __init__(self, mel: MelConfig, config: PhoneFeaturesConfig, n_phones: int) -> None:
        super().__init__()
        self.fs, self.config, self.log_mel = mel.fs, config, LogMel(mel)
        per_token = mel.frames_per_token
        basis = dct(np.eye(mel.n_mels), type=2, norm="ortho", axis=0)[: config.n_ceps]
        self.register_buffer("dct", torch.from_numpy(basis.T.astype(np.float32)), persistent=False)
        self.register_buffer("mean", torch.zeros(config.n_ceps))
        self.register_buffer("std", torch.ones(config.n_ceps))
        width = 2 * config.context_frames + per_token
        self.input = nn.Conv1d(config.n_ceps, config.hidden, width, stride=per_token)
        self.body = nn.Sequential(
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Conv1d(config.hidden, config.hidden, 1),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Conv1d(config.hidden, config.bottleneck, 1),
        )
        self.output = nn.Linear(config.bottleneck, n_phones)

    def _from_ceps(self, ceps: Tensor) -> Tensor:
        """Normalised cepstra (B, n_ceps, T + 2 * context) to features (B, F, bottleneck)."""
        return self.body(self.input(ceps)).transpose(1, 2)

    def cepstra(self, mel: Tensor) -> Tensor:
        """Log-mel (B, T, n_mels) to normalised cepstra (B, n_ceps, T + 2 * context)."""
        ceps = ((mel @ self.dct - self.mean) / self.std).transpose(1, 2)
        context = self.config.context_frames
        return nn.functional.pad(ceps, (context, context), mode="replicate")

    def forward_mel(self, mel: Tensor) -> Tensor:
        """Log-mel (B, T, n_mels) to features (B, T // frames_per_token, bottleneck)."""
        return self._from_ceps(self.cepstra(mel))

    def forward(self, wav: Tensor) -> Tensor:
        return self.forward_mel(self.log_mel(wav))

    def logits(self, features: Tensor) -> Tensor:
        """Phone scores (B, F, n_phones) of features."""
        return self.output(features)

    def fit(self, mels: Sequence[Tensor], phone_ids: Sequence[Tensor]) -> "PhoneFeatures":
        """Train the classifier.

        Args:
            mels: Log-mel (T, n_mels) of each utterance.
            phone_ids: Phone of each token frame (F,) of the same utterances.

        Raises:
            ValueError: an utterance's lengths disagree, or nothing to train on.
        """
        config, per_token = self.config, self.log_mel.config.frames_per_token
        if not mels:
            raise ValueError("no labelled utterances to learn phones from")
        ceps = torch.cat([mel @ self.dct for mel in mels])
        self.mean.copy_(ceps.mean(0))
        self.std.copy_(ceps.std(0).clamp_min(1e-4))
        crops, targets = [], []
        for mel, ids in zip(mels, phone_ids, strict=True):
            if len(mel) != len(ids) * per_token:
                raise ValueError(f"{len(mel)} mel frames, {len(ids)} labelled token frames")
            padded = self.cepstra(mel[None])[0]
            for start in range(0, len(ids), _CROP_FRAMES):
                end = min(start + _CROP_FRAMES, len(ids))
                crop = padded[:, start * per_token : end * per_token + 2 * config.context_frames]
                missing = _CROP_FRAMES - (end - start)
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
            optimizer, config.lr, total_steps=steps + 1, pct_start=0.2
        )
        self.train()
        for _ in range(config.epochs):
            for rows in torch.randperm(len(crops), generator=generator).split(_BATCH_CROPS):
                logits = self.logits(self._from_ceps(crops[rows]))
                loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets[rows].flatten())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        self.eval()
