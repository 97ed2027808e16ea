"""K-means centroids that others fitted: ESPnet's ``.mdl`` (joblib), NumPy's, safetensors, torch's.

A pretrained speech LM knows the SSL tokens of its own centroids only. ESPnet saves them as
scikit-learn's object by joblib, a pickle; here no code of it runs: every class and function that it
names becomes an empty object, except the dtypes of arrays.
"""

import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from espnet2_ext.checkpoint import load_state
from espnet2_ext.errors import UserError

_ATTRIBUTE = "cluster_centers_"


def read_centroids(path: str | Path) -> Tensor:
    """Centroids (K, dim), float32.

    Args:
        path: ``.npy``; ``.safetensors`` or ``.pth`` with ``centroids``; else joblib's.

    Raises:
        UserError: the file is missing, or holds no matrix of numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(path, "no such file", "k-means centroids")
    try:
        if path.suffix in (".safetensors", ".pth", ".pt"):
            found: Any = load_state(path).get("centroids")
        elif path.suffix == ".npy":
            found = np.load(path, allow_pickle=False)
        else:
            with open(path, "rb") as file:
                found = _Reader(file).load()
            found = found if isinstance(found, np.ndarray) else vars(found).get(_ATTRIBUTE)
        centroids = torch.from_numpy(np.array(found, np.float32))
    except UserError:
        raise
    except Exception as error:  # damaged pickles and headers make readers raise anything
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(path, f"not readable ({reason})", "k-means centroids") from None
    if centroids.dim() != 2 or not centroids.numel() or not torch.isfinite(centroids).all():
        raise UserError(path, f"shape {tuple(centroids.shape)}", "finite centroids (K, dim)")
    return centroids


class _Empty:
    """Stands for whatever a pickle names: takes any arguments, keeps plain state, does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update({str(key): value for key, value in state.items()})


class _SavedArray(_Empty):
    """Joblib's mark before the bytes of an array."""

    def read(self, file: BinaryIO) -> np.ndarray:
        dtype, shape = np.dtype(self.dtype), tuple(int(n) for n in self.shape)
        if dtype.hasobject or min(shape, default=1) < 0:
            raise ValueError("an array of objects")
        if getattr(self, "numpy_array_alignment_bytes", None):
            file.read(file.read(1)[0])
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        data = file.read(size)
        if len(data) != size:
            raise EOFError("it ends within an array")
        return np.frombuffer(data, dtype).reshape(shape, order=str(self.order))


class _Reader(pickle._Unpickler):
    """Reads joblib's uncompressed files; the pure Python unpickler, as C's takes no hook."""

    dispatch = dict(pickle._Unpickler.dispatch)  # noqa: RUF012

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.file = file

    def find_class(self, module: str, name: str) -> Any:
        if name == "NumpyArrayWrapper":
            return _SavedArray
        return np.dtype if (module, name) == ("numpy", "dtype") else _Empty

    def load_build(self) -> None:
        super().load_build()
        if isinstance(self.stack[-1], _SavedArray):
            self.stack[-1] = self.stack[-1].read(self.file)

    dispatch[pickle.BUILD[0]] = load_build
