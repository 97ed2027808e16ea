"""The songs of the embedded corpus, by split: who sings how many, and of how many phrases."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from espnet2_ext.corpora.mini.bank_voice import bank_singer
from espnet2_ext.corpora.mini.bank_words import bank_lyrics
from espnet2_ext.corpora.mini.cast import draw_cast
from espnet2_ext.corpora.mini.composer import Song, WordChooser, compose
from espnet2_ext.corpora.mini.config import CorpusConfig
from espnet2_ext.corpora.mini.english import english
from espnet2_ext.corpora.mini.lexicon import MANDARIN
from espnet2_ext.corpora.mini.singers import Singer, roster
from espnet2_ext.corpora.mini.voicebank import Voicebank
from espnet2_ext.corpora.mini.words import Lyrics

SPLITS = ("train", "dev", "test", "test_words", "test_singer")
TAKES_SPLIT = "test_takes"
_SPLIT_KEYS = {split: index for index, split in enumerate(SPLITS)}
_FIRST_SONG = 3001
_FULL_MINUTES = {"few": 50, "many": 70}  # from which the evaluation splits have their full size
_TINY = 0.1  # of the full size: songs of few phrases then
_MANY_KEY = 100  # songs of many singers are drawn from seeds of their own

# Few singers: utterances of each split, shared among its singers.
_EVAL_UTTERANCES = {"dev": 40, "test": 60, "test_words": 28, "test_singer": 32}
_MIN_EVAL_UTTERANCES = 2
_EVAL_PHRASES = 4  # of each song of a voicebank
_TRAIN_PHRASES = (8, 8, 12, 16)
_HELD_OUT_SONGS = 4


@dataclass(frozen=True)
class _Plan:
    """Songs of a split of many singers: so many singers with so many songs of so many phrases."""

    singers: int
    songs: int
    phrases: int


_PLANS = {
    "dev": _Plan(12, 1, 4),
    "test": _Plan(8, 3, 3),
    "test_words": _Plan(7, 1, 4),
    "test_singer": _Plan(8, 3, 3),
}
_MANY_TRAIN_PHRASES = (4, 4, 8)


@dataclass(frozen=True)
class Cast:
    """The singers of a corpus: those of training, and those held out of it."""

    training: tuple[Singer, ...]
    unseen: tuple[Singer, ...]

    @property
    def singers(self) -> tuple[Singer, ...]:
        return self.training + self.unseen


def cast_of(config: CorpusConfig, bank: Voicebank | None = None) -> Cast:
    """The cast that the options ask for; deterministic in `config` and the voicebank.

    Raises:
        UserError: the voicebank has no pitch.
    """
    if bank is not None:
        like = draw_cast(1, config.seed)[0] if config.cast == "many" else None
        return Cast((bank_singer(bank, like),), ())
    make = draw_cast if config.cast == "many" else roster
    singers = make(config.singers, config.seed)
    return Cast(singers[: -config.unseen], singers[-config.unseen :])


def lyrics_of(config: CorpusConfig, bank: Voicebank | None = None) -> tuple[Lyrics, ...]:
    """The words of each language that the options ask for, or of a voicebank."""
    if bank is not None:
        return (bank_lyrics(bank, config.seed),)
    return tuple(english() if code == "en" else MANDARIN for code in config.codes)


class _Choosers:
    """Draws of words, in the languages by turns.

    Songs of a singer stand next to each other or a whole cast apart: the turn is put off by one
    after each round of the cast, so that nobody keeps to one language.
    """

    def __init__(self, lyrics: Sequence[Lyrics], held_out: bool, n_singers: int) -> None:
        self._choosers = [
            WordChooser(
                of_language.held_out if held_out else of_language.train,
                language=of_language.language,
                unit_of=of_language.unit_of,
            )
            for of_language in lyrics
        ]
        self._n_singers = max(1, n_singers)

    def of_song(self, index: int) -> WordChooser:
        """Draws the words of a split's song."""
        turn = index + index // self._n_singers * (self._n_singers % len(self._choosers) == 0)
        return self._choosers[turn % len(self._choosers)]


