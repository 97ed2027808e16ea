"""Sing a score with a packed model: durations, speech LM, flow and vocoder in one call."""

import logging
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import torch
from torch import LongTensor

from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.duration.timing import with_onsets
from espnet2_ext.errors import UserError
from espnet2_ext.pack import PackedModel
from espnet2_ext.score.frames import FrameScore, expand, round_boundaries
from espnet2_ext.score.length import LengthCount
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.score.segment import Part, split_at_rests, transpose, without_phones

MAX_PART_SEC = 10.0
PAD_SEC = 0.2
FADE_SEC = 0.005


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
        **required: str | Path | None,
    ) -> "SingingSynthesizer":
        """Open a pack: an archive, a folder, ``owner/name`` on the Hugging Face hub, or a URL.

        Args:
            model: The pack; see `espnet2_ext.hub.locate`.
            device: ``cpu`` or ``cuda``.
            offline: Of the hub's models, only those downloaded before.
            cache_dir: Where downloads are kept.
            required: ``mel_config``, ``phone_list``, ``token_list``: files of what the pack has to
                be of; see `PackedModel.require`.

        Raises:
            UserError: the pack is missing, damaged, unsafe, not as required, or its parts do not
                fit together.
        """
        from espnet2_ext.hub import locate

        packed = PackedModel.load(locate(model, offline, cache_dir), device)
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
        prompt: str | Path | None = None,
        timing: str = "auto",
        semitones: int = 0,
        seed: int = 0,
        onset: str = "corpus",
        **read_options: str | int | None,
    ) -> Singing:
        """Sing a score of any length; it is cut at rests and joined again.

        Args:
            score: A score, or a file of one (MusicXML, MIDI with lyrics, Opencpop line, JSON).
            singer: Name in `singers`; the first when neither singer nor prompt is given.
            prompt: Audio of a voice to sing in, instead of a singer.
            timing: ``label`` takes the score's own phone times, ``model`` predicts them, ``auto``
                takes the label where there is one.
            semitones: Transposition.
            seed: Of all sampling: the same seed gives the same audio.
            onset: What falls on the beat: ``vowel``, ``consonant``, or as the ``corpus`` has it,
                by its label or the duration model.
            read_options: ``part``, ``voice``, ``verse`` and ``lyrics`` of `read_score`.

        Raises:
            UserError: bad score, unknown singer, unknown phone, unreadable prompt.
        """
        place = score if isinstance(score, str | Path) else "score"
        if not isinstance(score, MusicScore):
            from espnet2_ext.score.read import read_score

            score = read_score(score, **read_options)
        if semitones:
            score = transpose(score, semitones)
        if timing == "auto":
            timing = "label" if score.phones else "model"
        if timing == "label" and not score.phones:
            raise UserError(place, "no phone times", "a label, or timing by the model")
        self._check_notes(score, place)
        tokens = self._prompt(singer, prompt)
        self._warn_range(score, singer, place)
        if timing == "model":
            score = self.model.duration.generate(without_phones(score))
        score = with_onsets(score, onset, str(place))
        parts = split_at_rests(score, MAX_PART_SEC, self.fps, PAD_SEC)
        parts = [part for part in parts if not part.is_silent]
        frames = [expand(p.score, self.model.phone_ids, self.fps) for p in parts]
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            wavs = self.render_all(frames, [tokens] * len(frames)) if frames else []
        return Singing(self._join(wavs, parts, score), self.fs, score, timing)

    def render_all(self, frames: list[FrameScore], prompts: list[LongTensor]) -> list[np.ndarray]:
        """Samples of scores on the token grid, each with its own prompt's tokens (P, nq).

        They are as long as their scores: a part whose tokens end early ends in silence.
        """
        features = [torch.from_numpy(f.stacked()).long() for f in frames]
        sung = self.model.speechlm.generate(features, prompts, self.model.decoding)
        tokens, soft = [s.tokens for s in sung], None
        if self.model.decoding.soft:
            codec = self.model.flow.model.codec
            soft = self.model.speechlm.expect(
                tokens, features, prompts, codec.tables, codec.offset, self.model.decoding
            )
        if not self.model.decoding.fixed_length:
            names = (f"part {k + 1}" for k in range(len(frames)))
            lengths = zip(names, map(len, tokens), map(len, features), strict=True)
            LengthCount.of(lengths).log("the score's parts")
        refined = self.model.flow.generate(tokens, features, prompts, self.model.sampling, soft)
        f0s = None if refined[0].f0 is None else [r.f0 for r in refined]
        wavs = self.model.vocoder.generate([r.mel for r in refined], f0s)
        samples = [len(f) * self.tokenizers.mel.samples_per_token for f in features]
        return [
            np.pad(wav.cpu().numpy(), (0, max(0, n - len(wav))))
            for wav, n in zip(wavs, samples, strict=True)
        ]

    def _join(self, wavs: list[np.ndarray], parts: list[Part], score: MusicScore) -> np.ndarray:
        """The parts at their places in the song; silence where there is none."""
        fade = np.linspace(0, 1, max(1, round(FADE_SEC * self.fs)), dtype=np.float32)
        n_frames = int(round_boundaries([score.duration_sec], self.fps)[0])
        song = np.zeros(n_frames * self.tokenizers.mel.samples_per_token, np.float32)
        for wav, part in zip(wavs, parts, strict=True):
            before, after = (round(s * self.fs) for s in (part.pad_before_sec, part.pad_after_sec))
            wav = wav[before : len(wav) - after].copy()
            n = min(len(fade), len(wav))
            wav[:n] *= fade[:n]
            wav[len(wav) - n :] *= fade[:n][::-1]
            start = round(part.start_sec * self.fs)
            song[start : start + len(wav)] = wav
        return song

    def _prompt(self, singer: str | None, prompt: str | Path | None) -> LongTensor:
        if prompt is not None:
            return self.encode_prompt(prompt)
        name = singer or self.singers[0]
        if name not in self.model.prompts:
            raise UserError("singer", f"{name!r} is not in the pack", ", ".join(self.singers))
        return self.model.prompts[name]

    def encode_prompt(self, prompt: str | Path) -> LongTensor:
        """Tokens (P, nq) of a recording that gives the voice.

        Raises:
            UserError: silence, or shorter than one frame.
        """
        wav, rate = read_wav(prompt)
        if np.abs(wav).max() < 1e-4:
            raise UserError(prompt, "silence", "a voice")
        wav = librosa.resample(wav, orig_sr=rate, target_sr=self.fs)
        spt = self.tokenizers.mel.samples_per_token
        wav = wav[: len(wav) // spt * spt]
        if not len(wav):
            raise UserError(prompt, "shorter than one frame", "a second or more of a voice")
        return self.tokenizers.encode(torch.from_numpy(wav))

    def _check_notes(self, score: MusicScore, place: str | Path) -> None:
        for index, note in enumerate(score.notes):
            if not note.phones:
                raise UserError(f"{place}: note {index + 1}", f"syllable {note.lyric!r} without "
                                "phones", "a syllable that the model's lexicon knows")  # fmt: skip
            for phone in note.phones:
                if phone not in self.model.phone_ids:
                    raise UserError(f"{place}: note {index + 1} ({note.lyric})", f"phone {phone!r}",
                                    "a phone of the pack's phone set")  # fmt: skip

    def _warn_range(self, score: MusicScore, singer: str | None, place: str | Path) -> None:
        low, high = self.model.range_of(singer)
        outside = sorted(
            {n.midi for n in score.notes if not n.is_rest and not low <= n.midi <= high}
        )
        if outside:
            logging.warning(
                "%s: notes %s lie outside what this singer sang in training (%d-%d); sung anyway",
                place, ", ".join(map(str, outside)), low, high,
            )  # fmt: skip
