"""The songs of the corpus as they are written: who sings what, and over which chords."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any

import numpy as np

from espnet2_ext.corpora.mini.composer import (
    METRES,
    Metre,
    Setting,
    Slot,
    SungPhrase,
    WordChooser,
    melodies,
    put_words,
)
from espnet2_ext.corpora.mini.jobs import rng_of
from espnet2_ext.corpora.mini.singers import Singer
from espnet2_ext.corpora.mini_song.arrangement import Clip
from espnet2_ext.corpora.mini_song.config import LANGUAGES, SETS, SongConfig, share_of
from espnet2_ext.corpora.mini_song.genres import GENRES, Genre
from espnet2_ext.corpora.mini_song.harmony import harmonise, is_minor
from espnet2_ext.corpora.mini_song.lexicons import lyrics_of, written
from espnet2_ext.corpora.mini_song.values import ATMOSPHERES, Atmosphere, kept_apart, rhythm_word
from espnet2_ext.corpora.mini_song.voices import Speaker
from espnet2_ext.score.music_score import SILENCE

CLIPS = 3  # of a song
LONGEST_SEC = 19.5
_PHRASES = (1, 2, 2, 3)
_WITH_INTRO = 0.6  # share of clips that begin with a bar without singing
_TAIL_QUARTERS = 2.0  # in which the last chord rings
_BREATH_QUARTERS = 0.5
_WIDTH_SEMITONES = 11  # of a melody
_CHORDAL = (1, 2, 2)  # instruments that play chords
_NOTES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")


@dataclass(frozen=True)
class SongClip:
    """A clip of a song, before anybody has sung or played it.

    Args:
        utt: Id.
        set_name: Of `SETS`.
        song: Id of its song.
        speaker: Who sings.
        phrase: What is sung, as written.
        clip: What is played.
        atmosphere: Of `ATMOSPHERES`.
        attributes: Of the clip, as ``attributes.jsonl`` has them.
    """

    utt: str
    set_name: str
    song: str
    speaker: Speaker
    phrase: SungPhrase
    clip: Clip
    atmosphere: str
    attributes: dict[str, Any]

    @property
    def singer(self) -> Singer:
        """The singer in the song's atmosphere."""
        singer = self.speaker.singer
        return replace(singer, tilt_db=singer.tilt_db + ATMOSPHERES[self.atmosphere].tilt_db)

    @property
    def lyrics(self) -> str:
        """Its words."""
        return written(self.phrase.words, self.phrase.score.language)


