"""The streams that an utterance consists of: what each holds, on which clock, how it is checked.

Archives hold codes and score frames as flat vectors, frame by frame, as ESPnet-SpeechLM does. They
get their shape here, when they are read, and lose it when they are written; a model never sees a
flat one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_scp, read_table
from espnet2_ext.score.frames import SCORE_COLUMNS

CODES, SCORE, FRAMES, LATENTS, SAMPLES = "codes", "score", "frames", "latents", "samples"
TEXT, EMBEDDING = "text", "vector"
TOKEN, MEL, LATENT, SAMPLE, NOTE = "token", "mel", "latent", "sample", "note"
NOTE_COLUMNS = ("initial_id", "final_id", "midi", "duration_sec", "slur", "tempo")
TARGET_COLUMNS = ("onset_sec", "initial_sec")
DROPPED = -1
"""In codes that a model is shown: one that is left out."""


@dataclass(frozen=True)
class Stream:
    """One stream.

    Args:
        name: As ESPnet's options name it; its archive is ``NAME.scp``.
        kind: `CODES` (of the tokenizers), `SCORE` (frames of a score), `FRAMES` (of real numbers),
            `LATENTS` (frames of a mel-VAE), `SAMPLES` (of audio; its table names audio files),
            `TEXT` (ids of its symbols) or `EMBEDDING` (one of real numbers).
        clock: What its frames count: `TOKEN`, `MEL`, `LATENT`, `SAMPLE` or `NOTE`; None where they
            are those of another utterance, or its own.
        width: Numbers in a frame, or the name of this size in `StreamSizes`; None: one, without a
            dimension of its own.
    """

    name: str
    kind: str
    clock: str | None
    width: int | str | None

    @property
    def is_flat(self) -> bool:
        """Whether archives hold its frames end to end."""
        return self.kind in (CODES, SCORE)


STREAMS = {
    stream.name: stream
    for stream in (
        Stream("codec_ssl", CODES, TOKEN, "nq"),
        Stream("sampled", CODES, TOKEN, "nq"),  # codec_ssl as a speech LM sang it
        Stream("codes", CODES, TOKEN, "n_codebooks"),  # the codec's alone
        Stream("prompt", CODES, None, "nq"),
        Stream("score_frames", SCORE, TOKEN, SCORE_COLUMNS),
        Stream("svs_frames", SCORE, None, SCORE_COLUMNS),  # as svs_lb rounds them
        Stream("pitch", SCORE, TOKEN, None),  # pitch tokens that a transcription hears
        Stream("soft", FRAMES, TOKEN, "embed_dim"),  # codec embeddings that a speech LM expects
        Stream("mel", FRAMES, MEL, "n_mels"),
        Stream("f0", FRAMES, MEL, None),
        Stream("latents", LATENTS, LATENT, "latent_dim"),  # normalised, as `MelVAE` gives them
        Stream("wav", SAMPLES, SAMPLE, None),
        Stream("notes", FRAMES, NOTE, len(NOTE_COLUMNS)),
        Stream("targets", FRAMES, NOTE, len(TARGET_COLUMNS)),
        Stream("text_ids", TEXT, None, None),
        Stream("lyrics_ids", TEXT, None, None),  # of `data.lyric_symbols`
        Stream("instruction", FRAMES, None, "state_dim"),  # hidden states of a language model
        Stream("instruction_ids", TEXT, None, None),  # SentencePiece
        Stream("timbre", EMBEDDING, None, None),
    )
}


def register_stream(stream: Stream) -> None:
    """Add a stream to the table: one that a condition of a user's own reads.

    Raises:
        ValueError: the name is another stream's.
    """
    if STREAMS.setdefault(stream.name, stream) != stream:
        raise ValueError(f"stream {stream.name} is {STREAMS[stream.name]}")


@dataclass(frozen=True)
class StreamSizes:
    """The sizes that streams are checked against; what is None is not checked.

    Args:
        codes: Codes of each stream of ``codec_ssl``, SSL first (nq,).
        n_mels: Mel channels.
        embed_dim: Size of the codec's frame embedding.
        latent_dim: Channels of a latent frame.
        fs: Rate of samples (Hz).
    """

    codes: Sequence[int] | None = None
    n_mels: int | None = None
    embed_dim: int | None = None
    latent_dim: int | None = None
    fs: int | None = None

    def width(self, stream: Stream) -> int | None:
        """Numbers in a frame; None where that is not known."""
        if stream.width == "nq":
            return None if self.codes is None else len(self.codes)
        if stream.width == "n_codebooks":
            return None if self.codes is None else len(self.codes) - 1
        return getattr(self, stream.width, None) if isinstance(stream.width, str) else stream.width

    def shaped(self, name: str, values: np.ndarray, place: str) -> np.ndarray:
        """A stream's values as an archive holds them, with the shape that models take: (F, width).

        Values that have this shape already keep it; a name that is no stream's is not looked at.

        Args:
            name: Of the stream.
            values: The array.
            place: Utterance, and file where there is one, for errors.

        Raises:
            UserError: the array is empty or of another shape, or holds codes that do not exist.
        """
        stream = STREAMS.get(name)
        if stream is None:
            return values
        width = self.width(stream)
        if stream.is_flat and width is not None and values.ndim == 1:
            if len(values) == 0 or len(values) % width:
                raise UserError(place, f"{len(values)} numbers", f"rows of {width}", name)
            values = values.reshape(-1, width)
        fits = values.ndim == (1 if stream.width is None else 2)
        if not fits or not len(values) or (width is not None and values.shape[1:] != (width,)):
            frames = "(frames,)" if stream.width is None else f"(frames, {width or 'numbers'})"
            raise UserError(place, f"shape {values.shape}", frames, name)
        if stream.kind == CODES and self.codes is not None:
            self._check_codes(stream, values, place)
        return values

    def _check_codes(self, stream: Stream, codes: np.ndarray, place: str) -> None:
        sizes = np.array(self.codes)[-codes.shape[1] :]
        wrong = (codes < 0) | (codes >= sizes)
        if wrong.any():
            frame, column = np.argwhere(wrong)[0]
            found = f"code {codes[frame, column]} in stream {column} of frame {frame}"
            raise UserError(place, found, f"0 to {sizes[column] - 1}", stream.name)


class Sounds(Mapping):
    """A table of audio files as a lazy mapping from utterance to samples (N,), in [-1, 1].

    Args:
        path: ``wav.scp``.
        fs: The rate that all have (Hz); None: any.

    Raises:
        UserError: as `read_table`; later, as `read_wav`.
    """

    def __init__(self, path: str | Path, fs: int | None) -> None:
        self._files, self._fs = read_table(path), fs

    def __getitem__(self, utt: str) -> np.ndarray:
        return read_wav(self._files[utt], self._fs)[0]

    def __contains__(self, utt: object) -> bool:
        """Without reading it, as `Mapping` would."""
        return utt in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class StreamTables:
    """The archives of an inference, read with shape and checks, utterance by utterance.

    Args:
        paths: For each stream its Kaldi table; the first names the utterances. None: not given.
        sizes: What the streams are checked against.

    Raises:
        UserError: the first table has no utterances, or another lacks one of them.
    """

    def __init__(self, paths: Mapping[str, Path | None], sizes: StreamSizes) -> None:
        self.paths = {name: Path(path) for name, path in paths.items() if path is not None}
        self.sizes = sizes
        first = next(iter(self.paths.values()))
        self.keys = sorted(read_table(first))
        if not self.keys:
            raise UserError(first, "no utterances", "at least one")
        self._tables = {name: self._open(name, path) for name, path in self.paths.items()}
        for name, table in self._tables.items():
            missing = next((key for key in self.keys if key not in table), None)
            if missing is not None:
                raise UserError(self.paths[name], f"no {missing}", f"every utterance of {first}")

    def _open(self, name: str, path: Path) -> Mapping[str, np.ndarray]:
        samples = name in STREAMS and STREAMS[name].kind == SAMPLES
        return Sounds(path, self.sizes.fs) if samples else read_scp(path)

    def n_frames(self, name: str, key: str) -> int:
        """Frames of an utterance's stream."""
        values = np.asarray(self._tables[name][key])
        return len(self.sizes.shaped(name, values, f"{self.paths[name]}: {key}"))

    def __getitem__(self, key: str) -> dict[str, np.ndarray]:
        """The streams of an utterance, each (F, width)."""
        return {
            name: self.sizes.shaped(name, np.asarray(table[key]), f"{self.paths[name]}: {key}")
            for name, table in self._tables.items()
        }


def write_stream(
    folder: Path, name: str, keys: Sequence[str], values: Sequence[np.ndarray]
) -> None:
    """Write a stream of several utterances as ``NAME.ark`` and ``NAME.scp``."""
    with ArkWriter(folder, name) as writer:
        for key, value in zip(keys, values, strict=True):
            writer[key] = value.reshape(-1) if STREAMS[name].is_flat else value
