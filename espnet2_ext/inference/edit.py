"""Sing some bars of a take again, with other words or notes, and keep the rest of it.

The take's tokens are those of the pack's tokenizers. The frames of the bars are masked, and the
masked generators fill them under the new score; the tokens around them stay. The frames are decoded
with some context and faded into the take within the bars, so that all samples outside the bars are
the take's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from torch import LongTensor, Tensor

from espnet2_ext.audio.wav import SILENCE_LEVEL, read_wav
from espnet2_ext.errors import UserError
from espnet2_ext.inference.masked_step import MaskedStep
from espnet2_ext.inference.pipeline import Pipeline
from espnet2_ext.inference.synthesizer import Singing, SingingSynthesizer
from espnet2_ext.inference.voice import Voice
from espnet2_ext.score.frames import MIDI_COLUMN, NOTE_COLUMN, PHONE_INDEX_COLUMN
from espnet2_ext.score.music_score import MusicScore, Note
from espnet2_ext.tokenizer.align import extend_with_rest, fit_audio
from espnet2_ext.tokenizer.level import at_level

CONTEXT_SEC = 4.0
"""Of the take on either side that the generators see."""
FADE_SEC = 0.02


@dataclass(frozen=True)
class Edited(Singing):
    """A take of which some bars were sung again; what `Singing` has, and:

    Args:
        tokens: Of the whole take, as edited (F, nq).
        begin_frame: First token frame that was sung again.
        end_frame: The one after the last.
    """

    tokens: LongTensor
    begin_frame: int
    end_frame: int


def sing_again(
    synthesizer: SingingSynthesizer,
    take: str | Path,
    score: MusicScore,
    start_sec: float,
    end_sec: float,
    new_score: MusicScore | None = None,
    singer: str | None = None,
    prompt: str | Path | Sequence[str | Path] | Voice | None = None,
    seed: int = 0,
    places: tuple[str, str] = ("score", "new score"),
) -> Edited:
    """Sing the notes of a take again that begin within a time.

    Args:
        synthesizer: Of a pack of masked generators.
        take: Audio at the pack's rate.
        score: What it sings. Without phone times they are predicted, as they were for a take that
            the pack sang.
        start_sec: Of the time (s).
        end_sec: Of the time (s); a note that begins here is kept.
        new_score: What to sing, as long as `score`, and the same outside the time; None: `score`.
        singer: Whose voice; by default the take's own, outside the time.
        prompt: A voice, as `SingingSynthesizer` takes it.
        seed: Of all sampling: another one sings it another way.
        places: What the two scores are called in errors.

    Raises:
        UserError: another kind of pack; a take of another rate, silent, or too short for its score;
            a score that differs in length or outside the time; no note begins within it; nothing is
            sung outside it, and no other voice is given.
    """
    pipeline, place = synthesizer.model.pipeline.with_seed(seed), str(take)
    masked = pipeline.steps.get("masked")
    if not isinstance(masked, MaskedStep):
        raise UserError("pack", "no masked generators", "a pack that can fill in bars")
    fs, fps = synthesizer.fs, synthesizer.fps
    whole, _ = read_wav(take, fs)
    if np.abs(whole).max(initial=0) < SILENCE_LEVEL:
        raise UserError(take, "silence", "a take")
    old = _timed(synthesizer, score, places[0], singer)
    wav, old = fit_audio(whole, fs, fps, old, place)
    new = old
    if new_score is not None:
        _require_same_around(score, new_score, (start_sec, end_sec), fps, places)
        new = _timed(synthesizer, new_score, places[1], singer, seed)
        if new.duration_sec < old.duration_sec:
            new = extend_with_rest(new, old.duration_sec)
    begin, end = _frames_of(old, new, start_sec, end_sec, fps, places)
    in_frames = pipeline.steps["frames"]({"score": [old, new]}, places)
    frames = splice(*in_frames["score_frames"], begin, end)

    tokens, gain = _tokens_of(synthesizer, wav)
    if prompt is not None or singer is not None:
        voice = synthesizer.voice_tokens(singer, prompt)
    else:
        voice = _own_voice(tokens, frames, begin, end)

    context = round(CONTEXT_SEC * fps)
    first, last = max(0, begin - context), min(len(tokens), end + context)
    kept = torch.ones(last - first, dtype=torch.bool)
    kept[begin - first : end - first] = False
    window = [frames[first:last]], [tokens[first:last]], [voice], [kept]
    sung, filled = _filled(pipeline, masked, window, seed, place)

    per_token = synthesizer.tokenizers.mel.samples_per_token
    piece = sung[(begin - first) * per_token : (end - first) * per_token] / gain
    edited = np.pad(whole, (0, max(0, len(wav) - len(whole))))
    fade_into(edited, piece, begin * per_token, round(FADE_SEC * fs))
    tokens[first:last] = filled
    timing = "label" if (new_score or score).phones else "model"
    return Edited(edited, fs, new, timing, tokens, begin, end)


def _tokens_of(synthesizer: SingingSynthesizer, wav: np.ndarray) -> tuple[LongTensor, float]:
    """Tokens (F, nq) of samples as loud as the pack's own prompts, and the gain of that."""
    loud = at_level(wav, synthesizer.tokenizers.mel, synthesizer.prompt_level)
    return synthesizer.tokenizers.encode(loud), float(loud.abs().max() / np.abs(wav).max())


