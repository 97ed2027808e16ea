"""Equal crops of aligned mel, F0 and samples for training a vocoder."""

import numpy as np

from espnet2_ext.errors import UserError

MAX_MISMATCH_FRAMES = 12
"""Audio and mel may differ by what the tokenize stage pads or cuts: 0.1 s, and rounding."""


class CropPreprocessor:
    """ESPnet preprocessor: cut each utterance to `crop_frames`, at random or in the middle.

    Utterances that are shorter, and audio shorter than its mel, are padded with silence.

    Args:
        crop_frames: Mel frames of a crop.
        hop_length: Samples per frame.
        floor: Natural-log mel of silence.
        train: Random positions (numpy's global generator), not the middle.
    """

    def __init__(self, crop_frames: int, hop_length: int, floor: float, train: bool) -> None:
        self.crop_frames, self.hop_length = crop_frames, hop_length
        self.floor, self.train = floor, train

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Crop ``mel`` (T, n_mels), ``f0`` (T,) if there is one, and ``wav`` (N,).

        Raises:
            UserError: lengths that do not belong together.
        """
        mel, wav, f0 = data["mel"], data["wav"], data.get("f0")
        T, H = len(mel), self.hop_length
        if wav.ndim != 1:
            raise UserError(uid, f"audio of shape {wav.shape}", "one channel", "wav")
        if abs(len(wav) - T * H) > MAX_MISMATCH_FRAMES * H:
            raise UserError(uid, f"{len(wav)} samples", f"{T} frames x {H}", "wav")
        if f0 is not None and len(f0) != T:
            raise UserError(uid, f"{len(f0)} frames", f"{T} frames, as its mel", "f0")
        spare = T - self.crop_frames
        first = max(
            0, int(np.random.randint(0, spare + 1)) if self.train and spare > 0 else spare // 2
        )
        last = first + self.crop_frames
        cropped = {
            "mel": _fit(mel[first:last], self.crop_frames, self.floor),
            "wav": _fit(wav[first * H : last * H], self.crop_frames * H, 0.0),
        }
        if f0 is not None:
            cropped["f0"] = _fit(f0[first:last], self.crop_frames, 0.0)
        return cropped


def _fit(array: np.ndarray, length: int, value: float) -> np.ndarray:
    missing = [(0, length - len(array))] + [(0, 0)] * (array.ndim - 1)
    return np.pad(array, missing, constant_values=value).astype(np.float32)
