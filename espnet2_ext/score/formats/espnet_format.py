"""ESPnet's SVS data directory: wav.scp, text, label, score.scp with its JSON, speakers, languages.

Readable by `espnet2.fileio.score_scp.SingingScoreReader` and the `duration` loader.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import (
    LICENCE_FILE,
    read_json,
    read_table,
    write_json,
    write_table,
    write_text,
)
from espnet2_ext.ids import check_id
from espnet2_ext.score.formats.phone_set import PHONES_FILE, ordered, write_phones
from espnet2_ext.score.music_score import REST_MIDI, SLUR_LYRIC, MusicScore, Note, Phone

ITEM_LIST = ["st", "et", "lyric", "midi", "phns"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An utterance of a data directory.

    Args:
        utt: Id; one word, usable as a file name.
        wav: Path of the audio.
        speaker: Speaker or singer id.
        score: With performed phones; None for speech.
        text: Value of `text`; the phones of the score when empty. Where an utterance has neither,
            the directory has no `text`.
        language: ISO 639 code.
        span: Where the utterance is within `wav`: (id of the recording, start, end in s); None:
            all of it. Given for every entry of a directory, or for none.
        song: Its song, whoever sings it: one word; empty where the corpus does not say. Intervals
            and tests of tables take songs as their units.
    """

    utt: str
    wav: str
    speaker: str
    score: MusicScore | None = None
    text: str = ""
    language: str = "zh"
    span: tuple[str, float, float] | None = None
    song: str = ""


def write_data_dir(
    path: str | Path,
    entries: Iterable[Entry],
    license_text: str | None = None,
    phones: Iterable[str] | None = None,
) -> None:
    """Write a data directory, sorted by id.

    Args:
        path: The directory; ``score/<utt>.json`` go below it.
        entries: All with a score (singing), or all without (speech).
        license_text: Licence of the corpus, to travel with it as LICENSE.txt.
        phones: The corpus' phone set, written as phones.txt; None: Opencpop's, no file.

    Raises:
        UserError: no entries, an id twice or unusable, a score without phones or with a phone
            that is not in the set given.
    """
    path = Path(path)
    entries = sorted(entries, key=lambda entry: entry.utt)
    phone_set = None if phones is None else ordered(phones)
    if not entries:
        raise UserError(path, "no utterances to write", "at least one")
    for entry, after in itertools.pairwise(entries):
        if entry.utt == after.utt:
            raise UserError(path, f"duplicate id {entry.utt!r}", "each id once")
    for entry in entries:
        check_id(entry.utt, path)
        check_id(entry.speaker, f"{path}: {entry.utt}", "speaker")
        if (entry.score is None) != (entries[0].score is None):
            raise UserError(path, f"{entry.utt}: singing and speech mixed", "one kind")
        if (entry.span is None) != (entries[0].span is None):
            raise UserError(path, f"{entry.utt}: some entries have a span", "all, or none")
        if entry.score is not None and not entry.score.phones:
            raise UserError(path, f"{entry.utt}: a score without performed phones", "phones")
        for phone in entry.score.phones if entry.score and phone_set else ():
            if phone.phone not in phone_set:
                raise UserError(path, f"{entry.utt}: phone {phone.phone!r}", "one of the phone set")
    scores = {entry.utt: entry.score for entry in entries if entry.score is not None}
    for utt, score in scores.items():
        write_json(path / "score" / f"{utt}.json", score_to_json(score))
    spans = {entry.utt: entry.span for entry in entries if entry.span is not None}
    if spans:
        wavs = {spans[entry.utt][0]: entry.wav for entry in entries}
        write_table(path / "wav.scp", sorted(wavs.items()))
        rows = {utt: f"{rec} {start:.6f} {end:.6f}" for utt, (rec, start, end) in spans.items()}
        write_table(path / "segments", rows)
    else:
        write_table(path / "wav.scp", {entry.utt: entry.wav for entry in entries})
    texts = {entry.utt: _text(entry) for entry in entries}
    if all(texts.values()):
        write_table(path / "text", texts)
    if scores:
        write_table(path / "label", {utt: _label(score) for utt, score in scores.items()})
        write_table(path / "score.scp", {utt: path / "score" / f"{utt}.json" for utt in scores})
    write_table(path / "utt2spk", {entry.utt: entry.speaker for entry in entries})
    spk2utt: dict[str, list[str]] = {}
    for entry in entries:
        spk2utt.setdefault(entry.speaker, []).append(entry.utt)
    write_table(path / "spk2utt", {spk: " ".join(spk2utt[spk]) for spk in sorted(spk2utt)})
    write_table(path / "utt2lang", {entry.utt: entry.language for entry in entries})
    songs = {entry.utt: entry.song for entry in entries}
    if all(songs.values()):
        write_table(path / "utt2song", songs)
    if phone_set is not None:
        write_phones(path / PHONES_FILE, phone_set)
    if license_text is not None:
        write_text(path / LICENCE_FILE, license_text)


def _text(entry: Entry) -> str:
    if entry.text or entry.score is None:
        return entry.text
    return " ".join(phone.phone for phone in entry.score.phones)


def _label(score: MusicScore) -> str:
    return " ".join(f"{p.start_sec:.6f} {p.end_sec:.6f} {p.phone}" for p in score.phones)


