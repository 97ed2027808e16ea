"""Plain spoken utterances of a singer: espeak-ng's natural speech in the singer's timbre."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espnet2_ext.corpora.mini.espeak import Espeak
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

_WORDS = (4, 8)
_RATES = (135, 175)  # words per minute
_PEAK = 0.5
_TINY = 1e-14


@dataclass(frozen=True)
class Spoken:
    """A spoken utterance before the singer's timbre: text and espeak's audio (N,) at `fs`."""

    hanzi: str
    pinyin: tuple[str, ...]
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
        spoken.append(Spoken("".join(w.hanzi for w in sentence), pinyin, speech.wav, speech.fs))
        total += len(speech.wav) / speech.fs
    return spoken


def colour(spoken: Spoken, singer: Singer, fs: int) -> np.ndarray:
    """Give speech the singer's formants, pitch and breathiness: audio (N,) at `fs`."""
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
    return wav * (_PEAK / max(np.abs(wav).max(), 1e-9))
