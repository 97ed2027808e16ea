"""Speaker similarity as published: cosine of ESPnet-SPK embeddings, of two recordings at 16 kHz.

The weights are `espnet/voxcelebs12_rawnet3` (RawNet3, VoxCeleb 1 and 2), loaded by ESPnet's own
inference class. They hear speech and any singer of the world; the toolkit's own embedder
(`judges.singer_embedder`) hears the corpus' singers alone. Cosines of the two cannot be compared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from espnet2_ext.checkpoint import build_strict, load_state
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_yaml
from espnet2_ext.hub import fetch as fetch_from_hub
from espnet2_ext.hub import zoo_files
from espnet2_ext.metrics.similarity import normalise

FS = 16000
RAWNET3 = "espnet/voxcelebs12_rawnet3"
_FILES = ["*.pth", "*.yaml"]
_CLASSIFIER = "loss."
_SPEAKERS = 2**26
"""Numbers that the classifier may have: it is built with the embedder."""


@dataclass(frozen=True)
class SpeakerModel:
    """An embedder, or the reason why there is none.

    Args:
        embed: Samples (N,) at 16 kHz -> embedding (D,); None when not available.
        reason: Why not, in one line; empty when available.
        name: Of the model.
    """

    embed: Callable[[np.ndarray], np.ndarray] | None
    reason: str = ""
    name: str = ""


def load_speaker_model(model: str = RAWNET3, fetch: bool = False) -> SpeakerModel:
    """Load from a folder, the hub's cache or the hub.

    Args:
        model: ``owner/name`` of the ESPnet model zoo, or a folder in its form (``meta.yaml``, or
            one ``config.yaml`` and one ``.pth``).
        fetch: May download.
    """
    try:
        folder = fetch_from_hub(model, offline=not fetch, only=_FILES)
        config, weights = zoo_files(folder)
    except UserError as error:
        how = "" if fetch else " (--fetch_mos true downloads it)"
        return SpeakerModel(None, f"not measured: {error.place}: {error.found}{how}")
    try:
        speech_to_embedding = _load(config, weights)
    except UserError as error:
        return SpeakerModel(None, f"not measured: {model} does not load ({error})")

    def embed(wav: np.ndarray) -> np.ndarray:
        samples = np.ascontiguousarray(wav, np.float32)
        return speech_to_embedding(samples).squeeze(0).cpu().numpy()

    return SpeakerModel(embed, name=model)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two vectors (D,); 0 where one is zero."""
    return float(normalise(a) @ normalise(b))


def _load(config: Path, weights: Path) -> Any:
    """ESPnet's `Speech2Embedding`, every parameter from the file.

    Its classifier of the training speakers, which embeds nobody, may be missing from the file.
    """
    from espnet2.bin.spk_inference import Speech2Embedding

    read_yaml(config)  # the guarded reader: ESPnet's own is not
    state = {key: v for key, v in load_state(weights).items() if not key.startswith(_CLASSIFIER)}

    def embedder(built: Any) -> nn.Module:
        built.spk_model.loss = nn.Module()
        return built.spk_model

    return build_strict(
        lambda: Speech2Embedding(str(config), None), state, config, weights, embedder, _SPEAKERS
    )
