"""The embedded corpus: composed songs, sung and spoken by synthetic singers, in Opencpop's layout.

Composition is one cheap sequential pass. espeak-ng keeps state between calls, so each singer's
syllables and speech come from a process of their own, in a fixed order; songs are then performed
and rendered independently of one another. Hence samples depend on the options alone, not on `nj`.
A killed run continues: what is on disk is whole, as every file is renamed into place.
"""

import logging
import math
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.corpora.mini.composer import Song, WordChooser, compose
from espnet2_ext.corpora.mini.layout import (
    COMMENT,
    SPOKEN_COMMENT,
    write_midi,
    write_notes,
    write_segments,
    write_speech,
)
from espnet2_ext.corpora.mini.lexicon import HELD_OUT_WORDS, TRAIN_WORDS
from espnet2_ext.corpora.mini.performance import perform
from espnet2_ext.corpora.mini.render import render
from espnet2_ext.corpora.mini.singers import Singer, roster
from espnet2_ext.corpora.mini.speech import Spoken, colour, speak
from espnet2_ext.corpora.mini.voice import Voice
from espnet2_ext.errors import UserError
from espnet2_ext.files import atomic_path, read_json, remove_parts, write_json, write_text
from espnet2_ext.lock import NAME as LOCK
from espnet2_ext.lock import hold
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.workers import worker_pool

SPLITS = ("train", "dev", "test", "test_words", "test_singer")
F0_HOP_SEC = 0.01
MAX_FREEDOM = 4.0  # beyond it notes lose their pitch
_VERSION = 3
_FIRST_SONG = 3001
_FULL_MINUTES = 50  # the size for which the evaluation splits have their full number of utterances
_EVAL_UTTERANCES = {"dev": 40, "test": 60, "test_words": 28, "test_singer": 32}
_MIN_EVAL_UTTERANCES = 2
_TRAIN_PHRASES = (8, 8, 12, 16)
_HELD_OUT_SONGS = 4
TAKES_SPLIT = "test_takes"
_SPLIT_KEYS = {split: index for index, split in enumerate(SPLITS)}


@dataclass(frozen=True)
class CorpusConfig:
    """What determines the corpus.

    Args:
        minutes: Singing in all splits together (min), about.
        speech_minutes: Speech of all singers together (min), about; 0 for none.
        singers: Singers, of which the last is held out of training.
        seed: Any non-negative integer.
        fs: Sampling rate (Hz).
        freedom: How far takes of a score may differ: factor on the spread of timing, pitch,
            vibrato, loudness and voice quality that each take draws.
        takes: Takes of every phrase of `test`; the second and later ones are the split
            `test_takes`, on top of `minutes`.
    """

    minutes: float = 50.0
    speech_minutes: float = 10.0
    singers: int = 8
    seed: int = 0
    fs: int = 24000
    freedom: float = 1.0
    takes: int = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.minutes) and self.minutes > 0):
            raise ValueError(f"minutes {self.minutes}: needs more than 0")
        if not (math.isfinite(self.speech_minutes) and self.speech_minutes >= 0):
            raise ValueError(f"speech_minutes {self.speech_minutes}: needs 0 or more")
        if self.singers < 2:
            raise ValueError(f"singers {self.singers}: needs at least 2, one of them held out")
        if self.seed < 0:
            raise ValueError(f"seed {self.seed}: needs 0 or more")
        if not 16000 <= self.fs <= 48000:
            raise ValueError(f"fs {self.fs}: needs 16000-48000 Hz")
        if not 0 <= self.freedom <= MAX_FREEDOM:
            raise ValueError(f"freedom {self.freedom}: needs 0 to {MAX_FREEDOM:g}")
        if self.takes < 1:
            raise ValueError(f"takes {self.takes}: needs 1 or more")

    def recorded(self) -> dict[str, Any]:
        """The options as corpus.json states them: those added later only where they are set."""
        added = {field.name: field.default for field in fields(self)}
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in ("freedom", "takes") or value != added[name]
        }


