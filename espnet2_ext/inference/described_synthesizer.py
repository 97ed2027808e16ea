"""Songs, speech and dialogues from a description and words, with a packed model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet2_ext.data.latent_scores import latent_score
from espnet2_ext.data.lyric_symbols import SPEAKERS, lyric_ids, lyric_symbols
from espnet2_ext.errors import UserError
from espnet2_ext.inference.described_pack import DescribedModel
from espnet2_ext.inference.synthesizer import Singing
from espnet2_ext.score.music_score import REST_PHONES, SILENCE, MusicScore, Note, Phone
from espnet2_ext.score.segment import from_zero, transpose

MAX_SECONDS = 60.0
_SPOKEN_MIDI = 60  # of what is said, whose notes no model sees


class DescribedSynthesizer:
    """A packed model ready to sing and to speak.

    >>> synthesizer = DescribedSynthesizer.from_pretrained("model.zip")
    >>> synthesizer.speak("hello there", "A young man speaks.").save("speech.wav")
    """

    def __init__(self, model: DescribedModel) -> None:
        self.model = model

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        device: str = "cpu",
        offline: bool = False,
        dtype: str | None = None,
    ) -> "DescribedSynthesizer":
        """Open a pack: an archive, a folder, ``owner/name`` on the Hugging Face hub, or a URL.

        Raises:
            UserError: the pack is missing, damaged, or of a system without descriptions.
        """
        from espnet2_ext.inference.pack_hub import locate

        return cls(DescribedModel.load(locate(model, offline), device, dtype))

    def sing(
        self, score: MusicScore, instruction: str, semitones: int = 0, seed: int = 0
    ) -> Singing:
        """A song of a score, whose phone times are guessed where it has none.

        Args:
            score: Notes and words.
            instruction: How it is to sound.
            semitones: Transposition.
            seed: The same seed gives the same audio.

        Raises:
            UserError: words or notes that the model does not know, or too long a score.
        """
        timing = "label" if score.phones else "model"
        try:
            score = transpose(from_zero(score), semitones)
            score = score if score.phones else self.model.means.performed(score)
        except ValueError as error:
            raise UserError("score", str(error)) from None
        wav, fs = self.perform(score, instruction, seed=seed)
        return Singing(wav, fs, score, timing)

    def perform(
        self,
        score: MusicScore,
        instruction: str,
        words: Sequence[str] = (),
        spoken: bool = False,
        seed: int = 0,
    ) -> tuple[np.ndarray, int]:
        """Samples of a score with phone times, which are kept, and their rate (Hz).

        Args:
            score: What is sung or said when.
            instruction: How it is to sound.
            words: Its phones with speakers' tags, where there are two.
            spoken: Its notes are not sung.
            seed: The same seed gives the same audio.

        Raises:
            UserError: phones that the model does not know, or too long a score.
        """
        n_frames = self._n_frames(score.duration_sec)
        try:
            frames = latent_score(score, self.model.frames_per_sec, n_frames, words, spoken)
        except ValueError as error:
            raise UserError("score", str(error)) from None
        said = words or [SPEAKERS[0], *(phone.phone for phone in score.phones)]
        symbols = [word for word in said if word not in REST_PHONES]
        return self._render(frames, symbols, instruction, seed)

    def sing_lyrics(
        self, lyrics: str, instruction: str, seconds: float, seed: int = 0
    ) -> tuple[np.ndarray, int]:
        """A song without a score: the model finds melody and timing itself, less surely.

        Returns:
            Samples (N,) float32 and their rate (Hz).
        """
        symbols = lyric_symbols(lyrics)
        empty = np.zeros((self._n_frames(seconds), 4), np.int64)
        return self._render(empty, symbols, instruction, seed, without=("score_frames",))

    def speak(
        self, text: str, instruction: str, seconds: float | None = None, seed: int = 0
    ) -> Singing:
        """Speech, or a dialogue where the text has tags: ``[S0] hello [S1] hi``.

        Args:
            text: Mandarin, English or both.
            instruction: Who speaks, and how; of a dialogue each speaker's after its tag.
            seconds: Length; None: as long as such phones are in the training speech.
            seed: The same seed gives the same audio.

        Raises:
            UserError: words that cannot be read, or too long a text.
        """
        symbols = lyric_symbols(text)
        score, words = self._spoken(symbols, seconds)
        wav, fs = self.perform(score, instruction, words, spoken=True, seed=seed)
        return Singing(wav, fs, score, "model")

    def _spoken(
        self, symbols: Sequence[str], seconds: float | None
    ) -> tuple[MusicScore, list[str]]:
        """Phones in time, each a note, with rests around what a speaker says."""
        words: list[str] = []
        for symbol in symbols:
            words += [SILENCE, symbol] if symbol in SPEAKERS else [symbol]
        words.append(SILENCE)
        phones = [word for word in words if word not in SPEAKERS]
        notes, performed, now = [], [], 0.0
        for number, (phone, length) in enumerate(
            zip(phones, self.model.means.durations(phones, seconds), strict=True)
        ):
            rest = phone in REST_PHONES
            midi = 0 if rest else _SPOKEN_MIDI
            notes.append(Note(now, now + length, midi, phone, (phone,)))
            performed.append(Phone(now, now + length, phone, number))
            now += length
        return MusicScore(tuple(notes), tuple(performed)), words

    def _n_frames(self, seconds: float) -> int:
        if not 0 < seconds <= MAX_SECONDS:
            found = f"{seconds:.2f} s"
            raise UserError("length", found, f"more than 0 and at most {MAX_SECONDS:g} s")
        return max(1, round(seconds * self.model.frames_per_sec))

    @torch.no_grad()
    def _render(
        self,
        frames: np.ndarray,
        symbols: Sequence[str],
        instruction: str,
        seed: int,
        without: Sequence[str] = (),
    ) -> tuple[np.ndarray, int]:
        columns: dict[str, list[Any]] = {
            "score_frames": [torch.from_numpy(np.asarray(frames, np.int64))],
            "lyrics_ids": [torch.tensor(lyric_ids(symbols))],
            "instruction_ids": [torch.from_numpy(self.model.pieces(instruction, "instruction"))],
        }
        pipeline = self.model.pipeline.with_seed(seed)
        if without:
            step = pipeline.steps["latent_flow"]
            given = {k: v for k, v in columns.items() if k in step.may_read and k not in without}
            columns["latents"] = step.model.generate(
                [len(frames)], given, step.sampling, ["utterance"]
            )
            pipeline = pipeline.after("latent_flow")
        (wav, fs) = pipeline(columns, ["utterance"])["wav"][0]
        return wav.cpu().numpy(), fs