def score_to_json(score: MusicScore) -> dict[str, Any]:
    """The score as `SingingScoreWriter` lays it out; phones of a note joined by ``_``."""
    phones: list[list[str]] = [[] for _ in score.notes]
    for phone in score.phones:
        phones[phone.note].append(phone.phone)
    rows = []
    for note, sung in zip(score.notes, phones, strict=True):
        phns = "_".join(sung or note.phones)
        lyric = SLUR_LYRIC if note.slur else note.lyric or phns
        rows.append([round(note.start_sec, 6), round(note.end_sec, 6), lyric, note.midi, phns])
    tempo = int(score.tempo) if float(score.tempo).is_integer() else score.tempo
    return {"tempo": tempo, "item_list": ITEM_LIST, "note": rows}


def _number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) < 1e9  # not NaN, not infinite


def parse_label(value: str, place: str) -> list[tuple[float, float, str]]:
    """Split the value of a label line into (start, end, phone)."""
    items = value.split()
    if not items or len(items) % 3:
        raise UserError(place, f"{len(items)} items", "'start end phone' triples", "label")
    triples = []
    for start, end, phone in zip(items[::3], items[1::3], items[2::3], strict=True):
        try:
            triples.append((float(start), float(end), phone))
        except ValueError:
            raise UserError(place, f"{start!r} {end!r}", "seconds", "label") from None
    return triples


def parse_score_json(
    loaded: Any, place: str, label: list[tuple[float, float, str]] | None, language: str = "zh"
) -> MusicScore:
    """Build the score of a `score.scp` JSON and, where there is one, its label.

    Args:
        loaded: The JSON value.
        place: For errors.
        label: Performed phones in order, or None.
        language: ISO 639 code.

    Raises:
        UserError: naming the note or phone that is wrong.
    """
    if not isinstance(loaded, dict) or not isinstance(loaded.get("note"), list):
        raise UserError(place, "no list of notes", "tempo, item_list, note", "note")
    items = loaded.get("item_list", ITEM_LIST)
    if items != ITEM_LIST:
        raise UserError(place, f"{items}", f"{ITEM_LIST}", "item_list")
    if not _number(loaded.get("tempo")):
        raise UserError(place, f"{loaded.get('tempo')!r}", "beats per minute", "tempo")
    notes: list[Note] = []
    phones: list[tuple[str, int]] = []
    for index, row in enumerate(loaded["note"]):
        types_agree = isinstance(row, list) and len(row) == len(ITEM_LIST)
        if not (types_agree and all(map(_number, (row[0], row[1], row[3])))):
            raise UserError(place, f"note {index} is {row!r}", "st, et, lyric, midi, phns", "note")
        start, end, lyric, midi, phns = row
        sung = tuple(phone for phone in str(phns).split("_") if phone)
        phones += [(phone, index) for phone in sung]
        is_rest = midi == REST_MIDI
        notes.append(
            Note(start, end, int(midi), "" if is_rest else str(lyric), sung, lyric == SLUR_LYRIC)
        )
    performed: tuple[Phone, ...] = ()
    if label is not None:
        if [phone for phone, _ in phones] != [phone for _, _, phone in label]:
            wrong = next(
                (i for i, (a, b) in enumerate(zip(phones, label, strict=False)) if a[0] != b[2]),
                min(len(phones), len(label)),
            )
            found = f"{len(label)} phones; phone {wrong} is not the score's"
            raise UserError(place, found, f"the {len(phones)} phones of the score", "label")
        performed = tuple(
            Phone(start, end, phone, note)
            for (start, end, phone), (_, note) in zip(label, phones, strict=True)
        )
    try:
        return MusicScore(tuple(notes), performed, loaded["tempo"], language)
    except ValueError as error:
        raise UserError(place, str(error)) from None


def write_scores(path: str | Path, scores: Mapping[str, MusicScore]) -> None:
    """Write a directory of scores without audio: score.scp, label, text, utt2lang.

    Raises:
        UserError: the directory already has other utterances.
    """
    path = Path(path)
    others = read_table(path / "score.scp").keys() if (path / "score.scp").exists() else set()
    if (path / "wav.scp").exists() or others - scores.keys():
        raise UserError(path, "a data directory already", "a new directory, or one of these scores")
    for utt in scores:
        check_id(utt, path)
    for utt, score in scores.items():
        write_json(path / "score" / f"{utt}.json", score_to_json(score))
    write_table(path / "score.scp", {utt: path / "score" / f"{utt}.json" for utt in scores})
    write_table(path / "label", {utt: _label(score) for utt, score in scores.items()})
    texts = {utt: " ".join(p.phone for p in score.phones) for utt, score in scores.items()}
    write_table(path / "text", texts)
    write_table(path / "utt2lang", {utt: score.language for utt, score in scores.items()})


def read_scores(path: str | Path, utt: str | None = None) -> dict[str, MusicScore]:
    """Read the scores of a data directory: score.scp and label joined, in the order of score.scp.

    Args:
        path: The directory.
        utt: The one to read; all where None.

    Raises:
        UserError: a file is missing or wrong, or an utterance has no label.
    """
    path = Path(path)
    labels = read_table(path / "label")
    languages = read_table(path / "utt2lang") if (path / "utt2lang").exists() else {}
    scores = {}
    paths = read_table(path / "score.scp")
    if utt is not None:
        paths = {utt: paths[utt]} if utt in paths else {}
    for utt, score_path in paths.items():
        if utt not in labels:
            raise UserError(path / "label", f"no line for {utt!r}", "each id of score.scp")
        label = parse_label(labels[utt], f"{path / 'label'}: {utt}")
        loaded = read_json(score_path)
        scores[utt] = parse_score_json(loaded, score_path, label, languages.get(utt, "zh"))
    return scores
