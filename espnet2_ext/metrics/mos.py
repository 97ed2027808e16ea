"""Learned MOS predictors, when their weights are there: SingMOS, SingMOS-Pro and SHEET-SSQA.

All come through `torch.hub` and judge 16 kHz audio. Nothing is fetched unless asked for: a table
says why a column is empty rather than leaving it out.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from espnet2_ext.pickles import pickles_allowed

FS = 16000
SILENCE_BELOW_DB = 60.0
FRAME_SEC = 0.01
HOST, PORT, TIMEOUT_SEC = "github.com", 443, 3.0


@dataclass(frozen=True)
class MosModel:
    """Where a predictor comes from: a repository and entry point of `torch.hub`."""

    repo: str
    entry: str


MODELS = {
    "singmos": MosModel("South-Twilight/SingMOS:v0.2.0", "singing_ssl_mos"),
    "singmos_pro": MosModel("South-Twilight/SingMOS:v1.1.2", "singmos_pro"),
    "sheet_ssqa": MosModel("unilight/sheet:v0.1.0", "default"),
}


@dataclass(frozen=True)
class MosPredictor:
    """A predictor, or the reason why there is none.

    Args:
        predict: Samples (N,) at 16 kHz -> score; None when not available.
        reason: Why not; empty when available.
        name: Of the model.
    """

    predict: Callable[[np.ndarray], float] | None
    reason: str = ""
    name: str = ""


def load_mos(name: str, fetch: bool = False) -> MosPredictor:
    """Load a predictor from the hub's folder on disk, or fetch it.

    Args:
        name: A key of `MODELS`.
        fetch: May download (code of the named repository and its weights, which run here).
    """
    model = MODELS[name]
    on_disk = hub_folder(model.repo)
    if on_disk is None and not fetch:
        return MosPredictor(None, f"not measured: {model.repo} is not on disk (--fetch_mos true)")
    if on_disk is None and not _reachable():
        return MosPredictor(None, f"not measured: {HOST} cannot be reached from here")
    try:
        with pickles_allowed():
            if on_disk is not None:
                network = torch.hub.load(str(on_disk), model.entry, source="local")
            else:
                network = torch.hub.load(model.repo, model.entry, trust_repo=True)
    except Exception as error:  # foreign code: whatever it raises is the reason
        reason = str(error).strip().partition("\n")[0][:120]
        return MosPredictor(None, f"not measured: {model.repo} does not load ({reason})")

    def predict(wav: np.ndarray) -> float:
        samples = torch.from_numpy(np.ascontiguousarray(wav, np.float32))
        with torch.no_grad():
            if name.startswith("singmos"):
                return float(network(samples[None], torch.tensor([len(samples)])))
            return float(network.predict(wav=samples))

    return MosPredictor(predict, name=model.repo)


def without_silence(wav: np.ndarray) -> np.ndarray:
    """Samples (N,) at 16 kHz without what lies 60 dB under the loudest, before and after all else.

    Predictors average over all frames, and silence is no singing: five seconds of it would lower
    the score of any phrase.
    """
    hop = round(FS * FRAME_SEC)
    frames = np.pad(wav, (0, -len(wav) % hop)).reshape(-1, hop)
    power = np.mean(frames**2, axis=1, dtype=np.float64)
    heard = np.flatnonzero(power > power.max(initial=0.0) * 10 ** (-SILENCE_BELOW_DB / 10))
    if not len(heard):
        return wav
    return wav[heard[0] * hop : (heard[-1] + 1) * hop]


def hub_folder(repo: str) -> Path | None:
    """The folder where `torch.hub` keeps a repository; None when it is not on disk."""
    name = repo.replace(":", "_").replace("/", "_")
    folder = Path(torch.hub.get_dir()) / name
    return folder if (folder / "hubconf.py").is_file() else None


def _reachable() -> bool:
    try:
        with socket.create_connection((HOST, PORT), timeout=TIMEOUT_SEC):
            return True
    except OSError:
        return False
