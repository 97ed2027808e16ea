"""Which words are sung: Whisper's transcript, read to phones as lyrics of the toolkit are."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from espnet2_ext.errors import UserError
from espnet2_ext.metrics.hub_model import FS, load_pair, not_measured
from espnet2_ext.score.lyrics.languages import LANGUAGES

WHISPER = "openai/whisper-large-v3"
WINDOW_SEC = 30.0
"""What the model hears at once; longer audio is cut into equal parts."""


@dataclass(frozen=True)
class WordRecognizer:
    """A model that hears words, or the reason why there is none.

    Args:
        recognize: Samples (N,) at 16 kHz and an ISO 639 code -> phones; None for a language that
            it, or the toolkit's lyrics, do not have. None when not available.
        reason: Why not, in one line; empty when available.
        name: Of the model.
    """

    recognize: Callable[[np.ndarray, str], list[str] | None] | None
    reason: str = ""
    name: str = ""


def load_whisper(source: str = "", fetch: bool = False) -> WordRecognizer:
    """A Whisper of transformers (`WhisperForConditionalGeneration`), greedy.

    Args:
        source: Folder, or ``owner/name[@revision]`` on the hub; empty: `WHISPER`.
        fetch: May download.
    """
    source = source or WHISPER
    try:
        kinds = "WhisperProcessor", "WhisperForConditionalGeneration"
        processor, model = load_pair(source, fetch, *kinds)
    except UserError as error:
        return WordRecognizer(None, not_measured(error, fetch))
    unheard: set[str] = set()

    def recognize(wav: np.ndarray, language: str) -> list[str] | None:
        known = getattr(model.generation_config, "lang_to_id", None) or {}
        if language not in LANGUAGES or (known and f"<|{language}|>" not in known):
            if language not in unheard:
                logging.warning("%s: no words of language %r: not measured", source, language)
            unheard.add(language)
            return None
        text = " ".join(_transcribe(part, language if known else None, processor, model)
                        for part in windows(wav))  # fmt: skip
        return phones_of_text(text, language)

    return WordRecognizer(recognize, name=source)


def _transcribe(wav: np.ndarray, language: str | None, processor: Any, model: Any) -> str:
    import torch

    inputs = processor(
        np.asarray(wav, np.float32), sampling_rate=FS, return_tensors="pt",
        return_attention_mask=True,
    )  # fmt: skip
    told = {"language": language, "task": "transcribe"} if language else {}
    with torch.no_grad():
        ids = model.generate(**inputs, num_beams=1, do_sample=False, **told)
    return processor.batch_decode(ids, skip_special_tokens=True)[0]


def windows(wav: np.ndarray) -> list[np.ndarray]:
    """Samples (N,) in equal parts of at most `WINDOW_SEC`."""
    n_parts = max(1, int(np.ceil(len(wav) / (WINDOW_SEC * FS))))
    return np.array_split(wav, n_parts)


def phones_of_text(text: str, language: str) -> list[str]:
    """Phones of a transcript, as the toolkit reads lyrics of the language.

    Punctuation is no lyric. A word that cannot be read, of another script for example, is left out:
    its phones are missing, and count as errors.
    """
    spaced = "".join(c if c.isalnum() or c in "'’" else " " for c in text).strip()
    reader = LANGUAGES[language]
    try:
        return [phone for s in reader.read(spaced) for phone in s.phones] if spaced else []
    except UserError:
        pass
    phones: list[str] = []
    for word in reader.splitter(spaced):
        try:
            phones += [phone for syllable in reader.read(word) for phone in syllable.phones]
        except UserError:
            continue
    return phones
