"""Making the corpus: plan everything, make the voices, sing and play, speak, write the manifest.

As mini_singing: what is planned is cheap and sequential; each espeak-ng variant says everything of
its speakers in a process of its own, in a fixed order; the rest is independent. So samples depend
on the options alone, not on `nj`, and a killed run continues.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.corpora.mini.bases import Base, base_of, bases_of, voice_of
from espnet2_ext.corpora.mini.claim import DONE, claim
from espnet2_ext.corpora.mini.espeak import Espeak
from espnet2_ext.corpora.mini.jobs import each, rng_of
from espnet2_ext.corpora.mini.layout import with_written
from espnet2_ext.corpora.mini.performance import perform
from espnet2_ext.corpora.mini.render import render
from espnet2_ext.corpora.mini.voice import Voice
from espnet2_ext.corpora.mini_song.arrangement import arrange
from espnet2_ext.corpora.mini_song.config import SongConfig
from espnet2_ext.corpora.mini_song.descriptions import describe
from espnet2_ext.corpora.mini_song.joining import Piece, join
from espnet2_ext.corpora.mini_song.layout import (
    ACCOMPANIMENTS,
    COMMENT,
    MANIFEST,
    SCORES,
    VOCALS,
    WAVS,
    write_notes,
)
from espnet2_ext.corpora.mini_song.mixing import balance
from espnet2_ext.corpora.mini_song.playing import Band
from espnet2_ext.corpora.mini_song.songs import SongClip, plan_songs
from espnet2_ext.corpora.mini_song.soundfont import SoundFontBand
from espnet2_ext.corpora.mini_song.speaking import say_phrase
from espnet2_ext.corpora.mini_song.synthesiser import Synthesiser
from espnet2_ext.corpora.mini_song.talks import TURN_GAP_SEC, Talk, Turn, plan_talks
from espnet2_ext.corpora.mini_song.values import ATMOSPHERES
from espnet2_ext.corpora.mini_song.voices import draw_speakers
from espnet2_ext.digest import digest_files
from espnet2_ext.files import atomic_path, write_jsonl, write_text
from espnet2_ext.lock import hold
from espnet2_ext.score.formats.json_format import score_of, score_to_dict, write_json_score
from espnet2_ext.score.music_score import MusicScore

_VERSION = 3
_LEAD_SEC = 0.1  # of silence before speech
_END_SEC = 0.1


def make_corpus(out: str | Path, config: SongConfig, nj: int = 1) -> bool:
    """Write the corpus, continuing what a killed run left; return False if it was complete.

    Raises:
        UserError: `out` holds a corpus of other options, or files of something else, another
            process writes there, or the soundfont cannot be played.
    """
    out = Path(out)
    options: dict[str, Any] = {"version": _VERSION, **config.recorded(), "origin": "synthetic"}
    if config.soundfont is not None:
        SoundFontBand(config.soundfont, config.fs)
        options["soundfont"] = digest_files(config.soundfont)
    with hold(out):
        return claim(out, options, "mini_song") and _make(out, config, nj)


def _make(out: Path, config: SongConfig, nj: int) -> bool:
    speakers = draw_speakers(config.speakers, config.seed)
    clips = plan_songs(config, speakers)
    talks = plan_talks(config, speakers)
    work = out / ".work"
    bases = bases_of([speaker.singer for speaker in speakers])
    turns = [turn for talk in talks for turn in talk.turns]
    jobs = [
        (work, base, [turn for turn in turns if base_of(turn.speaker.singer) == base],
         _syllables(clips, base), config)
        for base in bases
    ]  # fmt: skip
    for _ in each("voices", _make_voice, jobs, nj, fresh=True):
        pass
    records = []
    # Songs of a singer stand together, so that a worker seldom changes voices.
    clips.sort(key=lambda clip: (clip.speaker.name, clip.atmosphere, clip.utt))
    for record in each("songs", _sing, [(out, clip, config) for clip in clips], nj):
        records.append(record)
    for record in each("speech", _talk, [(out, talk, config) for talk in talks], nj):
        records.append(record)
    records.sort(key=lambda record: record["utt"])
    write_jsonl(out / MANIFEST, records)
    write_notes(out, speakers, config.soundfont)
    shutil.rmtree(work)
    write_text(out / DONE, f"{COMMENT}\n")
    return True


def _syllables(clips: Sequence[SongClip], base: Base) -> dict[str, list[str]]:
    """The units of each language that the singers of a base sing."""
    units: dict[str, set[str]] = {}
    for clip in clips:
        if base_of(clip.speaker.singer) == base:
            score = clip.phrase.score
            sung = {note.lyric for note in score.notes if not note.slur and not note.is_rest}
            units.setdefault(score.language, set()).update(sung)
    return {language: sorted(names) for language, names in units.items()}


def _make_voice(
    work: Path,
    base: Base,
    turns: Sequence[Turn],
    syllables: Mapping[str, Sequence[str]],
    config: SongConfig,
) -> None:
    """Write the syllables of a base, and what its speakers say."""
    voice_path = base.path(work)
    if voice_path.exists():  # it is written last
        return
    espeak = Espeak()
    voice = Voice(base.units(syllables, config.fs, espeak))
    for turn in turns:
        phrases = [
            say_phrase(turn, index, config.fs, config.seed, espeak)
            for index in range(len(turn.phrases))
        ]
        scores = json.dumps([score_to_dict(phrase.score) for phrase in phrases])
        wavs = {f"wav{k}": phrase.wav.astype(np.float32) for k, phrase in enumerate(phrases)}
        with atomic_path(_turn_path(work, turn)) as part:
            np.savez(part, scores=np.array(scores), **wavs)
    voice.save(voice_path)


def _turn_path(work: Path, turn: Turn) -> Path:
    return work / f"{turn.name}.turn.npz"


@lru_cache(maxsize=1)
def _band(fs: int, soundfont: str | None) -> Band:
    return Synthesiser(fs) if soundfont is None else SoundFontBand(soundfont, fs)


def _sing(out: Path, clip: SongClip, config: SongConfig) -> dict[str, Any]:
    """Sing and play a clip; return its line of the manifest."""
    voice = voice_of(out / ".work", clip.speaker.singer, config.fs)
    lengths = {name: unit.initial_sec for name, unit in voice.units.items()}
    consonants = {name: unit.consonants for name, unit in voice.units.items() if unit.edges}
    rng = rng_of(config.seed, "take", clip.utt)
    take = perform(clip.phrase.score, clip.singer, lengths, rng, consonants=consonants)
    files = {name: f"{name}/{clip.utt}.wav" for name in (VOCALS, ACCOMPANIMENTS)}
    record = _record(out, clip, with_written(take.score, clip.phrase.written), config.seed)
    record |= {"song": clip.song, "vocal": files[VOCALS], "accompaniment": files[ACCOMPANIMENTS]}
    if (out / record["audio"]).exists():  # it is written last
        return record
    vocal = render(take, voice, config.fs).wav
    notes = arrange(clip.clip, rng_of(config.seed, "band", clip.utt))
    played = _band(config.fs, config.soundfont).play(notes, len(vocal) / config.fs)
    stems = balance(vocal, played, config.fs, ATMOSPHERES[clip.atmosphere].gain_db)
    write_wav(out / files[VOCALS], stems.vocal, config.fs, comment=COMMENT)
    write_wav(out / files[ACCOMPANIMENTS], stems.accompaniment, config.fs, comment=COMMENT)
    write_wav(out / record["audio"], stems.mix, config.fs, comment=COMMENT)
    return record


def _talk(out: Path, talk: Talk, config: SongConfig) -> dict[str, Any]:
    """Join what is said in an utterance; return its line of the manifest."""
    rng = rng_of(config.seed, "talk", talk.utt)
    pieces: list[Piece] = []
    firsts: list[int] = []  # piece that each turn begins with
    for turn in talk.turns:
        firsts.append(len(pieces))
        said = _said(_turn_path(out / ".work", turn))
        pieces += [Piece(wav, score, turn.pause_sec) for wav, score in said[:-1]]
        pieces.append(Piece(*said[-1], float(rng.uniform(*TURN_GAP_SEC))))
    pieces[-1] = Piece(pieces[-1].wav, pieces[-1].score, _END_SEC)
    wav, score = join(pieces, config.fs, _LEAD_SEC)
    record = _record(out, talk, score, config.seed)
    if talk.is_dialogue:
        lengths = [len(piece.wav) / config.fs + piece.pause_sec for piece in pieces]
        starts = _LEAD_SEC + np.concatenate([[0.0], np.cumsum(lengths)])
        times = [
            (float(starts[first]), float(starts[first] + _spoken_sec(pieces[first].score)))
            for first in firsts
        ]
        record["attributes"]["turns"] = [
            {"tag": tag, "start_sec": round(start, 3), "end_sec": round(end, 3)}
            for tag, (start, end) in zip(talk.tags, times, strict=True)
        ]
        record["text"] = _tagged(score, talk.tags, times)
    if not (out / record["audio"]).exists():
        write_wav(out / record["audio"], wav, config.fs, comment=COMMENT)
    return record


def _said(path: Path) -> list[tuple[np.ndarray, MusicScore]]:
    with np.load(path) as stored:
        scores = [score_of(value, path) for value in json.loads(str(stored["scores"]))]
        wavs = [stored[f"wav{k}"].astype(np.float64) for k in range(len(scores))]
    return list(zip(wavs, scores, strict=True))


def _spoken_sec(score: MusicScore) -> float:
    """Where the last phone that is no rest ends (s)."""
    return max(p.end_sec for p in score.phones if not score.notes[p.note].is_rest)


def _tagged(score: MusicScore, tags: Sequence[str], times: Sequence[tuple[float, float]]) -> str:
    """The phones of a dialogue, each turn behind its speaker's tag."""
    words: list[str] = []
    turn = 0
    for phone in score.phones:
        is_rest = score.notes[phone.note].is_rest
        if turn < len(tags) and not is_rest and phone.start_sec >= times[turn][0] - 1e-3:
            words.append(tags[turn])
            turn += 1
        words.append(phone.phone)
    return " ".join(words)


def _record(out: Path, item: SongClip | Talk, score: MusicScore, seed: int) -> dict[str, Any]:
    """What every line of the manifest has; the score is written."""
    speaker = item.speaker if isinstance(item, SongClip) else item.turns[0].speaker
    write_json_score(out / SCORES / f"{item.utt}.json", score)
    attributes = item.attributes
    described = describe(attributes, item.set_name, rng_of(seed, "description", item.utt))
    return {
        "utt": item.utt,
        "set": item.set_name,
        "audio": f"{WAVS}/{item.utt}.wav",
        "score": f"{SCORES}/{item.utt}.json",
        "speaker": speaker.name,
        "language": attributes["language"],
        "lyrics": item.lyrics,
        "attributes": attributes,
        "instructions": described,
    }