def plan_songs(config: SongConfig, speakers: Sequence[Speaker]) -> list[SongClip]:
    """Compose the clips of all sets, without any audio; deterministic in the options."""
    choosers = {
        code: WordChooser(lyrics_of(code).train, language=code, unit_of=lyrics_of(code).unit_of)
        for code in LANGUAGES
    }
    clips: list[SongClip] = []
    for key, set_name in enumerate(SETS):
        wanted = share_of(set_name) * config.song_minutes * 60
        seconds = 0.0
        index = 0
        while seconds < wanted:
            rng = rng_of(config.seed, "song", key, index)
            song = f"song{key}{index + 1:04d}"
            speaker = speakers[(index + key) % len(speakers)]
            chooser = choosers[LANGUAGES[(index + index // len(speakers)) % len(LANGUAGES)]]
            for clip in _compose(song, set_name, speaker, chooser, rng):
                clips.append(clip)
                seconds += clip.phrase.score.duration_sec
                if seconds >= wanted:
                    break
            index += 1
    return clips


def _compose(
    song: str, set_name: str, speaker: Speaker, words: WordChooser, rng: np.random.Generator
) -> Iterator[SongClip]:
    while True:
        name, atmosphere = str(rng.choice(list(GENRES))), str(rng.choice(list(ATMOSPHERES)))
        values = {"genre": name, "atmosphere": atmosphere, "age": speaker.age}
        if kept_apart(values) == (set_name == "test_combination"):
            break
    genre, mood = GENRES[name], ATMOSPHERES[atmosphere]
    setting = _setting(genre, mood, speaker.singer, rng)
    instruments = _instruments(genre, rng)
    verse, refrain = melodies(setting, rng)
    phrases = cycle((*verse, *refrain))
    for number in range(CLIPS):
        slots = _slots(phrases, setting, rng)
        bars = _bars(slots, setting.metre)
        chords = harmonise(bars, setting.tonic, setting.scale, genre.sevenths)
        clip = Clip(
            genre,
            instruments,
            chords,
            bar_quarters(setting.metre),
            sum(slot.quarters for slot in slots),
            setting.tempo,
            mood.velocity,
        )
        phrase = put_words(slots, setting.tempo, words, rng)
        attributes = {
            "kind": "song",
            "language": words.language,
            "gender": speaker.gender,
            "age": speaker.age,
            "genre": name,
            "instruments": list(instruments),
            "rhythm": {"bpm": setting.tempo, "word": rhythm_word(setting.tempo)},
            "metre": setting.metre.name,
            "key": key_name(setting.tonic, setting.scale),
            "atmosphere": atmosphere,
        }
        yield SongClip(
            f"{speaker.name}_{song}_{number + 1}",
            set_name, song, speaker, phrase, clip, atmosphere, attributes,
        )  # fmt: skip


def _setting(genre: Genre, mood: Atmosphere, singer: Singer, rng: np.random.Generator) -> Setting:
    slowest, fastest = genre.tempi
    tempo = round(slowest + (fastest - slowest) * rng.uniform(*mood.tempo))
    width = min(_WIDTH_SEMITONES, singer.high_midi - singer.low_midi)
    low = singer.low_midi + round(mood.register * (singer.high_midi - singer.low_midi - width))
    metre = next(metre for metre in METRES if metre.name == genre.metre)
    return Setting(metre, mood.scale, tempo, low + int(rng.integers(12)), low, low + width)


def _instruments(genre: Genre, rng: np.random.Generator) -> tuple[str, ...]:
    number = min(int(rng.choice(_CHORDAL)), len(genre.chordal))
    chosen = rng.choice(list(genre.chordal), number, replace=False).tolist()
    return (
        *(name for name in genre.chordal if name in chosen),
        *(["bass"] if rng.random() < genre.with_bass else []),
        *(["drums"] if rng.random() < genre.with_drums else []),
    )


def bar_quarters(metre: Metre) -> float:
    """Length of a bar in quarters."""
    beats, unit = (int(part) for part in metre.name.split("/"))
    return beats * 4 / unit


def key_name(tonic: int, scale: str) -> str:
    """A key as it is written: ``A minor``."""
    return f"{_NOTES[tonic % 12]} {'minor' if is_minor(scale) else 'major'}"


def _slots(phrases: Iterator[list[Slot]], setting: Setting, rng: np.random.Generator) -> list[Slot]:
    """A clip's melody with its rests."""
    bar = bar_quarters(setting.metre)
    number = int(rng.choice(_PHRASES))
    intro = bar if rng.random() < _WITH_INTRO else 0.0
    longest = LONGEST_SEC * setting.tempo / 60
    while number > 1 and intro + number * bar * setting.metre.bars + _TAIL_QUARTERS > longest:
        number -= 1
    slots = [Slot(intro, rest=SILENCE)] if intro else []
    for phrase in islice(phrases, number):
        slots += [replace(slot) for slot in phrase]
        if slots[-1].quarters > _BREATH_QUARTERS:
            slots[-1].quarters -= _BREATH_QUARTERS
            slots.append(Slot(_BREATH_QUARTERS))
    breath = 0.0 if slots[-1].midi else slots.pop().quarters  # after which nothing is sung
    return [*slots, Slot(breath + _TAIL_QUARTERS, rest=SILENCE)]


def _bars(slots: Sequence[Slot], metre: Metre) -> list[list[tuple[int, float]]]:
    """The sung notes of each bar, as `harmonise` takes them; the tail is no bar."""
    bar = bar_quarters(metre)
    total = sum(slot.quarters for slot in slots) - _TAIL_QUARTERS
    bars: list[list[tuple[int, float]]] = [[] for _ in range(round(total / bar))]
    at = 0.0
    for slot in slots:
        if slot.midi:
            bars[int(at // bar)].append((slot.midi, slot.quarters))
        at += slot.quarters
    return bars
