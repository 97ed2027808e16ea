"""Any recording of a voice to a score: its codes, what is heard in them, notes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from espnet2_ext.archive import extract
from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.audio.wav import SILENCE_LEVEL, read_wav
from espnet2_ext.errors import UserError
from espnet2_ext.inference.packed_systems import TRANSCRIPTION
from espnet2_ext.score.formats.assemble import SungNote, assemble
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.scratch import scratch_folder
from espnet2_ext.tokenizer.codec import AudioCodec
from espnet2_ext.tokenizer.level import at_level
from espnet2_ext.tokenizer.tokenizers import read_codec
from espnet2_ext.transcription.decode import DecodingConfig, Segment
from espnet2_ext.transcription.inference import (
    TranscriptionInference,
    load_decoding,
    written_rows,
)

PLACEHOLDER = "a"
"""Lyric of notes whose words are not known: a vowel in every language that can be sung."""
EXPERIMENT_FILE = "valid.loss.best.pth"


class Transcriber:
    """A codec and a transcription model that reads its codes.

    Args:
        codec: The codec.
        mel: Its mel configuration, in which levels are measured.
        model: Made for it.
        decoding: How frames become notes.
        place: The model's, for errors.

    Raises:
        UserError: the model reads other codes than the codec's.
    """

    def __init__(
        self,
        codec: AudioCodec,
        mel: MelConfig,
        model: TranscriptionInference,
        decoding: DecodingConfig | None = None,
        place: str | Path = "model",
    ) -> None:
        self.codec, self.mel, self.model = codec, mel, model
        self.decoding = decoding or DecodingConfig()
        has = (codec.n_codebooks, codec.codebook_size, codec.fps)
        own = model.geometry
        reads = (own.n_codebooks, own.codebook_size, own.fps)
        if has != reads:
            shown = ["{} x {} codes at {} a second".format(*sizes) for sizes in (reads, has)]
            raise UserError(place, shown[0], f"{shown[1]}, as the tokenizer")

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        tokenizer_dir: str | Path | None = None,
        device: str = "cpu",
        offline: bool = False,
        inference_config: str | Path | None = None,
    ) -> "Transcriber":
        """Load from a pack, or from an experiment of the task.

        Args:
            model: A pack with a transcription model (archive, folder, ``owner/name`` on the hub, or
                a URL), or an experiment's folder.
            tokenizer_dir: Of an experiment; by default the one that it was trained with.
            device: Where it runs.
            offline: Take what was downloaded before alone.
            inference_config: YAML of how frames become notes; by default the pack's.

        Raises:
            UserError: neither, or damaged, or parts that do not fit.
        """
        from espnet2_ext.inference.pack_hub import locate

        path = locate(model, offline)
        with _unpacked(path) as folder:
            try:
                return cls._of_folder(folder, path, tokenizer_dir, device, inference_config)
            except UserError as error:
                if folder == path:
                    raise
                raise error.moved(folder, path) from error.__cause__

    @classmethod
    def _of_folder(
        cls,
        folder: Path,
        place: Path,
        tokenizer_dir: str | Path | None,
        device: str,
        inference_config: str | Path | None,
    ) -> "Transcriber":
        part = folder / TRANSCRIPTION
        if (part / "config.yaml").is_file():
            files = part / "config.yaml", part / "model.safetensors"
            tokenizer_dir = tokenizer_dir or folder / "tokenizer"
            own = part / "inference.yaml"
            inference_config = inference_config or (own if own.is_file() else None)
        elif (folder / "config.yaml").is_file():
            files = folder / "config.yaml", folder / EXPERIMENT_FILE
        else:
            wanted = f"a pack with {TRANSCRIPTION}/config.yaml, or an experiment of its task"
            raise UserError(place, "no transcription model", wanted)
        loaded = TranscriptionInference.load(*files, device=device)
        tokenizer_dir = tokenizer_dir or loaded.tokenizer_dir
        if tokenizer_dir is None or not Path(tokenizer_dir).is_dir():
            raise UserError("--tokenizer_dir", f"{tokenizer_dir}", "the folder of its tokenizers")
        codec, mel = read_codec(tokenizer_dir)
        return cls(codec.to(device), mel, loaded, load_decoding(inference_config), place)

    @torch.no_grad()
    def segments(self, wav: np.ndarray, fs: int) -> list[Segment]:
        """Notes and rests of samples (N,) at a rate (Hz), made as loud as the corpus."""
        if fs != self.codec.fs:
            import soxr

            wav = soxr.resample(wav, fs, self.codec.fs, quality="HQ")
        samples = torch.as_tensor(np.ascontiguousarray(wav), dtype=torch.float32)
        level = self.model.geometry.level
        if level is not None and samples.abs().amax() > SILENCE_LEVEL:
            samples = at_level(wav, self.mel, level)
        padding = -len(samples) % self.codec.samples_per_token
        batch = torch.nn.functional.pad(samples, (0, padding))[None].to(self.model.device)
        return self.model.segments(self.codec.encode(batch)[0].cpu(), self.decoding)

    def __call__(
        self,
        path: str | Path,
        tempo: float = 120.0,
        lyric: str = PLACEHOLDER,
        language: str = "zh",
    ) -> MusicScore:
        """Transcribe an audio file, of one voice.

        Args:
            path: Any format that libsndfile reads; channels are mixed.
            tempo: Beats per minute that the score says; it changes no time.
            lyric: Of every note, as words are not transcribed.
            language: ISO 639 code of the lyric.

        Raises:
            UserError: as `read_wav`, no notes, or a lyric that the language does not have.
        """
        wav, fs = read_wav(path)
        rows = written_rows(self.segments(wav, fs), self.codec.fps)
        if not rows:
            raise UserError(path, "no notes are heard", "a singing voice")
        notes = [SungNote(*row, lyric, f"{path}: note {k}") for k, row in enumerate(rows, 1)]
        return assemble(notes, str(path), tempo, language, len(wav) / fs)


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """The folder of a pack, or of an experiment."""
    if path.is_dir():
        yield path
        return
    with scratch_folder() as scratch:
        yield extract(path, scratch / "pack")