class _Book:
    """Songs as they are composed, numbered in their order."""

    def __init__(self, seed: int, key: int) -> None:
        self.splits: dict[str, list[Song]] = {split: [] for split in SPLITS}
        self.seconds = 0.0
        self.number = _FIRST_SONG
        self._seed, self._key = seed, key

    def add(self, split: str, singer: Singer, n_phrases: int, choosers: _Choosers) -> None:
        songs = self.splits[split]
        words = choosers.of_song(len(songs))
        rng = np.random.default_rng([self._seed, self._key + _SPLIT_KEYS[split], len(songs)])
        song = compose(self.number, singer, n_phrases, words, rng)
        songs.append(song)
        self.number += 1
        self.seconds += sum(phrase.score.duration_sec for phrase in song.phrases)


def compose_corpus(config: CorpusConfig, bank: Voicebank | None = None) -> dict[str, list[Song]]:
    """Compose all songs by split, without any audio; deterministic in `config` and voicebank."""
    cast = cast_of(config, bank)
    lyrics = lyrics_of(config, bank)
    size = min(1.0, config.minutes / _FULL_MINUTES[config.cast])
    many = config.cast == "many"
    book = _Book(config.seed, _MANY_KEY if many else 0)
    for split in SPLITS[1:]:
        singers = cast.unseen if split == "test_singer" else cast.training
        if bank is not None:
            parts = _parts_of_one(split, singers, size)
        elif many:
            parts = _parts_of_many(split, singers, size)
        else:
            parts = _parts_of_few(split, singers, size)
        choosers = _Choosers(lyrics, split == "test_words", len({who.name for who, _ in parts}))
        for singer, n_phrases in parts:
            book.add(split, singer, n_phrases, choosers)
    choosers = _Choosers(lyrics, False, len(cast.training))
    lengths = np.random.default_rng([config.seed, 99])
    choices = _MANY_TRAIN_PHRASES if many else _TRAIN_PHRASES
    while book.seconds < config.minutes * 60 or len(book.splits["train"]) < len(cast.training):
        singer = cast.training[len(book.splits["train"]) % len(cast.training)]
        n_phrases = int(lengths.choice(choices)) if size > _TINY else 2
        book.add("train", singer, n_phrases, choosers)
    splits = book.splits
    again = [song for _ in range(config.takes - 1) for song in splits["test"]]
    if again:
        splits[TAKES_SPLIT] = [
            replace(song, number=book.number + k) for k, song in enumerate(again)
        ]
    return splits


def _parts_of_few(split: str, singers: Sequence[Singer], size: float) -> list[tuple[Singer, int]]:
    """Singer and number of phrases of every song of a split."""
    wanted = max(_MIN_EVAL_UTTERANCES, round(_EVAL_UTTERANCES[split] * size))
    who = tuple(singers) * _HELD_OUT_SONGS if split == "test_singer" else singers
    who = who[:wanted]
    return [(singer, math.ceil(wanted / len(who))) for singer in who]


def _parts_of_one(split: str, singers: Sequence[Singer], size: float) -> list[tuple[Singer, int]]:
    """Singer and number of phrases of every song of a split that one singer sings, if at all."""
    wanted = max(_MIN_EVAL_UTTERANCES, round(_EVAL_UTTERANCES[split] * size))
    phrases = min(_EVAL_PHRASES, wanted)
    return [(singer, phrases) for singer in singers for _ in range(math.ceil(wanted / phrases))]


def _parts_of_many(split: str, singers: Sequence[Singer], size: float) -> list[tuple[Singer, int]]:
    """Singer and number of phrases of every song of a split, singers spread over the cast."""
    plan = _PLANS[split]
    n_singers = min(plan.singers, len(singers))
    if split != "test_singer":  # every unseen singer is heard, however small the corpus
        n_singers = min(n_singers, max(2, round(plan.singers * size)))
    shift = _SPLIT_KEYS[split]
    who = []
    for k in range(n_singers):  # women and men by turns, as they stand in the cast
        pool = singers[k % 2 :: 2] or singers
        wanted = (n_singers + 1 - k % 2) // 2
        who.append(pool[(k // 2 * len(pool) // wanted + shift) % len(pool)])
    n_songs = max(1, round(plan.songs * size))
    n_phrases = plan.phrases if size > _TINY else 1
    return [(singer, n_phrases) for singer in who for _ in range(n_songs)]
