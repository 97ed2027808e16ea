"""What is heard of a description: gender, age, genre, tempo and the like, by heads of one network.

Which attributes there are, and which values, is what the training recordings are described by, so
that another corpus has its own. A frame is the judges' mel, and F0 and voicing as the F0 extractor
hears them. The network pools over time, so that tempo, which pooling loses, is heard in the
autocorrelation of the onsets; and the level, which `judge_mel` takes out, is a number beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from espnet2_ext.data.described import read_described
from espnet2_ext.judges.checkpoint import load_judge, save_judge
from espnet2_ext.judges.f0 import Extractor
from espnet2_ext.judges.network import N_MELS, Trunk, TrunkConfig, judge_mel, length_mask

NAME = "attribute_judge"
SINGLE = ("gender", "age", "emotion", "style", "accent", "genre", "atmosphere")
INSTRUMENTS, TEMPO, VOICES = "instruments", "rhythm", "dialogue"
ATTRIBUTES = (*SINGLE, INSTRUMENTS, TEMPO, VOICES)
TEMPO_TOLERANCE = 0.08
"""Share of the true tempo by which a heard one may differ (InstructAudio's Table 3)."""
TEMPO_BINS_BPM = tuple(60 * 1.03**k for k in range(40))
N_INPUTS = N_MELS + 2
TRUNK = {"channels": 128, "n_blocks": 4, "kernel": 7}
_MIDDLE_HZ = 200.0
_STRETCH = 50  # frames that the trunk gives: a second
_LAGS = (20, 220)  # frames of 10 ms: 300 down to 27 beats a minute


@dataclass(frozen=True)
class AttributeConfig:
    """Size, and the values of each attribute in the order of its head's outputs."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trunk: TrunkConfig = field(default_factory=lambda: TrunkConfig(**TRUNK, n_inputs=N_INPUTS))

    def __post_init__(self) -> None:
        if isinstance(self.trunk, dict):
            trunk = TrunkConfig(**{"n_inputs": N_INPUTS, **self.trunk})
            object.__setattr__(self, "trunk", trunk)


@dataclass(frozen=True)
class Heard:
    """What the network is given of a recording.

    Args:
        frames: Mel as `judge_mel`, octaves of F0 above 200 Hz, 0 where unvoiced, and voicing
            (T, 66).
        level: Its level, natural-log units.
        onsets: Autocorrelation of the onset strength, a value for each lag (200,).
    """

    frames: Tensor
    level: float
    onsets: Tensor


def listen(wav: np.ndarray, fs: int, extractor: Extractor) -> Heard:
    """What is heard of samples (N,)."""
    mel = judge_mel(wav, fs)
    f0 = torch.from_numpy(np.asarray(extractor(wav, fs), np.float32))
    f0 = nn.functional.pad(f0, (0, max(0, len(mel) - len(f0))))[: len(mel)]
    voiced = f0 > 0
    octaves = torch.where(voiced, (f0.clamp_min(1) / _MIDDLE_HZ).log2(), 0.0)
    frames = torch.cat([mel, octaves[:, None], voiced[:, None].float()], -1)
    rms = float(np.sqrt(np.mean(np.square(np.asarray(wav, np.float64))) + 1e-8))
    return Heard(frames, float(np.log(rms)), onset_autocorrelation(mel))


def onset_autocorrelation(mel: Tensor) -> Tensor:
    """Of the rises of a log-mel (T, 64) in four bands, at lags of .2 to 2.2 s (4, 200)."""
    rises = mel.clamp_min(mel.max() - 8).diff(dim=0).clamp_min(0)
    bands = torch.stack([part.mean(1) for part in rises.split(16, 1)])
    first, last = _LAGS
    strength = nn.functional.pad(bands - bands.mean(1, keepdim=True), (0, max(0, last - len(mel))))
    spectrum = torch.fft.rfft(strength, 2 * strength.size(1))
    power = torch.fft.irfft(spectrum.abs().square())[:, :last]
    return (power / power[:, :1].clamp_min(1e-8))[:, first:last]


class AttributeNetwork(nn.Module):
    """A linear head for each attribute over mean and deviation of the trunk, level and onsets."""

    def __init__(self, config: AttributeConfig) -> None:
        super().__init__()
        self.trunk = Trunk(config.trunk)
        width = 3 * config.trunk.channels + 1
        first, last = _LAGS
        self.onsets = nn.Sequential(
            nn.Linear(4 * (last - first), 64), nn.GELU(), nn.Dropout(config.trunk.dropout)
        )
        self.heads = nn.ModuleDict(
            {name: nn.Linear(width + 64, len(values)) for name, values in config.values.items()}
        )

    def forward(
        self, frames: Tensor, lengths: Tensor, level: Tensor, onsets: Tensor
    ) -> dict[str, Tensor]:
        """Logits of each attribute (B, values) of a batch of what is `Heard`."""
        pooled = torch.cat([self.pool(frames, lengths), level[:, None]], -1)
        features = torch.cat([pooled, self.onsets(onsets.flatten(1))], -1)
        return {name: head(features) for name, head in self.heads.items()}

    def pool(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Mean and deviation of what the trunk hears, of frames and of stretches (B, 3 channels).

        Stretches of a second, averaged, differ where two voices take turns.
        """
        hidden, lengths = self.trunk(frames, lengths)
        mask = length_mask(lengths, hidden.size(1))
        mean, deviation = _moments(hidden, mask)
        sums, counts = (
            nn.functional.avg_pool1d(x.transpose(1, 2), _STRETCH, _STRETCH // 2)
            for x in (nn.functional.pad(y, (0, 0, 0, _STRETCH)) for y in (hidden * mask, mask))
        )
        counts = counts.transpose(1, 2)
        filled = (counts > 0.5 * counts[:, :1]).float()
        stretches = sums.transpose(1, 2) / counts.clamp_min(1e-3)
        return torch.cat([mean, deviation, _moments(stretches, filled)[1]], -1)


def _moments(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation over time of x (B, T, C), where the mask (B, T, 1) is 1."""
    count = mask.sum(1).clamp_min(1)
    mean = (x * mask).sum(1) / count
    variance = ((x - mean[:, None]) ** 2 * mask).sum(1) / count
    return mean, (variance + 1e-5).sqrt()


class AttributeJudge:
    """Hears attributes; trained on real audio by `espnet2_ext.bin.fit judges`."""

    def __init__(self, config: AttributeConfig, network: AttributeNetwork) -> None:
        self.config, self.network = config, network.eval()

    @classmethod
    def load(cls, folder: str | Path) -> "AttributeJudge":
        """Read ``attribute_judge.yaml`` and ``.safetensors``, strictly."""
        return cls(*load_judge(folder, NAME, AttributeConfig, AttributeNetwork))

    def save(self, folder: str | Path) -> None:
        """Write both files."""
        save_judge(folder, NAME, self.config, self.network)

    @torch.no_grad()
    def hear(self, heard: Heard) -> dict[str, Any]:
        """What it takes each attribute to be, as `known_values` has it."""
        logits = self.network(
            heard.frames[None], torch.tensor([len(heard.frames)]), torch.tensor([heard.level]),
            heard.onsets[None],
        )  # fmt: skip
        return {
            name: decide(name, logits[name][0], values)
            for name, values in self.config.values.items()
        }

    def right(self, heard: Heard, attributes: Mapping[str, Any]) -> dict[str, float]:
        """How right it is about each attribute that is known of the utterance and to the judge.

        A value that no training recording has is not known to the judge.
        """
        known = self.known_of(attributes)
        said = self.hear(heard) if known else {}
        return {
            name: rightness(name, said[name], truth, self.config.values[name])
            for name, truth in known.items()
        }

    @torch.no_grad()
    def embed(self, heard: Heard) -> np.ndarray:
        """What the trunk hears in each second, every half of it (n, channels); of less, in all."""
        hidden = self.network.trunk(heard.frames[None], torch.tensor([len(heard.frames)]))[0]
        size = min(_STRETCH, hidden.size(1))
        return nn.functional.avg_pool1d(hidden[0].T, size, max(1, size // 2)).T.numpy()

    def known_of(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """What is to be heard of an utterance, as far as the judge has learnt it."""
        known = known_values(attributes)
        return {
            name: known[name]
            for name, values in self.config.values.items()
            if name in known and (name in (INSTRUMENTS, TEMPO) or known[name] in values)
        }


def read_attributes(folder: str | Path) -> dict[str, dict[str, Any]]:
    """What the utterances of a data directory are described by; {} without attributes.jsonl.

    Raises:
        UserError: naming the line or the attribute that is wrong.
    """
    return {utt: described.attributes for utt, described in read_described(folder).items()}


def known_values(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be heard of an utterance: a value, a set of instruments, or beats a minute.

    Nothing but the number of voices of a dialogue, whose speakers have attributes of their own.
    """
    kind = attributes.get("kind")
    known: dict[str, Any] = {} if kind in (None, "song") else {VOICES: kind}
    if kind == "dialogue":
        return known
    known |= {name: attributes[name] for name in SINGLE if name in attributes}
    if attributes.get(INSTRUMENTS):
        known[INSTRUMENTS] = frozenset(attributes[INSTRUMENTS])
    if "bpm" in attributes.get(TEMPO, {}):
        known[TEMPO] = float(attributes[TEMPO]["bpm"])
    return known


def decide(name: str, logits: Tensor, values: Sequence[str]) -> Any:
    """What logits (values,) say: a value, a set of instruments, or beats a minute."""
    if name == INSTRUMENTS:
        return frozenset(v for v, x in zip(values, logits.tolist(), strict=True) if x > 0)
    best = values[int(logits.argmax())]
    return float(best) if name == TEMPO else best


def rightness(name: str, said: Any, truth: Any, values: Sequence[str]) -> float:
    """1 where what is said is true, else 0; of the instruments `values`, the share that is right.

    An instrument is right where it is heard and plays, or is not heard and does not.
    """
    if name == INSTRUMENTS:
        return sum((v in said) == (v in truth) for v in values) / len(values)
    if name == TEMPO:
        return float(abs(said / truth - 1) <= TEMPO_TOLERANCE)
    return float(said == truth)
