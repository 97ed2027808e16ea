"""The systems that can be packed: their models, and their steps from a score to samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TRANSCRIPTION = "transcription"
"""A model that any pack may have beside those that sing."""

SOFT = "soft"
"""The step and stream of expected embeddings."""

Options = Mapping[str, Mapping[str, Any]]
"""Inference options of models, by model."""


@dataclass(frozen=True)
class PackedSystem:
    """A system.

    Args:
        models: That it has; each has a folder of this name in a pack.
        steps: Options of the models, and whether the codec decodes to a mel, to what the manifest
            says of the steps.
        rows: How the names of its rows in ``results.json`` begin.
        has_vocabulary: Whether it has a language model's vocabulary.
    """

    models: tuple[str, ...]
    steps: Callable[[Options, bool], list[dict[str, str]]]
    rows: str
    has_vocabulary: bool = False


def steps_of_slm_svs(options: Options, decodes_mel: bool = True) -> list[dict[str, str]]:
    """Steps of SLM-SVS; ``soft`` where the speech LM's options ask for it."""
    soft = options.get("speechlm", {}).get(SOFT)
    return [
        {"step": "duration", "model": "duration"},
        {"step": "frames"},
        {"step": "speechlm", "model": "speechlm"},
        *([{"step": SOFT, "model": "speechlm"}] if soft else []),
        {"step": "flow", "model": "flow"},
        {"step": "vocoder", "model": "vocoder"},
    ]


def steps_of_masked(options: Options, decodes_mel: bool = True) -> list[dict[str, str]]:
    """Steps of the masked generators; no vocoder where the codec makes audio itself."""
    soft = options.get("acoustic", {}).get(SOFT)
    return [
        {"step": "duration", "model": "duration"},
        {"step": "frames"},
        {"step": "masked", "semantic": "semantic", "acoustic": "acoustic"},
        {"step": "codec", "stream": SOFT if soft else "codec_ssl"},
        *([{"step": "vocoder", "model": "vocoder"}] if decodes_mel else []),
    ]


SYSTEMS: Mapping[str, PackedSystem] = {
    "speechlm": PackedSystem(
        ("speechlm", "flow", "vocoder", "duration"), steps_of_slm_svs, "lm", has_vocabulary=True
    ),
    "masked": PackedSystem(
        ("semantic", "acoustic", "vocoder", "duration"), steps_of_masked, "comelsinger"
    ),
}
