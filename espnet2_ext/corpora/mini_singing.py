"""mini_singing, the embedded corpus: composed songs, sung and spoken by synthetic singers.

Composition is one cheap sequential pass. espeak-ng keeps state between calls, so each singer's
syllables and speech come from a process of their own, in a fixed order; songs are then performed
and rendered independently of one another. Hence samples depend on the options alone, not on `nj`.
A killed run continues: what is on disk is whole, as every file is renamed into place.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.corpora.mini.bank_voice import bank_units
from espnet2_ext.corpora.mini.bases import Base, bases_of, voice_of
from espnet2_ext.corpora.mini.claim import DONE, claim
from espnet2_ext.corpora.mini.composer import Song
from espnet2_ext.corpora.mini.config import BANK_LANGUAGE, CorpusConfig
from espnet2_ext.corpora.mini.espeak import Espeak
from espnet2_ext.corpora.mini.jobs import each, rng_of
from espnet2_ext.corpora.mini.layout import (
    COMMENT,
    OTHER_LAYOUT,
    SPOKEN_COMMENT,
    comment_of,
    with_written,
    write_midi,
    write_notes,
    write_segments,
    write_speech,
)
from espnet2_ext.corpora.mini.performance import perform
from espnet2_ext.corpora.mini.render import render
from espnet2_ext.corpora.mini.sets import WHERE as WHERE
from espnet2_ext.corpora.mini.sets import prepare as prepare
from espnet2_ext.corpora.mini.singers import Singer
from espnet2_ext.corpora.mini.songs import TAKES_SPLIT, cast_of, compose_corpus, lyrics_of
from espnet2_ext.corpora.mini.speech import Spoken, colour, speak
from espnet2_ext.corpora.mini.voice import Voice
from espnet2_ext.corpora.mini.voicebank import Voicebank
from espnet2_ext.files import atomic_path, write_text
from espnet2_ext.lock import hold
from espnet2_ext.score.formats.phone_set import PHONES_FILE, ordered, write_phones
from espnet2_ext.score.lyrics.languages import LANGUAGES
from espnet2_ext.score.music_score import MusicScore

F0_HOP_SEC = 0.01
_VERSION = 3


def make_corpus(out: str | Path, config: CorpusConfig, nj: int = 1) -> bool:
    """Write the corpus, continuing what a killed run left; return False if it was complete.

    Raises:
        UserError: `out` holds a corpus of other options, or files of something else, or another
            process writes there.
    """
    out = Path(out)
    bank = _bank(config)
    with hold(out):
        return _make(out, config, bank, nj)


def _bank(config: CorpusConfig) -> Voicebank | None:
    return None if config.voicebank is None else Voicebank(config.voicebank)


def _make(out: Path, config: CorpusConfig, bank: Voicebank | None, nj: int) -> bool:
    if not claim(out, _options(config, bank), "mini_singing"):
        return False
    if bank is not None:
        bank.rejects.close(out, max_bad=1.0)
    cast = cast_of(config, bank)
    splits = compose_corpus(config, bank)
    songs = [song for of_split in splits.values() for song in of_split]
    work = out / ".work"
    syllables = _syllables(songs)
    jobs = [(work, base, who, syllables, config) for base, who in bases_of(cast.singers).items()]
    for _ in each("voices", _make_voice, jobs, nj, fresh=True):
        pass
    # Songs of a singer stand together, so that a worker seldom changes voices.
    songs.sort(key=lambda song: song.singer.name)
    performed: dict[str, MusicScore] = {}
    for scores in each("songs", _sing, [(out, song, config) for song in songs], nj):
        performed.update(scores)
    spoken: dict[str, tuple[str, MusicScore]] = {}
    if config.speech_minutes:
        for lines in each("speech", _talk, [(out, singer, config) for singer in cast.singers], nj):
            spoken |= lines
        write_speech(out / "speech", spoken, config.opencpop)

    for song in songs:
        write_midi(out / "midis" / f"{song.number}.midi", song)
    write_segments(out / "segments", splits, performed, config.opencpop)
    if not config.opencpop:
        phones = {phone for code in config.codes for phone in LANGUAGES[code].phones}
        if bank is not None:  # no model can sing others
            phones = {phone for mora in bank.morae for phone in mora}
        write_phones(out / PHONES_FILE, ordered(phones))
    write_notes(out, cast, _options_note(config), bank)
    shutil.rmtree(work)
    write_text(out / DONE, f"{COMMENT}\n")
    return True


def _syllables(songs: Sequence[Song]) -> dict[str, list[str]]:
    """The units that are sung, by language."""
    units: dict[str, set[str]] = {}
    for song in songs:
        for phrase in song.phrases:
            units.setdefault(phrase.score.language, set()).update(
                note.lyric for note in phrase.score.notes if not note.slur and not note.is_rest
            )
    return {language: sorted(names) for language, names in units.items()}


def _options_note(config: CorpusConfig) -> str:
    """What README.md says of a corpus that differs from the usual one; empty for the usual one."""
    notes = []
    if config.cast != "few" and config.voicebank is None:
        notes.append(
            f"- {config.singers} singers, {config.unseen} of them held out of training "
            f"(--cast {config.cast}); F0 is 0 too where the voice creaks."
        )
    if config.voicebank is not None:
        notes.append("- One singer, who does not speak: no split test_singer, no speech/.")
    if not config.opencpop:
        notes.append(OTHER_LAYOUT.format(languages=" and ".join(config.codes)))
    if config.freedom != 1:
        notes.append(f"- Takes are {config.freedom:g} times as free as usual (--freedom).")
    if config.takes > 1:
        notes.append(
            f"- segments/{TAKES_SPLIT}.txt: the songs of test sung {config.takes - 1} more times, "
            "under song numbers of their own."
        )
    return "".join(f"{line}\n" for line in notes)


def _options(config: CorpusConfig, bank: Voicebank | None) -> dict[str, Any]:
    """What corpus.json states."""
    options = {"version": _VERSION, **config.recorded(), "origin": "synthetic"}
    if bank is not None:
        options["voicebank"] = {"name": bank.name, "sha256": bank.digest}
    return options


def _make_voice(
    work: Path,
    base: Base,
    singers: list[Singer],
    syllables: dict[str, list[str]],
    config: CorpusConfig,
) -> None:
    """Write a base's syllables, then what each of its singers says."""
    voice_path = base.path(work)
    speech_paths = {singer: work / f"{singer.name}.speech.npz" for singer in singers}
    speaking = speech_paths.values() if config.voicebank is None else ()
    if voice_path.exists() and all(path.exists() for path in speaking):
        return
    bank = _bank(config)
    if bank is not None:
        Voice(bank_units(bank, syllables[BANK_LANGUAGE], config.fs)).save(voice_path)
        return
    espeak = Espeak()
    voice = Voice(base.units(syllables, config.fs, espeak))
    seconds = config.speech_minutes * 60 / config.singers / len(config.codes)
    for singer, path in speech_paths.items():
        rng = rng_of(config.seed, "speech", singer.name)
        spoken: list[Spoken] = []
        for words in lyrics_of(config):
            spoken += speak(singer, seconds, words, rng, espeak)
        arrays = {f"wav{index}": item.wav.astype(np.float32) for index, item in enumerate(spoken)}
        arrays |= {f"ends{index}": np.array(item.ends_sec) for index, item in enumerate(spoken)}
        texts = np.array([item.text for item in spoken], dtype=str)
        with atomic_path(path) as part:
            np.savez(part, fs=espeak.fs, texts=texts, **arrays)
    voice.save(voice_path)


