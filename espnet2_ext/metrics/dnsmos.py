"""DNSMOS P.835 (Reddy et al. 2022), by the package `speechmos`, whose wheel holds the weights.

It was made for speech after noise suppression: it hears noise and distortion, and does not know
what singing should sound like.
"""

from pathlib import Path
from typing import Any

import numpy as np

from espnet2_ext.metrics.hub_model import not_installed
from espnet2_ext.metrics.mos import MosPredictor


def load_dnsmos(source: str = "", fetch: bool = False) -> MosPredictor:
    """The overall quality (OVRL) of samples at 16 kHz, as the package computes it.

    Args:
        source: None but the installed package: to be left empty.
        fetch: Nothing is ever fetched.
    """
    del source, fetch
    try:
        from speechmos import dnsmos
    except ImportError as error:
        return MosPredictor(None, not_installed(error))
    folder = Path(dnsmos.__file__).parent / "dnsmos_models"
    files = [str(folder / name) for name in ("sig_bak_ovr.onnx", "model_v8.onnx")]
    model: Any = None

    def predict(wav: np.ndarray) -> float:
        nonlocal model
        if not np.any(wav):
            return float("nan")
        if model is None:  # in the process that scores: a session does not survive a fork
            model = dnsmos.DNSMOS(*files)
            model.onnx_sess, model.p808_onnx_sess = map(_session, files)
        return float(model(np.clip(wav, -1, 1), dnsmos.SR, False)["ovrl_mos"])

    return MosPredictor(predict, name="dnsmos")


def _session(path: str) -> Any:
    """Of one thread: scoring has a process for each core, and waiting threads burn it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)
