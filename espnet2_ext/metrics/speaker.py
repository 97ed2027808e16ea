"""Speaker similarity as published: cosine of ESPnet-SPK embeddings, of two recordings at 16 kHz.

The weights are `espnet/voxcelebs12_rawnet3` (RawNet3, VoxCeleb 1 and 2), loaded by ESPnet's own
inference class. They hear speech and any singer of the world; the toolkit's own embedder
(`judges.singer_embedder`) hears the corpus' singers alone. Cosines of the two cannot be compared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_yaml
from espnet2_ext.hub import fetch as fetch_from_hub
from espnet2_ext.metrics.similarity import normalise

FS = 16000
RAWNET3 = "espnet/voxcelebs12_rawnet3"
_FILES = ["*.pth", "*.yaml"]


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
        config, weights = _files(folder)
    except UserError as error:
        how = "" if fetch else " (--fetch_mos true downloads it)"
        return SpeakerModel(None, f"not measured: {error.place}: {error.found}{how}")
    try:
        from espnet2.bin.spk_inference import Speech2Embedding

        speech_to_embedding = Speech2Embedding(str(config), str(weights))
    except Exception as error:  # foreign code and files: whatever it raises is the reason
        reason = str(error).strip().partition("\n")[0][:120]
        return SpeakerModel(None, f"not measured: {model} does not load ({reason})")

    def embed(wav: np.ndarray) -> np.ndarray:
        samples = np.ascontiguousarray(wav, np.float32)
        return speech_to_embedding(samples).squeeze(0).cpu().numpy()

    return SpeakerModel(embed, name=model)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two vectors (D,); 0 where one is zero."""
    return float(normalise(a) @ normalise(b))


def _files(folder: Path) -> tuple[Path, Path]:
    """Configuration and weights in a folder of the model zoo's form."""
    meta = folder / "meta.yaml"
    if meta.is_file():
        named = read_yaml(meta)
        paths = [(named.get("yaml_files") or {}).get("train_config"),
                 (named.get("files") or {}).get("model_file")]  # fmt: skip
        if all(path and (folder / path).is_file() for path in paths):
            return folder / paths[0], folder / paths[1]
    configs, weights = (sorted(folder.rglob(name)) for name in ("config.yaml", "*.pth"))
    if len(configs) != 1 or len(weights) != 1:
        found = f"{len(configs)} config.yaml, {len(weights)} *.pth"
        raise UserError(folder, found, "one of each, or a meta.yaml that names them")
    return configs[0], weights[0]
