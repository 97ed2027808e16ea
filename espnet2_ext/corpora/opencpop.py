"""Opencpop and corpora in its layout, such as mini_singing, as ESPnet SVS data directories.

Read: ``segments/transcriptions.txt``, the splits ``segments/{train,test,...}.txt`` as published,
``segments/wavs/``, and for tempi ``raw_data/midis/`` (or ``midis/``). Where present also
``segments/utt2spk``, ``segments/f0/`` (the generator's own F0) and ``speech/``.
"""

import argparse
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from espnet2_ext.corpora.preparer import (
    MAX_BAD,
    PreparedSet,
    Rejects,
    check_audio,
    license_of,
    license_statement,
    lines_of,
    midi_tempo,
    only_once,
    write_sets,
)
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_table
from espnet2_ext.score.formats.espnet_format import Entry
from espnet2_ext.score.formats.opencpop import parse_line
from espnet2_ext.score.phones import syllable_to_phones

OPENCPOP_SINGER = "opencpop"
DEV_SONGS = 5  # carved from train where the corpus has no dev.txt
_SONG_DIGITS = 4
_LAYOUT = (
    "Opencpop's layout: segments/{transcriptions,train,test}.txt, segments/wavs/<id>.wav, "
    "raw_data/midis/<song>.midi"
)
HOW_TO_GET = "request the corpus by the form at https://wenet.org.cn/opencpop/download/"
LICENSE = license_statement(
    "Opencpop",
    "CC BY-NC-ND 4.0: research, not commercial use",
    "https://wenet.org.cn/opencpop/",
    "Wang et al., Opencpop: A High-Quality Open Source Chinese Popular Song Corpus for Singing "
    "Voice Synthesis, Interspeech 2022",
)


WHERE = "directory that holds segments/ and raw_data/midis/"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bin.prepare opencpop``."""
    parser.add_argument(
        "--dev_songs", type=int, default=DEV_SONGS,
        help="songs of train for dev where there is no dev.txt",
    )  # fmt: skip


def prepare(
    corpus: str | Path, out: str | Path, dev_songs: int = DEV_SONGS, max_bad: float = MAX_BAD
) -> tuple[PreparedSet, ...]:
    """Write ``out/<set>`` for every split of the corpus, and ``out/speech`` where it has speech.

    Args:
        corpus: Directory that holds ``segments``.
        out: Parent of the data directories.
        dev_songs: Songs taken from the end of train as dev where the corpus has no dev.txt.
        max_bad: Share of the lines that may be bad; they are named in ``out/rejected.txt``.

    Raises:
        UserError: the layout is not Opencpop's, or too many lines are bad; no set is written then.
    """
    corpus, out = Path(corpus).resolve(), Path(out)
    segments = corpus / "segments"
    check_layout(corpus, ("segments/wavs",))
    rejects = Rejects()
    entries, bad = _transcriptions(corpus, rejects)
    sets = {
        name: [entries[utt] for utt in utts]
        for name, utts in splits(segments, entries.keys(), bad, rejects, dev_songs).items()
    }
    if (corpus / "speech").is_dir():
        sets["speech"] = _speech(corpus / "speech", rejects)
    prepared = write_sets(out, sets, rejects, license_of(corpus, LICENSE), max_bad=max_bad)
    for name in sets:
        if name != "speech" and (segments / "f0").is_dir():
            write_true_f0(segments / "f0", out / name, [entry.utt for entry in sets[name]])
    return prepared


def check_layout(corpus: Path, more: tuple[str, ...] = ()) -> None:
    """Refuse a folder without Opencpop's annotation: `UserError` names what is missing and where
    the corpus is to be had.
    """
    wanted = [f"segments/{name}.txt" for name in ("transcriptions", "train", "test")]
    for name in (*wanted, *more):
        if not (corpus / name).exists():
            raise UserError(corpus / name, "not there", f"{_LAYOUT}; {HOW_TO_GET}")
    if not any((corpus / name).is_dir() for name in ("raw_data/midis", "midis")):
        found, expected = "not there", "<song>.midi of every song, for its tempo"
        raise UserError(corpus / "raw_data/midis", found, expected)


def song_of(utt: str) -> str:
    """Opencpop's song number: the first four characters of an utterance id."""
    return utt[:_SONG_DIGITS]


def midi_of(corpus: Path, song: str) -> Path | None:
    """The MIDI file of a song, where the corpus has one."""
    for folder in ("raw_data/midis", "midis"):
        for suffix in (".midi", ".mid"):
            if (corpus / folder / (song + suffix)).is_file():
                return corpus / folder / (song + suffix)
    return None


def tempo_reader(corpus: Path) -> Callable[[str, str], float]:
    """A function of (song, place) that gives the tempo (beats per minute) of the song's MIDI file.

    It reads each file once, and raises `UserError` where the song has none that is readable.
    """
    tempi: dict[str, float] = {}

    def tempo_of(song: str, place: str) -> float:
        path = midi_of(corpus, song)
        if path is None:
            found = f"no {corpus / 'raw_data' / 'midis' / song}.midi"
            raise UserError(place, found, "a MIDI file per song", "tempo")
        if song not in tempi:
            tempi[song] = midi_tempo(path, place)
        return tempi[song]

    return tempo_of


