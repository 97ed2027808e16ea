"""Plain spoken utterances of a singer: espeak-ng's natural speech in the singer's timbre.

A spoken utterance has a score as well, so that a model of singing can learn from speech: a note a
syllable, of the semitone nearest to the syllable's median F0, with espeak's own phone times.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from espnet2_ext.audio.pitch import hz_to_midi
from espnet2_ext.corpora.mini.english_voice import ENGLISH_VOICE, say_phones
from espnet2_ext.corpora.mini.espeak import Espeak, Speech
from espnet2_ext.corpora.mini.manner import Manner
from espnet2_ext.corpora.mini.singers import Singer
from espnet2_ext.corpora.mini.stretch import FRAME_SEC
from espnet2_ext.corpora.mini.timbre import (
    NEPERS_PER_DB,
    bin_hz,
    octaves_above_1k,
    with_breathiness,
)
from espnet2_ext.corpora.mini.voice import (
    PINYIN_VOICE,
    SPLICED,
    analyse,
    say,
    to_rate,
    with_timbre,
)
from espnet2_ext.corpora.mini.words import Lyrics, SungSyllable, SungWord
from espnet2_ext.score.music_score import REST_MIDI, SILENCE, MusicScore, Note, Phone
from espnet2_ext.score.phones import syllable_to_phones

_WORDS = (4, 8)
_RATES = (135, 175)  # words per minute
_PEAK = 0.5
_RMS, _MOST_PEAK = 0.07, 0.95  # of speech in a manner
_TINY = 1e-14
STANDARD_TONES: Mapping[str, str] = MappingProxyType({})
_SOFTEST_DB = 20.0  # that a voice's effort follows


@dataclass(frozen=True)
class Spoken:
    """A spoken utterance before the singer's timbre.

    Args:
        language: ISO 639 code.
        syllables: In order.
        ends_sec: End of every phone (s); the first begins at 0, after the last comes silence.
        wav: espeak's audio (N,) at `fs`.
    """

    language: str
    syllables: tuple[SungSyllable, ...]
    ends_sec: tuple[float, ...]
    wav: np.ndarray
    fs: int

    @property
    def text(self) -> str:
        """Language and syllables as JSON."""
        return json.dumps([self.language, [[s.unit, s.phones, s.written] for s in self.syllables]])

    @classmethod
    def of_text(cls, text: str, ends_sec: Sequence[float], wav: np.ndarray, fs: int) -> "Spoken":
        """The inverse of `text`."""
        language, rows = json.loads(text)
        syllables = tuple(SungSyllable(unit, tuple(phones), form) for unit, phones, form in rows)
        return cls(language, syllables, tuple(ends_sec), wav, fs)


def speak(
    singer: Singer, seconds: float, lyrics: Lyrics, rng: np.random.Generator, espeak: Espeak
) -> list[Spoken]:
    """Say sentences of random words until `seconds` of speech are reached."""
    words = sayable(lyrics)
    habits = singer.habits
    say_words = say_english if lyrics.language == "en" else say_mandarin
    spoken: list[Spoken] = []
    total = 0.0
    while total < seconds:
        count = int(rng.integers(_WORDS[0], _WORDS[1] + 1))
        sentence = [words[i] for i in rng.choice(len(words), count, replace=False)]
        rate = round(int(rng.integers(_RATES[0], _RATES[1] + 1)) * habits.speaking_rate)
        spoken.append(say_words(sentence, singer.variant, rate, habits.speaking_span, espeak))
        total += len(spoken[-1].wav) / spoken[-1].fs
    return spoken


def sayable(lyrics: Lyrics) -> list[SungWord]:
    """The words of training that espeak-ng says whole."""
    return [word for word in lyrics.train if not SPLICED.keys() & {s.unit for s in word.sung}]


def say_mandarin(
    sentence: Sequence[SungWord],
    variant: str,
    rate: int,
    span: int,
    espeak: Espeak,
    tones: Mapping[str, str] = STANDARD_TONES,
) -> Spoken:
    """Say words in an espeak-ng variant.

    Args:
        sentence: Words of `lexicon`.
        variant: Of espeak-ng's voice.
        rate: Words per minute.
        span: espeak-ng's pitch range (0 to 100).
        espeak: Whose state moves on.
        tones: The tone that each of the standard language's is said in, where it is another.
    """
    pinyin = [syllable for word in sentence for syllable in word.syllables]
    said = [syllable[:-1] + tones.get(syllable[-1], syllable[-1]) for syllable in pinyin]
    speech = say(espeak, " ".join(said), f"{PINYIN_VOICE}+{variant}", rate, span=span)
    return _spoken("zh", sentence, phone_ends(speech, said), speech)


def say_english(
    sentence: Sequence[SungWord],
    variant: str,
    rate: int,
    span: int,
    espeak: Espeak,
    voice: str = ENGLISH_VOICE,
) -> Spoken:
    """Say words of `english`, as `say_mandarin`; `voice` is the language's in espeak-ng."""
    words = [[syllable.phones for syllable in word.sung] for word in sentence]
    speech, edges = say_phones(espeak, words, f"{voice}+{variant}", rate, span=span)
    return _spoken("en", sentence, tuple(edge / speech.fs for edge in edges[1:]), speech)


