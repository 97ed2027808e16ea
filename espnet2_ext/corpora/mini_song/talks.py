"""What is spoken in the corpus, before it is said: single speakers, and dialogues of two."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from espnet2_ext.corpora.mini.jobs import rng_of
from espnet2_ext.corpora.mini.manner import Manner
from espnet2_ext.corpora.mini.speech import sayable
from espnet2_ext.corpora.mini.words import SungWord
from espnet2_ext.corpora.mini_song.config import LANGUAGES, SETS, SongConfig, share_of
from espnet2_ext.corpora.mini_song.lexicons import lyrics_of, written
from espnet2_ext.corpora.mini_song.values import (
    ACCENTS,
    EMOTIONS,
    STYLES,
    heard_together,
    kept_apart,
)
from espnet2_ext.corpora.mini_song.voices import Speaker
from espnet2_ext.score.speaker_tags import speaker_tag

WORDS_PER_MINUTE = 150  # of espeak-ng, in a plain manner
_FASTEST = 215  # words a minute: faster, phones are gone
DIALOGUES = 0.25  # share of the minutes of speech
PAUSE_SEC = 0.18  # between phrases, where the manner has no longer one
TURN_GAP_SEC = (0.2, 0.5)
_SYLLABLES_PER_SEC = {"zh": 3.7, "en": 3.6}  # of WORDS_PER_MINUTE, about
_PHRASES = (1, 2, 2, 3, 4)
_WORDS = (2, 4)  # of a phrase
_TURNS = (2, 3, 4)
_TURN_WORDS = (3, 5)
_LONGEST_SEC = 17.0  # by the estimate
_DIALOGUE_STYLE = "conversational"


@dataclass(frozen=True)
class Turn:
    """What one speaker says at a time.

    Args:
        name: Unique among all turns.
        speaker: Who says it.
        language: ISO 639 code.
        emotion: Of `EMOTIONS`.
        style: Of `STYLES`.
        accent: Of `ACCENTS` of the language.
        phrases: Words, with pauses between phrases.
    """

    name: str
    speaker: Speaker
    language: str
    emotion: str
    style: str
    accent: str
    phrases: tuple[tuple[SungWord, ...], ...]

    @property
    def manner(self) -> Manner:
        """How it is said: by emotion, style and age."""
        accent = ACCENTS[self.language][self.accent].manner
        return EMOTIONS[self.emotion] + STYLES[self.style] + accent + self.speaker.manner

    @property
    def pause_sec(self) -> float:
        """Silence between its phrases."""
        return max(PAUSE_SEC, self.manner.pause_sec)

    @property
    def lyrics(self) -> str:
        """Its words."""
        return written([word for phrase in self.phrases for word in phrase], self.language)

    @property
    def words_per_minute(self) -> int:
        """espeak-ng's pace; speakers differ by the root of what they differ by when singing."""
        own = self.speaker.singer.habits.speaking_rate**0.5
        return min(_FASTEST, round(WORDS_PER_MINUTE * own * self.manner.rate))

    @property
    def about_sec(self) -> float:
        """An estimate of its length (s)."""
        syllables = sum(len(word.sung) for phrase in self.phrases for word in phrase)
        pace = _SYLLABLES_PER_SEC[self.language] * self.words_per_minute / WORDS_PER_MINUTE
        return syllables / pace + (len(self.phrases) - 1) * self.pause_sec

    @property
    def attributes(self) -> dict[str, str]:
        """Of its speaker, as ``attributes.jsonl`` has them."""
        return {
            "gender": self.speaker.gender,
            "age": self.speaker.age,
            "emotion": self.emotion,
            "style": self.style,
            "accent": self.accent,
        }


@dataclass(frozen=True)
class Talk:
    """A spoken utterance: one turn, or a dialogue of two speakers by turns.

    Args:
        utt: Id.
        set_name: Of `SETS`.
        turns: In order; the first speaker of a dialogue is S0.
    """

    utt: str
    set_name: str
    turns: tuple[Turn, ...]

    @property
    def is_dialogue(self) -> bool:
        return len(self.turns) > 1

    @property
    def tags(self) -> tuple[str, ...]:
        """The tag of each turn's speaker; of a single speaker there are none."""
        return tuple(speaker_tag(k % 2) for k in range(len(self.turns))) * self.is_dialogue

    @property
    def lyrics(self) -> str:
        """Its words, behind the tags of a dialogue."""
        if not self.is_dialogue:
            return self.turns[0].lyrics
        turns = zip(self.tags, self.turns, strict=True)
        return " ".join(f"{tag} {turn.lyrics}" for tag, turn in turns)

    @property
    def attributes(self) -> dict[str, Any]:
        """As ``attributes.jsonl`` has them, but for the times of turns."""
        language = self.turns[0].language
        if not self.is_dialogue:
            return {"kind": "speech", "language": language, **self.turns[0].attributes}
        speakers = [
            {"tag": tag, "speaker": turn.speaker.name, **turn.attributes}
            for tag, turn in zip(self.tags[:2], self.turns[:2], strict=True)
        ]
        return {"kind": "dialogue", "language": language, "speakers": speakers}