def _transcriptions(corpus: Path, rejects: Rejects) -> tuple[dict[str, Entry], set[str]]:
    """Entries of the good lines by utterance, and the ids of the bad ones."""
    segments = corpus / "segments"
    tempo_of = tempo_reader(corpus)
    known_speakers = segments / "utt2spk"
    speakers = read_table(known_speakers) if known_speakers.exists() else None
    seen: dict[str, str] = {}

    def read(line: str, place: str) -> Entry:
        utt, score = parse_line(line, place, tempo_of(song_of(line), place))
        only_once(seen, utt, place)
        wav = check_audio(segments / "wavs" / f"{utt}.wav", score, place)
        singer = OPENCPOP_SINGER if speakers is None else speakers.get(utt)
        if not singer:
            raise UserError(place, f"no singer for {utt!r}", f"a line of {known_speakers}", "id")
        return Entry(utt, wav, singer, score, song=song_of(utt))

    entries, ids = {}, set()
    for place, line in lines_of(segments / "transcriptions.txt"):
        entry = rejects.take(read, line, place)
        ids.add(line.partition("|")[0].strip())
        if entry is not None:
            entries[entry.utt] = entry
    return entries, ids - entries.keys()


def splits(
    segments: Path,
    known: Collection[str],
    bad: set[str],
    rejects: Rejects,
    dev_songs: int,
) -> dict[str, list[str]]:
    """The published splits: ids of each ``<name>.txt``; dev carved from train where it has none.

    Args:
        segments: Folder of the split files, whose lines begin with an id.
        known: Ids of the good lines of transcriptions.txt.
        bad: Ids of its bad lines, left out without another word.
        rejects: Takes the lines with an unknown id, or one of an earlier file (test before train).
        dev_songs: Songs of dev.
    """
    seen: dict[str, str] = {}
    sets: dict[str, list[str]] = {}
    for path in sorted(segments.glob("*.txt")):
        if path.name == "transcriptions.txt":
            continue
        sets[path.stem] = []
        for place, line in lines_of(path):
            utt = line.partition("|")[0].strip()
            if utt in seen:
                expected = f"each id in one split, see {seen[utt]}"
                rejects.add(UserError(place, f"id {utt!r} again", expected, "id"))
            elif utt in known:
                sets[path.stem].append(utt)
                seen[utt] = place
            elif utt not in bad:
                expected = "an id of transcriptions.txt"
                rejects.add(UserError(place, f"id {utt!r}", expected, "id"))
    if "dev" not in sets:
        songs = sorted({song_of(utt) for utt in sets["train"]})
        if dev_songs < 1 or dev_songs >= len(songs):
            found = f"{len(songs)} songs, {dev_songs} asked for dev"
            raise UserError(segments / "train.txt", found, "at least one song for each")
        chosen = set(songs[-dev_songs:])
        sets["dev"] = [utt for utt in sets["train"] if song_of(utt) in chosen]
        sets["train"] = [utt for utt in sets["train"] if song_of(utt) not in chosen]
    return sets


def _speech(folder: Path, rejects: Rejects) -> list[Entry]:
    """Read ``speech/transcriptions.txt``: lines of seven fields, or id | hanzi | pinyin."""
    speakers = read_table(folder / "utt2spk")
    seen: dict[str, str] = {}

    def read(line: str, place: str) -> Entry:
        fields = line.split("|")
        if len(fields) not in (3, 7):
            raise UserError(place, f"{len(fields)} fields", "7, or 3, joined by '|'")
        utt, score, text = fields[0].strip(), None, ""
        if len(fields) == 7:
            utt, score = parse_line(line, place)
        elif pinyin := fields[2].split():
            text = " ".join(p for syllable in pinyin for p in syllable_to_phones(syllable, place))
        else:
            raise UserError(place, "no pinyin", "syllables with tones")
        if utt not in speakers:
            raise UserError(place, f"id {utt!r}", f"an id of {folder / 'utt2spk'}")
        only_once(seen, utt, place)
        wav = check_audio(folder / "wavs" / f"{utt}.wav", score, place)
        return Entry(utt, wav, speakers[utt], score, text)

    lines = lines_of(folder / "transcriptions.txt")
    taken = (rejects.take(read, line, place) for place, line in lines)
    return [entry for entry in taken if entry is not None]


def write_true_f0(folder: Path, data_dir: Path, utts: list[str]) -> None:
    """Where the corpus knows its F0: ``true_f0.{ark,scp}``, Hz every 10 ms, 0 unvoiced."""
    with ArkWriter(data_dir, "true_f0") as writer:
        for utt in sorted(utts):
            path = folder / f"{utt}.npy"
            try:
                writer[utt] = np.load(path, allow_pickle=False).astype(np.float32)
            except (OSError, ValueError) as error:
                raise UserError(path, f"not readable ({error})", "F0 in npy format") from None
