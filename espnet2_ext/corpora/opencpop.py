"""Opencpop and corpora in its layout, such as mini_singing, as ESPnet SVS data directories.

Read: ``segments/transcriptions.txt``, ``segments/{train,test,...}.txt``, ``segments/wavs/``, and
for tempi ``midis/`` (or Opencpop's ``raw_data/midis/``). Where present also ``segments/utt2spk``,
``segments/f0/`` (the generator's own F0) and ``speech/``.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_table, read_text
from espnet2_ext.score.espnet_format import Entry, write_data_dir
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.score.opencpop import parse_line
from espnet2_ext.score.phones import syllable_to_phones

OPENCPOP_SINGER = "opencpop"
_DEFAULT_TEMPO = 120.0
_DEV_SONGS = 5  # carved from train where the corpus has no dev.txt
_SONG_DIGITS = 4
_KNOWN_LICENSE = """\
Opencpop (https://wenet.org.cn/opencpop/): CC BY-NC-ND 4.0, for research, not for commercial use.
"""


@dataclass(frozen=True)
class PreparedSet:
    """A data directory that was written: its name, utterances and length (s, labels; 0 speech)."""

    name: str
    n_utterances: int
    seconds: float


def prepare(
    corpus: str | Path, out: str | Path, dev_songs: int = _DEV_SONGS
) -> tuple[PreparedSet, ...]:
    """Write ``out/<set>`` for every split of the corpus, and ``out/speech`` where it has speech.

    Args:
        corpus: Directory that holds ``segments``.
        out: Parent of the data directories.
        dev_songs: Songs taken from the end of train as dev where the corpus has no dev.txt.

    Raises:
        UserError: naming file and line of the first thing that is wrong; nothing is written then.
    """
    corpus, out = Path(corpus).resolve(), Path(out)
    segments = corpus / "segments"
    tempi = _tempi(corpus)
    scores, places = _transcriptions(segments / "transcriptions.txt", tempi)
    splits = _splits(segments, scores, dev_songs)
    wavs = _wavs(segments / "wavs", splits, places)
    speakers = _speakers(segments / "utt2spk", splits)
    license_text = _license(corpus)
    speech = _speech(corpus / "speech") if (corpus / "speech").is_dir() else []

    prepared = []
    for name, utts in splits.items():
        entries = [Entry(utt, str(wavs[utt]), speakers[utt], scores[utt]) for utt in utts]
        write_data_dir(out / name, entries, license_text)
        _write_true_f0(segments / "f0", out / name, utts)
        seconds = sum(scores[utt].duration_sec for utt in utts)
        prepared.append(PreparedSet(name, len(utts), seconds))
    if speech:
        write_data_dir(out / "speech", speech, license_text)
        prepared.append(PreparedSet("speech", len(speech), 0.0))
    for item in prepared:
        logging.info("%s: %d utterances", out / item.name, item.n_utterances)
    return tuple(prepared)


def song_of(utt: str) -> str:
    """Opencpop's song number: the first four characters of an utterance id."""
    return utt[:_SONG_DIGITS]


def _tempi(corpus: Path) -> dict[str, float]:
    """Tempo by song from ``midis/SONG.midi``; empty where the corpus has no MIDI files."""
    import mido

    tempi = {}
    for folder in (corpus / "midis", corpus / "raw_data" / "midis"):
        for path in sorted(folder.glob("*.mid*")):
            try:
                midi = mido.MidiFile(path)
            except (OSError, EOFError, ValueError, IndexError, KeyError) as error:
                raise UserError(path, f"not readable as MIDI ({error})", "a MIDI file") from None
            for message in mido.merge_tracks(midi.tracks):
                if message.type == "set_tempo":
                    tempi[path.stem] = round(mido.tempo2bpm(message.tempo), 3)
                    break
    return tempi


def _transcriptions(
    path: Path, tempi: dict[str, float]
) -> tuple[dict[str, MusicScore], dict[str, str]]:
    """Scores, and the place (file:line) of each, by utterance."""
    scores: dict[str, MusicScore] = {}
    places: dict[str, str] = {}
    for place, line in _lines(path):
        utt, score = parse_line(line, place, tempi.get(song_of(line), _DEFAULT_TEMPO))
        if utt in scores:
            raise UserError(place, f"duplicate id {utt!r}", f"each id once, see {places[utt]}")
        scores[utt], places[utt] = score, place
    if not scores:
        raise UserError(path, "no utterances", "lines of seven fields joined by '|'")
    return scores, places


def _lines(path: Path) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            yield f"{path}:{number}", line.strip()


def _splits(segments: Path, scores: dict[str, MusicScore], dev_songs: int) -> dict[str, list[str]]:
    splits: dict[str, list[str]] = {}
    seen: dict[str, str] = {}
    for path in sorted(segments.glob("*.txt")):
        if path.name == "transcriptions.txt":
            continue
        utts = []
        for place, line in _lines(path):
            utt = line.split("|")[0].strip()
            if utt not in scores:
                raise UserError(place, f"id {utt!r}", "an id of transcriptions.txt")
            if utt in seen:
                raise UserError(
                    place, f"id {utt!r} again", f"each id in one split, see {seen[utt]}"
                )
            seen[utt] = place
            utts.append(utt)
        if not utts:
            raise UserError(path, "no utterances", "at least one line")
        splits[path.stem] = utts
    if "train" not in splits:
        raise UserError(segments / "train.txt", "no such file", "the training split")
    if "dev" not in splits:
        songs = sorted({song_of(utt) for utt in splits["train"]})
        if dev_songs < 1 or dev_songs >= len(songs):
            found = f"{len(songs)} songs, {dev_songs} asked for dev"
            raise UserError(segments / "train.txt", found, "at least one song for each")
        chosen = set(songs[-dev_songs:])
        splits["dev"] = [utt for utt in splits["train"] if song_of(utt) in chosen]
        splits["train"] = [utt for utt in splits["train"] if song_of(utt) not in chosen]
    return splits


def _wavs(folder: Path, splits: dict[str, list[str]], places: dict[str, str]) -> dict[str, Path]:
    wavs = {}
    for utts in splits.values():
        for utt in utts:
            path = folder / f"{utt}.wav"
            if not path.is_file():
                raise UserError(places[utt], f"no audio {path}", "one wav per utterance")
            wavs[utt] = path
    return wavs


def _speakers(path: Path, splits: dict[str, list[str]]) -> dict[str, str]:
    utts = [utt for split in splits.values() for utt in split]
    if not path.exists():
        return dict.fromkeys(utts, OPENCPOP_SINGER)
    speakers = read_table(path)
    for utt in utts:
        if not speakers.get(utt):
            raise UserError(path, f"no singer for {utt!r}", "one line per utterance")
    return speakers


def _license(corpus: Path) -> str:
    for name in ("LICENSE", "LICENSE.txt", "LICENSE.md"):
        if (corpus / name).is_file():
            return read_text(corpus / name)
    return _KNOWN_LICENSE


def _speech(folder: Path) -> list[Entry]:
    """Read ``speech/transcriptions.txt``: lines of seven fields, or id | hanzi | pinyin."""
    speakers = read_table(folder / "utt2spk")
    entries = []
    for place, line in _lines(folder / "transcriptions.txt"):
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
        wav = folder / "wavs" / f"{utt}.wav"
        if not wav.is_file():
            raise UserError(place, f"no audio {wav}", "one wav per utterance")
        entries.append(Entry(utt, str(wav), speakers[utt], score, text))
    return entries


def _write_true_f0(folder: Path, data_dir: Path, utts: list[str]) -> None:
    """Where the corpus knows its F0: ``true_f0.{ark,scp}``, Hz every 10 ms, 0 unvoiced."""
    if not folder.is_dir():
        return
    with ArkWriter(data_dir, "true_f0") as writer:
        for utt in sorted(utts):
            path = folder / f"{utt}.npy"
            try:
                writer[utt] = np.load(path, allow_pickle=False).astype(np.float32)
            except (OSError, ValueError) as error:
                raise UserError(path, f"not readable ({error})", "F0 in npy format") from None
