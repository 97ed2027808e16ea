"""Plain spoken utterances of a singer: espeak-ng's natural speech in the singer's timbre.

A spoken utterance has a score as well, so that a model of singing can learn from speech: a note a
syllable, of the semitone nearest to the syllable's median F0, with espeak's own phone times.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espnet2_ext.audio.pitch import hz_to_midi
from espnet2_ext.corpora.mini.espeak import Espeak, Speech
from espnet2_ext.corpora.mini.lexicon import Word
from espnet2_ext.corpora.mini.singers import Singer
from espnet2_ext.corpora.mini.stretch import FRAME_SEC
from espnet2_ext.corpora.mini.voice import (
    PINYIN_VOICE,
    SPLICED,
    analyse,
    say,
    to_rate,
    warp_bins,
)
from espnet2_ext.score.music_score import REST_MIDI, SILENCE, MusicScore, Note, Phone
from espnet2_ext.score.phones import syllable_to_phones

_WORDS = (4, 8)
_RATES = (135, 175)  # words per minute
_PEAK = 0.5
_TINY = 1e-14


@dataclass(frozen=True)
class Spoken:
    """A spoken utterance before the singer's timbre.

    Args:
        hanzi: Text, a character a syllable.
        pinyin: Syllables with tone digits.
        ends_sec: End of every phone (s); the first begins at 0, after the last comes silence.
        wav: espeak's audio (N,) at `fs`.
    """

    hanzi: str
    pinyin: tuple[str, ...]
    ends_sec: tuple[float, ...]
    wav: np.ndarray
    fs: int


def speak(
    singer: Singer, seconds: float, words: Sequence[Word], rng: np.random.Generator, espeak: Espeak
) -> list[Spoken]:
    """Say sentences of random words until `seconds` of speech are reached."""
    sayable = [word for word in words if not SPLICED.keys() & set(word.toneless)]
    spoken: list[Spoken] = []
    total = 0.0
    while total < seconds:
        count = int(rng.integers(_WORDS[0], _WORDS[1] + 1))
        sentence = [sayable[i] for i in rng.choice(len(sayable), count, replace=False)]
        pinyin = tuple(syllable for word in sentence for syllable in word.syllables)
        rate = int(rng.integers(_RATES[0], _RATES[1] + 1))
        speech = say(espeak, " ".join(pinyin), f"{PINYIN_VOICE}+{singer.variant}", rate)
        hanzi = "".join(word.hanzi for word in sentence)
        spoken.append(Spoken(hanzi, pinyin, phone_ends(speech, pinyin), speech.wav, speech.fs))
        total += len(speech.wav) / speech.fs
    return spoken


def phone_ends(speech: Speech, pinyin: Sequence[str]) -> tuple[float, ...]:
    """End (s) of every phone of what espeak said; a stop's closure belongs to the stop.

    Raises:
        ValueError: espeak's syllables are not those of the text.
    """
    ends: list[float] = []
    started: list[float] = []
    syllables = iter(pinyin)
    for sample, name in speech.events:
        if name == "_|":  # a syllable is over
            if len(syllable_to_phones(next(syllables, ""))) == 2:
                ends.append(started[1])
            ends.append(sample / speech.fs)
            started = []
        elif not name.startswith("_"):
            started.append(sample / speech.fs)
    if next(syllables, None) is not None:
        raise ValueError(f"espeak-ng said fewer syllables than {' '.join(pinyin)}")
    return tuple(ends)


@dataclass(frozen=True)
class Coloured:
    """A singer's speech: audio (N,) and its score, a note a syllable."""

    wav: np.ndarray
    score: MusicScore


def colour(spoken: Spoken, singer: Singer, fs: int) -> Coloured:
    """Give speech the singer's formants, pitch and breathiness, at `fs`."""
    import pyworld

    wav = to_rate(spoken.wav, spoken.fs, fs)
    f0, sp, ap = analyse(wav, fs)
    voiced = f0 > 0
    scale = singer.speaking_hz / np.median(f0[voiced])
    sp = np.exp(warp_bins(np.log(sp + _TINY), singer.warp, fs))
    ap = np.where(voiced[:, None], np.clip(ap, 1e-3, 1) ** singer.breathiness, 1.0)
    wav = pyworld.synthesize(f0 * scale, np.ascontiguousarray(sp), ap, fs, FRAME_SEC * 1000)[
        : len(wav)
    ]
    wav = wav * (_PEAK / max(np.abs(wav).max(), 1e-9))
    return Coloured(wav, _score(spoken, f0 * scale, len(wav) / fs))


def _score(spoken: Spoken, f0: np.ndarray, duration_sec: float) -> MusicScore:
    notes: list[Note] = []
    phones: list[Phone] = []
    ends = iter(spoken.ends_sec)
    at = 0.0
    for lyric, syllable in zip(spoken.hanzi, spoken.pinyin, strict=True):
        start = at
        for phone in syllable_to_phones(syllable):
            begin, at = at, next(ends)
            phones.append(Phone(begin, at, phone, len(notes)))
        heard = f0[round(start / FRAME_SEC) : round(at / FRAME_SEC)]
        heard = heard[heard > 0] if (heard > 0).any() else f0[f0 > 0]
        midi = round(hz_to_midi(np.median(heard)))
        notes.append(Note(start, at, midi, lyric, syllable_to_phones(syllable)))
    phones.append(Phone(at, duration_sec, SILENCE, len(notes)))
    notes.append(Note(at, duration_sec, REST_MIDI, phones=(SILENCE,)))
    return MusicScore(tuple(notes), tuple(phones))