def _sing(out: Path, song: Song, config: CorpusConfig) -> dict[str, MusicScore]:
    """Perform and render a song; return the performed score as it is written by utterance."""
    voice = voice_of(out / ".work", song.singer, config.fs)
    lengths = {name: unit.initial_sec for name, unit in voice.units.items()}
    consonants = {name: unit.consonants for name, unit in voice.units.items() if unit.edges}
    performed = {}
    for index, phrase in enumerate(song.phrases):
        utt = song.utterance_id(index)
        rng = rng_of(config.seed, "take", song.number, index)
        take = perform(phrase.score, song.singer, lengths, rng, config.freedom, consonants)
        performed[utt] = with_written(take.score, phrase.written)
        wav_path = out / "segments" / "wavs" / f"{utt}.wav"
        f0_path = out / "segments" / "f0" / f"{utt}.npy"
        if wav_path.exists() and f0_path.exists():
            continue
        rendered = render(take, voice, config.fs)
        with atomic_path(f0_path) as part:
            np.save(part, rendered.f0_at(F0_HOP_SEC, config.fs))
        write_wav(wav_path, rendered.wav, config.fs, comment=comment_of(song.singer))
    return performed


def _talk(out: Path, singer: Singer, config: CorpusConfig) -> dict[str, tuple[str, MusicScore]]:
    """Write a singer's speech; return singer and score by utterance."""
    lines = {}
    with np.load(out / ".work" / f"{singer.name}.speech.npz") as stored:
        for index, text in enumerate(stored["texts"]):
            utt = f"{singer.name}_{index + 1:04d}"
            wav = stored[f"wav{index}"].astype(np.float64)
            ends, fs = stored[f"ends{index}"], int(stored["fs"])
            spoken = Spoken.of_text(str(text), ends, wav, fs)
            coloured = colour(spoken, singer, config.fs)
            lines[utt] = singer.name, coloured.score
            path = out / "speech" / "wavs" / f"{utt}.wav"
            if not path.exists():
                write_wav(path, coloured.wav, config.fs, comment=SPOKEN_COMMENT)
    return lines