def compose_corpus(config: CorpusConfig) -> dict[str, list[Song]]:
    """Compose all songs by split, without any audio; deterministic in `config`."""
    singers = roster(config.singers, config.seed)
    training, held_out = singers[:-1], singers[-1]
    size = min(1.0, config.minutes / _FULL_MINUTES)
    number = _FIRST_SONG
    splits: dict[str, list[Song]] = {split: [] for split in SPLITS}
    seconds = 0.0

    def add(split: str, singer: Singer, n_phrases: int, words: WordChooser) -> None:
        nonlocal number, seconds
        rng = np.random.default_rng([config.seed, _SPLIT_KEYS[split], len(splits[split])])
        song = compose(number, singer, n_phrases, words, rng)
        splits[split].append(song)
        number += 1
        seconds += sum(phrase.score.duration_sec for phrase in song.phrases)

    for split, full in _EVAL_UTTERANCES.items():
        words = WordChooser(HELD_OUT_WORDS if split == "test_words" else TRAIN_WORDS)
        wanted = max(_MIN_EVAL_UTTERANCES, round(full * size))
        who = (held_out,) * _HELD_OUT_SONGS if split == "test_singer" else training
        who = who[:wanted]
        for singer in who:
            add(split, singer, math.ceil(wanted / len(who)), words)
    words = WordChooser(TRAIN_WORDS)
    lengths = np.random.default_rng([config.seed, 99])
    while seconds < config.minutes * 60 or len(splits["train"]) < len(training):
        singer = training[len(splits["train"]) % len(training)]
        n_phrases = int(lengths.choice(_TRAIN_PHRASES)) if size > 0.1 else 2
        add("train", singer, n_phrases, words)
    again = [song for _ in range(config.takes - 1) for song in splits["test"]]
    if again:
        splits[TAKES_SPLIT] = [replace(song, number=number + k) for k, song in enumerate(again)]
    return splits


def make_corpus(out: str | Path, config: CorpusConfig, nj: int = 1) -> bool:
    """Write the corpus, continuing what a killed run left; return False if it was complete.

    Raises:
        UserError: `out` holds a corpus of other options, or files of something else, or another
            process writes there.
    """
    out = Path(out)
    with hold(out):
        return _make(out, config, nj)


def _make(out: Path, config: CorpusConfig, nj: int) -> bool:
    if not _claim(out, config):
        return False
    singers = roster(config.singers, config.seed)
    splits = compose_corpus(config)
    songs = [song for of_split in splits.values() for song in of_split]
    work = out / ".work"
    syllables = sorted(
        {
            note.lyric
            for song in songs
            for phrase in song.phrases
            for note in phrase.score.notes
            if note.phones and not note.slur and not note.is_rest
        }
    )

    jobs = [(work, singer, syllables, config) for singer in singers]
    for _ in _each("voices", _make_voice, jobs, nj, fresh=True):
        pass
    # Songs of a singer stand together, so that a worker seldom changes voices.
    songs.sort(key=lambda song: song.singer.name)
    performed: dict[str, tuple[MusicScore, str]] = {}
    for scores in _each("songs", _sing, [(out, song, config) for song in songs], nj):
        performed.update(scores)
    spoken: dict[str, tuple[str, MusicScore]] = {}
    if config.speech_minutes:
        for lines in _each("speech", _talk, [(out, singer, config) for singer in singers], nj):
            spoken |= lines
        write_speech(out / "speech", spoken)

    for song in songs:
        write_midi(out / "midis" / f"{song.number}.midi", song)
    write_segments(out / "segments", splits, performed)
    write_notes(out, singers, _freedom_note(config))
    shutil.rmtree(work)
    write_text(out / ".done", f"{COMMENT}\n")
    return True


def _freedom_note(config: CorpusConfig) -> str:
    """What README.md says of takes that differ from the usual corpus'; empty for the usual one."""
    notes = []
    if config.freedom != 1:
        notes.append(f"- Takes are {config.freedom:g} times as free as usual (--freedom).")
    if config.takes > 1:
        notes.append(
            f"- segments/{TAKES_SPLIT}.txt: the songs of test sung {config.takes - 1} more times, "
            "under song numbers of their own."
        )
    return "".join(f"{line}\n" for line in notes)


def _claim(out: Path, config: CorpusConfig) -> bool:
    """Mark `out` as ours, which nobody else writes now; False if the corpus is complete there."""
    wanted = {"version": _VERSION, **config.recorded(), "origin": "synthetic"}
    mark = out / "corpus.json"
    if mark.exists():
        found = read_json(mark)
        if found != wanted:
            differ = [k for k in wanted if not isinstance(found, dict) or found.get(k) != wanted[k]]
            raise UserError(
                mark,
                f"a corpus made with another {', '.join(differ)}",
                "the same options, or another --out",
            )
        remove_parts(out)
        return not (out / ".done").exists()
    if any(path.name != LOCK for path in out.iterdir()):
        raise UserError(out, "exists and is not a mini_singing corpus", "a new or empty directory")
    write_json(mark, wanted)
    return True


