"""Reading and writing audio files strictly."""

import contextlib
import logging
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from espnet2_ext.audio.channels import mix
from espnet2_ext.errors import UserError
from espnet2_ext.files import atomic_path

logger = logging.getLogger(__name__)

PCM16_FULL_SCALE = 32768.0
FS_RANGE = (4000, 384_000)
"""Rates of recordings (Hz): from below a telephone's to above a studio's. A header may say 1 Hz, of
which every sample would be resampled to thousands."""

MOST_PEAK = 16.0
"""Above full scale by 24 dB: floating point that holds whole numbers, or damage. No mixing desk
leaves as much."""
STREAM_BYTES = 0x7FFF0000
WHOLE_SHARE = 0.99
"""Of a file that is whole: some programs count a header more or less."""
_RIFF_SIZES = re.compile(r"^RIFF : (\d+) \(should be (\d+)\)", re.MULTILINE)

SILENCE_LEVEL = 1e-4
VOICE_SHARE = 0.01
"""Of the loudest sample: where a voice begins."""
VOICE_LEAD_SEC = 1
MAX_VOICE_SEC = 30


@dataclass(frozen=True)
class AudioInfo:
    """The header of an audio file: samples of each channel, and the rate (Hz)."""

    frames: int
    fs: int

    @property
    def seconds(self) -> float:
        """Length (s)."""
        return self.frames / self.fs


def audio_info(path: str | Path) -> AudioInfo:
    """Read the header of an audio file.

    Raises:
        UserError: missing, no plain file (a pipe would be waited for), not readable as audio, a
            rate that no recording has, or a wav that is cut off.
    """
    with _opened(path) as file:
        return AudioInfo(file.frames, file.samplerate)


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[soundfile.SoundFile]:
    try:
        plain = stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        found = "no such file" if missing else getattr(error, "strerror", None) or str(error)
        raise UserError(path, found, "an audio file") from None
    if not plain:
        raise UserError(path, "no plain file", "an audio file")
    try:
        with soundfile.SoundFile(path) as file:
            low, high = FS_RANGE
            if not low <= file.samplerate <= high:
                found = f"{file.samplerate} Hz"
                raise UserError(path, found, f"{low} to {high} Hz", "sampling rate")
            _check_whole(file, path)
            yield file
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise UserError(path, f"not readable as audio ({error})", "wav or flac") from None


def _check_whole(file: soundfile.SoundFile, path: str | Path) -> None:
    """Refuse a wav that is shorter than its header says; libsndfile reads what is there.

    Headers of streams, which were written before their length was known, say 2 or 4 GiB.
    """
    sizes = _RIFF_SIZES.search(file.extra_info)
    if sizes is None:
        return
    said, there = map(int, sizes.groups())
    if said < STREAM_BYTES and there < WHOLE_SHARE * said:
        found = f"{there + 8} bytes, {said + 8} by its header"
        raise UserError(path, found, "a whole file")


def read_wav(path: str | Path, fs: int | None = None) -> tuple[np.ndarray, int]:
    """Read an audio file as one channel.

    Args:
        path: Any format that libsndfile reads.
        fs: Expected rate (Hz); None accepts any.

    Returns:
        Samples (N,) float32, channels mixed, and the rate (Hz). Channels that hold different
        sounds are warned about.

    Raises:
        UserError: as `read_channels`, another rate, or channels that cancel each other.
    """
    wav, rate = read_channels(path)
    if fs is not None and rate != fs:
        raise UserError(path, f"{rate} Hz", f"{fs} Hz", "sampling rate")
    mixed, channels = mix(wav, rate, path)
    if channels.unrelated:
        logger.warning("%s: the mean of %s is taken", path, channels.different)
    return mixed, rate


def read_channels(
    path: str | Path, start_sec: float = 0.0, end_sec: float | None = None
) -> tuple[np.ndarray, int]:
    """Read an audio file, or a stretch of one.

    Args:
        path: Any format that libsndfile reads.
        start_sec: Start of the stretch (s); what lies before it is not read.
        end_sec: Its end (s); None: that of the file.

    Returns:
        Samples (N, channels) float32 in [-1, 1], or a little above in files of floating point,
        and the rate (Hz).

    Raises:
        UserError: as `audio_info`; also no samples, a stretch that ends more than 10 ms after the
            audio, and as `check_samples`.
    """
    with _opened(path) as file:
        rate, n_frames = file.samplerate, file.frames
        start = min(round(start_sec * rate), n_frames)
        stop = n_frames if end_sec is None else min(round(end_sec * rate), n_frames)
        if start:  # some formats cannot
            file.seek(start)
        wav = file.read(max(0, stop - start), dtype="float32", always_2d=True)
    if end_sec is not None and end_sec * rate > start + len(wav) + rate // 100:
        found = f"end {end_sec} s of audio of {n_frames / rate:.3f} s"
        raise UserError(path, found, "a segment within the audio")
    if 0 < len(wav) < WHOLE_SHARE * (stop - start):
        logger.warning(
            "%s: %.2f s of %.2f s by its header are there: cut off?",
            path, len(wav) / rate, (stop - start) / rate,
        )  # fmt: skip
    if not len(wav):
        raise UserError(path, "no samples", "audio")
    check_samples(wav, path)
    return wav, rate


def check_samples(wav: np.ndarray, place: object) -> None:
    """Refuse samples of any shape that are no sound.

    Raises:
        UserError: samples that are not finite, or louder than `MOST_PEAK`.
    """
    peak = float(np.abs(wav).max(initial=0.0))
    if not np.isfinite(peak):
        raise UserError(place, "samples that are not finite", "finite samples")
    if peak > MOST_PEAK:
        raise UserError(place, f"samples of up to {peak:.3g}", "samples within [-1, 1]")


def read_voice(path: str | Path) -> tuple[np.ndarray, int]:
    """As `read_wav`, of a recording that is to give a voice.

    Models look at its first seconds alone: it begins at most `VOICE_LEAD_SEC` before the voice, and
    is at most `MAX_VOICE_SEC` long.

    Raises:
        UserError: as `read_wav`, or silence.
    """
    wav, rate = read_wav(path)
    level = np.abs(wav)
    if level.max() < SILENCE_LEVEL:
        raise UserError(path, "silence", "a voice")
    start = max(0, int((level > VOICE_SHARE * level.max()).argmax()) - VOICE_LEAD_SEC * rate)
    return wav[start : start + MAX_VOICE_SEC * rate], rate


def write_wav(
    path: str | Path, wav: np.ndarray, fs: int, comment: str = "", software: str = ""
) -> None:
    """Write mono samples (N,) in [-1, 1] as 16-bit wav, atomically.

    Louder ones are clipped, with a warning. `comment` and `software` go into the header.
    """
    over = int(np.count_nonzero(np.abs(wav) > 1))
    if over:
        peak_db = 20 * np.log10(np.abs(wav).max())
        logger.warning("%s: %d samples are clipped, up to %.1f dB above full scale",
                       path, over, peak_db)  # fmt: skip
    pcm = np.clip(np.round(np.asarray(wav, np.float64) * PCM16_FULL_SCALE), -32768, 32767)
    with (
        atomic_path(path) as part,
        soundfile.SoundFile(part, "w", fs, 1, "PCM_16", format="WAV") as sound,
    ):
        if comment:
            sound.comment = comment
        if software:
            sound.software = software
        sound.write(pcm.astype(np.int16))