def _filled(
    pipeline: Pipeline,
    masked: MaskedStep,
    window: tuple[list[Tensor], ...],
    seed: int,
    place: str,
) -> tuple[np.ndarray, LongTensor]:
    """Samples and tokens of a window, filled in; `window` is what `MaskedStep.fill` takes."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        filled = masked.fill(*window)
        columns = {**filled, "score_frames": window[0], "prompt": window[2]}
        samples, _ = pipeline.after("masked")(columns, [place])["wav"][0]
    return samples.cpu().numpy(), filled["codec_ssl"][0]


def splice(old: LongTensor, new: LongTensor, begin: int, end: int) -> LongTensor:
    """Score frames (F, 4) of `new` from `begin` to `end`, and of `old` elsewhere.

    Phones and notes are numbered anew, so that each has a number of its own.
    """
    frames = old.clone()
    frames[begin:end] = new[begin:end]
    for column in (PHONE_INDEX_COLUMN, NOTE_COLUMN):
        starts, of_new = (torch.diff(f[:, column], prepend=f[:1, column]) != 0 for f in (old, new))
        starts[begin:end] = of_new[begin:end]
        frames[:, column] = starts.long().cumsum(0)
    return frames


def fade_into(samples: np.ndarray, piece: np.ndarray, at: int, fade: int) -> None:
    """Put a piece into samples (N,), from sample `at` on, in place.

    Both of its ends are faded within it; nothing outside it changes. At the ends of the samples
    there is nothing to fade into.
    """
    piece = piece[: len(samples) - at]
    weight = np.ones(len(piece), samples.dtype)
    n = min(fade, len(piece) // 2)
    ramp = np.linspace(0, 1, n, dtype=samples.dtype)
    if at > 0:
        weight[:n] = ramp
    if at + len(piece) < len(samples):
        weight[len(piece) - n :] = ramp[::-1]
    target = samples[at : at + len(piece)]
    target += weight * (piece - target)


def _timed(
    synthesizer: SingingSynthesizer,
    score: MusicScore,
    place: str,
    singer: str | None,
    seed: int = 0,
) -> MusicScore:
    score = synthesizer.model.about.prepare(score, place, singer)
    return synthesizer.timed(score, place, seed)


def _begins_within(note: Note, start_sec: float, end_sec: float, fps: float) -> bool:
    near = 0.5 / fps  # half a frame: bars and notes may be rounded in other ways
    return start_sec - near <= note.start_sec < end_sec - near


def _require_same_around(
    score: MusicScore,
    new_score: MusicScore,
    time: tuple[float, float],
    fps: float,
    places: tuple[str, str],
) -> None:
    """Refuse a new score that is of another length, or of other notes outside the time."""
    ends = [s.notes[-1].end_sec for s in (score, new_score)]
    if round(ends[0] * fps) != round(ends[1] * fps):
        expected = f"{ends[0]:.3f} s, as the take's: bars cannot change their length"
        raise UserError(places[1], f"{ends[1]:.3f} s", expected)
    old_notes, new_notes = (
        [
            f"{note.lyric} ({note.midi}) at {note.start_sec:.2f} s"
            for note in s.notes
            if not note.is_rest and not _begins_within(note, *time, fps)
        ]
        for s in (score, new_score)
    )
    for was, now in zip_longest(old_notes, new_notes, fillvalue="nothing"):
        if was != now:
            expected = f"{was}: outside what is sung again it is as the take's"
            raise UserError(places[1], now, expected)


def _frames_of(
    old: MusicScore,
    new: MusicScore,
    start_sec: float,
    end_sec: float,
    fps: float,
    places: tuple[str, str],
) -> tuple[int, int]:
    """First frame that is sung again, and the one after the last.

    Consonants may lead the beat: it begins with the first phone of the first note, of either
    score, and ends before the first phone of the take's note after the last.
    """
    begins = []
    for score, place in zip((old, new), places, strict=True):
        within = [
            k for k, n in enumerate(score.notes) if _begins_within(n, start_sec, end_sec, fps)
        ]
        if not any(not score.notes[k].is_rest for k in within):
            found = f"no note begins within {start_sec:.3f}-{end_sec:.3f} s"
            raise UserError(place, found, f"a part of {score.duration_sec:.3f} s")
        begins.append(_start_of_phones(score, within[0]))
        if score is old:
            ends_sec = _start_of_phones(old, within[-1] + 1)
    begin, end = (int(np.floor(sec * fps + 0.5 + 1e-6)) for sec in (min(begins), ends_sec))
    return begin, max(end, begin + 1)


def _start_of_phones(score: MusicScore, note: int) -> float:
    """Where the first phone of a note begins (s), or the score ends."""
    starts = [phone.start_sec for phone in score.phones if phone.note >= note]
    return starts[0] if starts else score.duration_sec


def _own_voice(tokens: LongTensor, frames: LongTensor, begin: int, end: int) -> LongTensor:
    """The frames of a take that sing, outside what is sung again."""
    sung = frames[:, MIDI_COLUMN] > 0
    sung[begin:end] = False
    if not sung.any():
        found = "all that it sings is sung again"
        raise UserError("take", found, "a voice: --singer, --prompt or --voice")
    return tokens[sung]