def _spoken(
    language: str, sentence: Sequence[SungWord], ends_sec: tuple[float, ...], speech: Speech
) -> Spoken:
    syllables = tuple(syllable for word in sentence for syllable in word.sung)
    return Spoken(language, syllables, ends_sec, speech.wav, speech.fs)


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


def colour(
    spoken: Spoken,
    singer: Singer,
    fs: int,
    manner: Manner | None = None,
    rng: np.random.Generator | None = None,
) -> Coloured:
    """Give speech the singer's timbre, pitch and breathiness, at `fs`.

    Args:
        spoken: What espeak-ng said, at the pace of the manner.
        singer: Whose voice it becomes.
        fs: Sampling rate (Hz).
        manner: How it is said; its loudness is then the speech's level, else all is equally loud.
        rng: Draws the manner's irregularity of pitch.
    """
    import pyworld

    wav = to_rate(spoken.wav, spoken.fs, fs)
    f0, sp, ap = analyse(wav, fs)
    voiced = f0 > 0
    f0 = f0 * (singer.speaking_hz / np.median(f0[voiced]))
    if manner is not None:
        f0 = manner.pitched(f0, rng)
    timbre = singer.timbre
    log_sp = with_timbre(np.log(sp + _TINY), voiced, singer.warp, timbre, fs)
    hz = bin_hz(log_sp.shape[1], fs)
    ap = with_breathiness(ap, singer.breathiness)
    if timbre is not None:
        power_db = 10 * np.log10(sp.mean(axis=1) + _TINY)
        effort_db = np.clip(power_db - power_db.max(), -_SOFTEST_DB, 0)
        tilt = NEPERS_PER_DB * singer.tilt_db * octaves_above_1k(hz)
        log_sp[voiced] += tilt + timbre.source_gain(f0, effort_db, hz)[voiced]
        ap = timbre.aperiodicity(ap, f0, effort_db, hz)
    if manner is not None:
        log_sp, ap = manner.coloured(log_sp, voiced, hz), manner.breathed(ap)
    ap = np.where(voiced[:, None], ap, 1.0)
    sp = np.exp(log_sp)
    heard = np.zeros_like(f0) if manner is not None and manner.whispered else f0
    wav = pyworld.synthesize(heard, np.ascontiguousarray(sp), ap, fs, FRAME_SEC * 1000)[: len(wav)]
    peak = max(np.abs(wav).max(), 1e-9)
    if manner is None:
        wav = wav * (_PEAK / peak)
    else:
        gain = _RMS / max(float(np.sqrt(np.mean(wav**2))), 1e-9) * 10 ** (manner.gain_db / 20)
        wav = wav * min(gain, _MOST_PEAK / peak)
    return Coloured(wav, _score(spoken, f0, len(wav) / fs))


def _score(spoken: Spoken, f0: np.ndarray, duration_sec: float) -> MusicScore:
    notes: list[Note] = []
    phones: list[Phone] = []
    ends = iter(spoken.ends_sec)
    at = 0.0
    for syllable in spoken.syllables:
        start = at
        for phone in syllable.phones:
            begin, at = at, next(ends)
            phones.append(Phone(begin, at, phone, len(notes)))
        heard = f0[round(start / FRAME_SEC) : round(at / FRAME_SEC)]
        heard = heard[heard > 0] if (heard > 0).any() else f0[f0 > 0]
        midi = round(hz_to_midi(np.median(heard)))
        notes.append(Note(start, at, midi, syllable.written, syllable.phones))
    phones.append(Phone(at, duration_sec, SILENCE, len(notes)))
    notes.append(Note(at, duration_sec, REST_MIDI, phones=(SILENCE,)))
    return MusicScore(tuple(notes), tuple(phones), language=spoken.language)