def _each(
    name: str, job: Callable, tasks: Sequence[tuple], nj: int, fresh: bool = False
) -> Iterator:
    """Run `job(*task)` over `nj` processes; `fresh`: each task in a process of its own."""
    if nj == 1 and not fresh:
        for index, task in enumerate(tasks, 1):
            yield job(*task)
            _report(name, index, len(tasks))
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    per_child = 1 if fresh else None
    with worker_pool(nj, "spawn", max_tasks_per_child=per_child) as pool:
        futures = [pool.submit(job, *task) for task in tasks]
        for index, future in enumerate(as_completed(futures), 1):
            yield future.result()
            _report(name, index, len(tasks))


def _report(name: str, done: int, total: int) -> None:
    if done == total or done % max(1, total // 10) == 0:
        logging.info("%s: %d of %d", name, done, total)


def _rng(config: CorpusConfig, *key: int | str) -> np.random.Generator:
    parts = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key]
    return np.random.default_rng([config.seed, *parts])


def _make_voice(work: Path, singer: Singer, syllables: list[str], config: CorpusConfig) -> None:
    from espnet2_ext.corpora.mini.espeak import Espeak

    voice_path = work / f"{singer.name}.voice.npz"
    speech_path = work / f"{singer.name}.speech.npz"
    if voice_path.exists() and speech_path.exists():
        return
    espeak = Espeak()
    voice = Voice.build(singer, syllables, config.fs, espeak)
    seconds = config.speech_minutes * 60 / config.singers
    rng = _rng(config, "speech", singer.name)
    spoken = speak(singer, seconds, TRAIN_WORDS, rng, espeak)
    arrays = {f"wav{index}": item.wav.astype(np.float32) for index, item in enumerate(spoken)}
    arrays |= {f"ends{index}": np.array(item.ends_sec) for index, item in enumerate(spoken)}
    texts = [f"{item.hanzi}|{' '.join(item.pinyin)}" for item in spoken]
    with atomic_path(speech_path) as part:
        np.savez(part, fs=espeak.fs, texts=np.array(texts, dtype=str), **arrays)
    voice.save(voice_path)


@lru_cache(maxsize=1)
def _voice(path: Path) -> Voice:
    return Voice.load(path)


def _sing(out: Path, song: Song, config: CorpusConfig) -> dict[str, tuple[MusicScore, str]]:
    """Perform and render a song; return the performed score and hanzi by utterance."""
    voice = _voice(out / ".work" / f"{song.singer.name}.voice.npz")
    lengths = {name: unit.initial_sec for name, unit in voice.units.items()}
    performed = {}
    for index, phrase in enumerate(song.phrases):
        utt = song.utterance_id(index)
        rng = _rng(config, "take", song.number, index)
        take = perform(phrase.score, song.singer, lengths, rng, config.freedom)
        performed[utt] = (take.score, phrase.hanzi)
        wav_path = out / "segments" / "wavs" / f"{utt}.wav"
        f0_path = out / "segments" / "f0" / f"{utt}.npy"
        if wav_path.exists() and f0_path.exists():
            continue
        rendered = render(take, voice, config.fs)
        with atomic_path(f0_path) as part:
            np.save(part, rendered.f0_at(F0_HOP_SEC, config.fs))
        write_wav(wav_path, rendered.wav, config.fs, comment=COMMENT)
    return performed


def _talk(out: Path, singer: Singer, config: CorpusConfig) -> dict[str, tuple[str, MusicScore]]:
    """Write a singer's speech; return singer and score by utterance."""
    lines = {}
    with np.load(out / ".work" / f"{singer.name}.speech.npz") as stored:
        for index, text in enumerate(stored["texts"]):
            utt = f"{singer.name}_{index + 1:04d}"
            hanzi, _, pinyin = str(text).partition("|")
            wav, ends = stored[f"wav{index}"].astype(np.float64), tuple(stored[f"ends{index}"])
            spoken = Spoken(hanzi, tuple(pinyin.split()), ends, wav, int(stored["fs"]))
            coloured = colour(spoken, singer, config.fs)
            lines[utt] = singer.name, coloured.score
            path = out / "speech" / "wavs" / f"{utt}.wav"
            if not path.exists():
                write_wav(path, coloured.wav, config.fs, comment=SPOKEN_COMMENT)
    return lines
