"""Reading and writing audio files strictly."""

from pathlib import Path

import numpy as np
import soundfile

from espnet2_ext.errors import UserError
from espnet2_ext.files import atomic_path

PCM16_FULL_SCALE = 32768.0
SILENCE_LEVEL = 1e-4


def read_wav(path: str | Path, fs: int | None = None) -> tuple[np.ndarray, int]:
    """Read the first channel of an audio file.

    Args:
        path: Any format that libsndfile reads.
        fs: Expected rate (Hz); None accepts any.

    Returns:
        Samples (N,) float32 in [-1, 1], and the rate (Hz).

    Raises:
        UserError: missing or unreadable file, no samples, samples that are not finite, other rate.
    """
    if not Path(path).is_file():
        raise UserError(path, "no such file", "an audio file")
    try:
        wav, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise UserError(path, f"not readable as audio ({error})", "wav or flac") from None
    if fs is not None and rate != fs:
        raise UserError(path, f"{rate} Hz", f"{fs} Hz", "sampling rate")
    if not len(wav):
        raise UserError(path, "no samples", "audio")
    wav = wav[:, 0]
    if not np.isfinite(wav).all():
        raise UserError(path, "samples that are not finite", "finite samples")
    return np.ascontiguousarray(wav), rate


def read_voice(path: str | Path) -> tuple[np.ndarray, int]:
    """As `read_wav`, of a recording that is to give a voice; raises `UserError` for silence too."""
    wav, rate = read_wav(path)
    if np.abs(wav).max() < SILENCE_LEVEL:
        raise UserError(path, "silence", "a voice")
    return wav, rate


def write_wav(path: str | Path, wav: np.ndarray, fs: int, comment: str = "") -> None:
    """Write mono samples (N,) in [-1, 1] as 16-bit wav, atomically; louder ones are clipped."""
    pcm = np.clip(np.round(np.asarray(wav, np.float64) * PCM16_FULL_SCALE), -32768, 32767)
    with (
        atomic_path(path) as part,
        soundfile.SoundFile(part, "w", fs, 1, "PCM_16", format="WAV") as sound,
    ):
        if comment:
            sound.comment = comment
        sound.write(pcm.astype(np.int16))