def plan_talks(config: SongConfig, speakers: Sequence[Speaker]) -> list[Talk]:
    """What is said in all sets; deterministic in the options."""
    talks: list[Talk] = []
    for key, set_name in enumerate(SETS):
        share = share_of(set_name)
        for kind, part in (("speech", 1 - DIALOGUES), ("dialogue", DIALOGUES)):
            seconds = 0.0
            index = 0
            while seconds < share * part * config.speech_minutes * 60:
                rng = rng_of(config.seed, kind, key, index)
                language = LANGUAGES[(index + index // len(speakers)) % len(LANGUAGES)]
                first = speakers[(index + key) % len(speakers)]
                utt = f"{first.name}_{kind}{key}{index + 1:04d}"
                if kind == "speech":
                    turns = (_speech(utt, set_name, first, language, rng),)
                else:
                    others = [who for who in speakers if who is not first]
                    second = others[rng.integers(len(others))]
                    turns = tuple(_dialogue(utt, set_name, (first, second), language, rng))
                talks.append(Talk(utt, set_name, turns))
                seconds += sum(turn.about_sec for turn in turns)
                index += 1
    return talks


def _manner(
    set_name: str, speaker: Speaker, styles: Sequence[str], rng: np.random.Generator
) -> tuple[str, str]:
    """Draw emotion and style; only `test_combination` has pairs that are kept apart."""
    while True:
        emotion, style = str(rng.choice(list(EMOTIONS))), str(rng.choice(styles))
        values = {"emotion": emotion, "style": style, "age": speaker.age}
        if heard_together(values) and kept_apart(values) == (set_name == "test_combination"):
            return emotion, style


def _phrase(
    words: Sequence[SungWord], between: tuple[int, int], rng: np.random.Generator
) -> tuple[SungWord, ...]:
    number = int(rng.integers(between[0], between[1] + 1))
    return tuple(words[index] for index in rng.choice(len(words), number, replace=False))


def _accent(language: str, style: str, rng: np.random.Generator) -> str:
    """Draw an accent that is heard in the style: a whisper has no tones."""
    heard = list(ACCENTS[language])
    if STYLES[style].whispered and language == "zh":
        heard = heard[:1]
    return str(rng.choice(heard))


def _speech(
    utt: str, set_name: str, speaker: Speaker, language: str, rng: np.random.Generator
) -> Turn:
    words = sayable(lyrics_of(language))
    emotion, style = _manner(set_name, speaker, list(STYLES), rng)
    accent = _accent(language, style, rng)
    phrases = [_phrase(words, _WORDS, rng) for _ in range(int(rng.choice(_PHRASES)))]
    while True:
        turn = Turn(utt, speaker, language, emotion, style, accent, tuple(phrases))
        if len(phrases) == 1 or turn.about_sec < _LONGEST_SEC:
            return turn
        phrases.pop()


def _dialogue(
    utt: str,
    set_name: str,
    speakers: tuple[Speaker, Speaker],
    language: str,
    rng: np.random.Generator,
) -> Iterator[Turn]:
    words = sayable(lyrics_of(language))
    drawn = [
        (
            *_manner(set_name, speaker, [_DIALOGUE_STYLE], rng),
            _accent(language, _DIALOGUE_STYLE, rng),
        )
        for speaker in speakers
    ]
    seconds = 0.0
    for number in range(int(rng.choice(_TURNS))):
        phrase = _phrase(words, _TURN_WORDS, rng)
        who = number % 2
        turn = Turn(f"{utt}_{number}", speakers[who], language, *drawn[who], (phrase,))
        seconds += turn.about_sec
        if number > 1 and seconds > _LONGEST_SEC:
            return
        yield turn
