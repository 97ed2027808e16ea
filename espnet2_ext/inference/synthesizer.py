"""Sing a score with a packed model: durations, speech LM, flow and vocoder in one call."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import LongTensor
from tqdm import tqdm

from espnet2_ext.audio.wav import read_voice, write_wav
from espnet2_ext.duration.timing import with_onsets
from espnet2_ext.errors import UserError
from espnet2_ext.inference.pack import PackedModel
from espnet2_ext.inference.voice import VOICE_SUFFIX, Voice
from espnet2_ext.score.frames import round_boundaries
from espnet2_ext.score.length import LengthCount
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.score.segment import Part, split_at_rests
from espnet2_ext.tokenizer.level import at_level, level_of

MAX_PART_SEC = 10.0
PAD_SEC = 0.2
FADE_SEC = 0.005
SHORT_PROMPT_SEC = 1.0


@dataclass(frozen=True)
class Singing:
    """What was sung: samples (N,) float32, their rate (Hz), and the score with its timing."""

    wav: np.ndarray
    fs: int
    score: MusicScore
    timing: str

    def save(self, path: str | Path) -> None:
        """Write a 16-bit wav whose comment says that it is synthetic."""
        write_wav(path, self.wav, self.fs, comment="synthetic singing, made by espnet2-ext")


class SingingSynthesizer:
    """A packed model ready to sing.

    >>> synthesizer = SingingSynthesizer.from_pretrained("model.zip")  # or "owner/name"
    >>> synthesizer("song.musicxml", singer=synthesizer.singers[0]).save("song.wav")
    """

    def __init__(self, model: PackedModel) -> None:
        self.model = model
        self.tokenizers = model.tokenizers
        self.fs = model.tokenizers.mel.fs
        self.fps = model.tokenizers.mel.fps

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        device: str = "cpu",
        offline: bool = False,
        cache_dir: str | Path | None = None,
        dtype: str | None = None,
        **required: str | Path | None,
    ) -> "SingingSynthesizer":
        """Open a pack: an archive, a folder, ``owner/name`` on the Hugging Face hub, or a URL.

        Args:
            model: The pack; see `inference.pack_hub.locate`.
            device: ``cpu`` or ``cuda``.
            offline: Of the hub's models, only those downloaded before.
            cache_dir: Where downloads are kept.
            dtype: Precision of speech LM, flow and vocoder: ``float32``, ``bfloat16`` or
                ``float16``; None: float32, and the flow as it was trained.
            required: ``mel_config``, ``phone_list``, ``token_list``: files of what the pack has to
                be of; see `PackedModel.require`.

        Raises:
            UserError: the pack is missing, damaged, unsafe, not as required, or its parts do not
                fit together.
        """
        from espnet2_ext.inference.pack_hub import locate

        packed = PackedModel.load(locate(model, offline, cache_dir), device, offline, dtype)
        packed.require(model, **required)
        return cls(packed)

    @property
    def singers(self) -> list[str]:
        """Names that `singer` takes."""
        return sorted(self.model.prompts)

    def __call__(
        self,
        score: MusicScore | str | Path,
        singer: str | None = None,
        prompt: str | Path | Sequence[str | Path] | Voice | None = None,
        timing: str = "auto",
        semitones: int = 0,
        seed: int = 0,
        onset: str = "corpus",
        progress: bool = False,
        **read_options: str | int | None,
    ) -> Singing:
        """Sing a score of any length; it is cut at rests and joined again.

        Args:
            score: A score, or a file of one in any format of `read_score`, whose lyrics are in the
                pack's language, where it sings one, unless the file or `language` says otherwise.
            singer: Name in `singers`; the first when neither singer nor prompt is given.
            prompt: A voice to sing in, instead of a singer: audio, several of one voice, a `Voice`,
                or a file of one (.safetensors).
            timing: ``label`` takes the score's own phone times, ``model`` predicts them, ``auto``
                takes the label where there is one.
            semitones: Transposition.
            seed: Of all sampling: the same seed gives the same audio.
            onset: What falls on the beat: ``vowel``, ``consonant``, or as the ``corpus`` has it,
                by its label or the duration model.
            progress: Show how much is sung.
            read_options: ``part``, ``voice``, ``verse``, ``lyrics`` and ``language`` of
                `read_score`.

        Raises:
            UserError: bad score, unknown singer, unknown phone, unreadable prompt, a voice of
                other tokenizers.
        """
        place = score if isinstance(score, str | Path) else "score"
        if not isinstance(score, MusicScore):
            from espnet2_ext.score.formats.read import read_score

            language = self.model.about.only_language
            score = read_score(score, default_language=language, **read_options)
        if prompt is None:
            singer = singer or self.singers[0]
        score = self.model.about.prepare(score, place, singer, timing, semitones, onset)
        tokens = self.voice_tokens(singer, prompt)
        for remark in self.model.about.remarks(score, singer):
            logging.warning("%s: %s", place, remark)
        timing = "label" if score.phones else "model"
        score = self.timed(score, str(place), seed, onset)
        if not self._n_frames(score):
            found = f"{score.duration_sec:.3f} s of music"
            raise UserError(place, found, f"a frame of {1 / self.fps:g} s, at least")
        parts = split_at_rests(score, MAX_PART_SEC, self.fps, PAD_SEC)
        parts = [part for part in parts if not part.is_silent]
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            scores = [part.score for part in parts]
            wavs = self._render_in_batches(scores, tokens, seed, progress)
        return Singing(self._join(wavs, parts, score), self.fs, score, timing)

    def _render_in_batches(
        self, scores: list[MusicScore], prompt: LongTensor, seed: int, progress: bool
    ) -> list[np.ndarray]:
        """As `render_all`, with the memory of a batch of the models', however long the song."""
        seconds = [score.duration_sec for score in scores]
        order = sorted(range(len(scores)), key=lambda k: -seconds[k])
        size = self.model.pipeline.batch_utts or len(order)
        wavs: dict[int, np.ndarray] = {}
        with tqdm(total=round(sum(seconds)), unit="s", desc="singing", disable=not progress) as bar:
            for first in range(0, len(order), size):
                batch = order[first : first + size]
                sung = self.render_all([scores[k] for k in batch], [prompt] * len(batch), seed)
                wavs |= zip(batch, sung, strict=True)
                bar.update(round(sum(seconds[k] for k in wavs)) - bar.n)
        return [wavs[k] for k in range(len(scores))]

    def render_all(
        self, scores: list[MusicScore], prompts: list[LongTensor], seed: int = 0
    ) -> list[np.ndarray]:
        """Samples of scores with phone times, each with its own prompt's tokens (P, nq).

        They are as long as their scores: a part whose tokens end early ends in silence.
        """
        names = [f"part {k + 1}" for k in range(len(scores))]
        pipeline = self.model.pipeline.without("duration").with_seed(seed)
        made = pipeline({"score": scores, "prompt": prompts}, names)
        lengths = [len(frames) for frames in made["score_frames"]]
        sung = list(map(len, made.get("codec_ssl", made["score_frames"])))
        if sung != lengths:
            LengthCount.of(zip(names, sung, lengths, strict=True)).log("the score's parts")
        samples = [n * self.tokenizers.mel.samples_per_token for n in lengths]
        return [
            np.pad(wav.cpu().numpy(), (0, max(0, n - len(wav))))
            for (wav, _), n in zip(made["wav"], samples, strict=True)
        ]

    def timed(
        self, score: MusicScore, place: str, seed: int = 0, onset: str = "corpus"
    ) -> MusicScore:
        """A score of `PackAbout.prepare` with phone times: predicted, where it has none.

        Raises:
            UserError: it has none, and the pack predicts none.
        """
        if score.phones:
            return score
        step = self.model.pipeline.steps.get("duration")
        if step is None:
            raise UserError(place, "no phone times", "a label: this pack predicts none")
        timed = step.with_seed(seed)({"score": [score]}, [place])["score"][0]
        return with_onsets(timed, onset, place)

    def _join(self, wavs: list[np.ndarray], parts: list[Part], score: MusicScore) -> np.ndarray:
        """The parts at their places in the song; silence where there is none."""
        fade = np.linspace(0, 1, max(1, round(FADE_SEC * self.fs)), dtype=np.float32)
        song = np.zeros(self._n_frames(score) * self.tokenizers.mel.samples_per_token, np.float32)
        for wav, part in zip(wavs, parts, strict=True):
            before, after = (round(s * self.fs) for s in (part.pad_before_sec, part.pad_after_sec))
            wav = wav[before : len(wav) - after].copy()
            n = min(len(fade), len(wav))
            wav[:n] *= fade[:n]
            wav[len(wav) - n :] *= fade[:n][::-1]
            start = round(part.start_sec * self.fs)
            song[start : start + len(wav)] = wav
        return song

    def _n_frames(self, score: MusicScore) -> int:
        return int(round_boundaries([score.duration_sec], self.fps)[0])

    def voice_of(self, recordings: Sequence[str | Path], name: str = "") -> Voice:
        """The voice in recordings of one singer; raises `UserError` as `encode_prompt`."""
        prompts = tuple(self.encode_prompt(path) for path in recordings)
        return Voice(name, prompts, self.model.tokenizer)

    def voice_tokens(
        self, singer: str | None, prompt: str | Path | Sequence[str | Path] | Voice | None
    ) -> LongTensor:
        """Tokens (P, nq) of the voice that `singer` and `prompt` of a call name."""
        place: str | Path = "voice"
        if prompt is None:
            if singer not in self.model.prompts:
                raise UserError("singer", f"{singer!r} without a prompt", ", ".join(self.singers))
            return self.model.prompts[singer]
        if isinstance(prompt, str | Path):
            if Path(prompt).suffix != VOICE_SUFFIX:
                return self.encode_prompt(prompt)
            place, prompt = prompt, Voice.load(prompt)
        voice = prompt if isinstance(prompt, Voice) else self.voice_of(prompt)
        voice.check(self.tokenizers.sizes, self.model.tokenizer, place)
        return voice.tokens(self.model.pipeline.prompt_frames)

    def encode_prompt(self, prompt: str | Path) -> LongTensor:
        """Tokens (P, nq) of a recording that gives the voice, as loud as the pack's own prompts.

        Raises:
            UserError: as `read_voice`, or shorter than one frame.
        """
        wav, rate = read_voice(prompt)
        if len(wav) < SHORT_PROMPT_SEC * rate:
            seconds = len(wav) / rate
            logging.warning(
                "%s: %.2f s of a voice; the singer will hardly be heard", prompt, seconds
            )
        import librosa  # a prompt of another rate alone needs it

        wav = librosa.resample(wav, orig_sr=rate, target_sr=self.fs)
        spt = self.tokenizers.mel.samples_per_token
        wav = wav[: len(wav) // spt * spt]
        if not len(wav):
            raise UserError(prompt, "shorter than one frame", "a second or more of a voice")
        return self.tokenizers.encode(at_level(wav, self.tokenizers.mel, self.prompt_level))

    @cached_property
    def prompt_level(self) -> float:
        """Level (nepers) of the pack's own prompts."""
        codec, mel = self.tokenizers.codec, self.tokenizers.mel
        return level_of(codec, mel, (tokens[:, 1:] for tokens in self.model.prompts.values()))
