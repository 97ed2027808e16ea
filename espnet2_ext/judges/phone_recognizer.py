"""Which phones are sung: a CTC recogniser, ours or any CTC model of Hugging Face.

Ours is purely convolutional and sees about a third of a second on either side, so that it cannot
learn which syllables follow each other: an unseen word is judged by its sound.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from espnet2_ext.errors import UserError
from espnet2_ext.judges.checkpoint import load_judge, save_judge
from espnet2_ext.judges.network import Trunk, TrunkConfig, judge_mel
from espnet2_ext.metrics.hub_model import load_model, load_processor, model_folder

BLANK = 0
NAME = "phone_recognizer"


class PhoneRecognizer(Protocol):
    """What scoring asks of a recogniser."""

    def recognize(self, wav: np.ndarray, fs: int) -> list[str]:
        """Phones heard in samples (N,), in order, without rests."""
        ...


@dataclass(frozen=True)
class RecognizerConfig:
    """Phones (the blank apart) and trunk of our recogniser."""

    phones: tuple[str, ...]
    trunk: TrunkConfig = field(default_factory=TrunkConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "phones", tuple(self.phones))
        if isinstance(self.trunk, dict):
            object.__setattr__(self, "trunk", TrunkConfig(**self.trunk))


class CtcNetwork(nn.Module):
    """Log-mel (B, T, 64) -> logits (B, T / 2, 1 + phones); class 0 is the blank."""

    def __init__(self, config: RecognizerConfig) -> None:
        super().__init__()
        self.trunk = Trunk(config.trunk)
        self.head = nn.Linear(config.trunk.channels, 1 + len(config.phones))

    def forward(self, mel: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        hidden, lengths = self.trunk(mel, lengths)
        return self.head(hidden), lengths


class CtcPhoneRecognizer:
    """Our recogniser, trained on real audio by `espnet2_ext.bin.fit judges`."""

    def __init__(self, config: RecognizerConfig, network: CtcNetwork) -> None:
        self.config, self.network = config, network.eval()

    @classmethod
    def load(cls, folder: str | Path) -> "CtcPhoneRecognizer":
        """Read ``phone_recognizer.yaml`` and ``.safetensors``, strictly."""
        return cls(*load_judge(folder, NAME, RecognizerConfig, CtcNetwork))

    def save(self, folder: str | Path) -> None:
        """Write both files; the configuration last, so that it marks a finished recogniser."""
        save_judge(folder, NAME, self.config, self.network)

    @torch.no_grad()
    def recognize(self, wav: np.ndarray, fs: int) -> list[str]:
        """Phones heard in samples (N,): best path, repeats merged, blanks dropped."""
        mel = judge_mel(wav, fs)
        logits, _ = self.network(mel[None], torch.tensor([len(mel)]))
        return [self.config.phones[k - 1] for k in best_path(logits[0])]


class HfPhoneRecognizer:
    """A CTC model of Hugging Face (wav2vec2, HuBERT, ...) whose vocabulary is phones.

    Args:
        name: Folder, or ``owner/name[@revision]`` on the hub.
        rename: Its symbols to ours, for a model with another phone set.
    """

    def __init__(self, name: str, rename: dict[str, str] | None = None) -> None:
        from transformers import AutoModelForCTC, AutoProcessor

        try:
            folder = model_folder(name, fetch=True)
            self.processor = load_processor(AutoProcessor, folder)
            self.model = load_model(AutoModelForCTC, folder)
        except UserError as error:
            raise UserError(name, error.found, "a CTC model on disk or on the hub") from None
        self.rename = rename or {}
        vocabulary = self.processor.tokenizer.get_vocab()
        self.symbols = {index: symbol for symbol, index in vocabulary.items()}
        self.special = set(self.processor.tokenizer.all_special_ids)
        self.blank = self.processor.tokenizer.pad_token_id

    @torch.no_grad()
    def recognize(self, wav: np.ndarray, fs: int) -> list[str]:
        import librosa

        rate = self.processor.feature_extractor.sampling_rate
        if fs != rate:
            wav = librosa.resample(np.asarray(wav, np.float32), orig_sr=fs, target_sr=rate)
        inputs = self.processor(wav, sampling_rate=rate, return_tensors="pt")
        path = best_path(self.model(**inputs).logits[0], self.blank)
        symbols = [self.symbols[k] for k in path if k not in self.special]
        return [self.rename.get(symbol, symbol) for symbol in symbols]


def best_path(logits: Tensor, blank: int = BLANK) -> list[int]:
    """Greedy CTC decoding of (T, K): merge repeats, then drop blanks."""
    path = logits.argmax(-1).tolist()
    return [
        k for k, before in zip(path, [blank, *path], strict=False) if k != before and k != blank
    ]


def phone_inventory(transcripts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The phones of the training transcripts, sorted."""
    return tuple(sorted({phone for phones in transcripts for phone in phones}))
