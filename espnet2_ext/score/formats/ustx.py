"""OpenUtau's USTX: a YAML project of tempos, tracks and voice parts with notes in ticks.

Rests are the gaps between notes, and breaths notes with the lyric AP, as OpenUtau's DiffSinger
phonemizers have it. All values are taken as text, so that the lyric ``no`` stays a word.
"""

import logging
import math
import re
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_text, write_text
from espnet2_ext.score.formats.aliases import lyric_of_alias
from espnet2_ext.score.formats.assemble import SungNote, assemble, cut_overlaps
from espnet2_ext.score.formats.losses import losses_of_file
from espnet2_ext.score.formats.sung_words import lyric_of, respelled
from espnet2_ext.score.formats.ticks import TICKS_PER_BEAT, TempoMap, note_ticks
from espnet2_ext.score.lyrics.languages import language_of
from espnet2_ext.score.music_score import BREATH, REST_PHONES, SILENCE, MusicScore
from espnet2_ext.yaml_text import events

MAX_BYTES = 32 * 2**20
MAX_TICKS = 2**31
CONTINUATION = "+~"
NEXT_SYLLABLE = "+"  # of a word of several; where there is none, the last goes on
_NUMBER = re.compile(r"[+-]?[0-9]{1,12}(?:\.[0-9]{0,20})?")
_HINT = re.compile(r"\[[^\]]*\]\s*$")
_PITCH = {"data": [{"x": -40, "y": 0, "shape": "io"}, {"x": 40, "y": 0, "shape": "io"}]}
_VIBRATO = {"length": 0, "period": 175, "depth": 25, "in": 10, "out": 10}
_VIBRATO |= {"shift": 0, "drift": 0, "vol_link": 0}


def _load(path: Path) -> dict[str, Any]:
    """The project, every scalar a string."""
    loaded = _build(events(read_text(path, MAX_BYTES), path, unfold=False))
    if not isinstance(loaded, dict):
        raise UserError(path, f"a YAML {type(loaded).__name__}", "a USTX project")
    return loaded


def _build(stream: Iterator[yaml.Event]) -> Any:
    """Strings, lists and mappings of a YAML stream, without recursion; an alias is a reference."""
    root: list[Any] = []
    stack: list[list[Any]] = [root]  # items of each collection that is open
    anchors: dict[str, Any] = {}
    for event in stream:
        if isinstance(event, yaml.CollectionStartEvent):
            stack.append([event])
        elif isinstance(event, yaml.CollectionEndEvent):
            start, *items = stack.pop()
            value = items
            if isinstance(start, yaml.MappingStartEvent):
                pairs = zip(items[::2], items[1::2], strict=True)
                value = {key: item for key, item in pairs if isinstance(key, str)}
            anchors[start.anchor or ""] = value
            stack[-1].append(value)
        elif isinstance(event, yaml.ScalarEvent):
            anchors[event.anchor or ""] = event.value
            stack[-1].append(event.value)
        elif isinstance(event, yaml.AliasEvent):
            stack[-1].append(anchors.get(event.anchor, ""))
    return root[0] if root else None


def _number(item: dict[str, Any], key: str, place: str, low: float, high: float) -> float:
    text = item.get(key)
    match = _NUMBER.fullmatch(text) if isinstance(text, str) else None
    value = float(match[0]) if match else math.nan
    if not low <= value <= high:
        found = "missing" if text is None else reprlib.repr(text)
        raise UserError(place, found, f"a number from {low:g} to {high:g}", key)
    return value


def _integer(
    item: dict[str, Any],
    key: str,
    place: str,
    default: int | None = None,
    low: int = 0,
    high: int = MAX_TICKS,
) -> int:
    if key not in item and default is not None:
        return default
    return int(_number(item, key, place, low, high))


def _items(item: dict[str, Any], key: str, place: str) -> list[dict[str, Any]]:
    """A list of mappings under a key; an empty list where it is missing."""
    found = item.get(key) or []
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise UserError(place, reprlib.repr(found), "a list of mappings", key)
    return found


def _tempos(project: dict[str, Any], path: Path) -> list[tuple[int, float]]:
    """Changes of tempo; before version 0.6 there is one, `bpm`."""
    tempos = [
        (
            _integer(tempo, "position", f"{path}: tempo {index}"),
            _number(tempo, "bpm", f"{path}: tempo {index}", 1, 10_000),
        )
        for index, tempo in enumerate(_items(project, "tempos", str(path)), 1)
    ]
    if not tempos and "bpm" in project:
        tempos = [(0, _number(project, "bpm", str(path), 1, 10_000))]
    return tempos


@dataclass(frozen=True)
class _Part:
    """A voice part: its place for errors, its own and its track's name, its first tick.

    `heard` says whether the editor plays its track: it is not muted, and solo where any is.
    """

    place: str
    name: str
    track: str
    position: int
    heard: bool
    values: dict[str, Any]


def _heard(tracks: list[dict[str, Any]]) -> list[bool]:
    """Whether each track is played."""
    solo, mute = (
        [str(track.get(key, "")).lower() == "true" for track in tracks] for key in ("solo", "mute")
    )
    return [s if any(solo) else not m for s, m in zip(solo, mute, strict=True)]


def _parts(project: dict[str, Any], path: Path) -> list[_Part]:
    """The voice parts that have notes."""
    tracks = _items(project, "tracks", str(path))
    heard = _heard(tracks)
    parts = []
    for values in _items(project, "voice_parts", str(path)):
        if not values.get("notes"):
            continue
        name = str(values.get("name", ""))
        place = f"{path}: part {name or len(parts) + 1}"
        track = _integer(values, "track_no", place, 0)
        named = str(tracks[track].get("track_name", "")) if track < len(tracks) else ""
        named = named or f"track {track + 1}"
        position = _integer(values, "position", place, 0)
        is_heard = heard[track] if track < len(heard) else True
        parts.append(_Part(place, name, named, position, is_heard, values))
    if not parts:
        raise UserError(path, "no notes", "a voice part with notes", "voice_parts")
    return parts


def _choose(project: dict[str, Any], wanted: str | None, path: Path) -> list[_Part]:
    """Parts to sing one after another: one by its number, or those of a name or of a track."""
    parts = _parts(project, path)
    first = next((part for part in parts if part.heard), parts[0])
    chosen = [part for part in parts if part.track == first.track]
    if wanted is None and not first.heard:
        logging.warning("%s: no track with notes is heard, the muted %s is read", path, first.track)
    if wanted is not None:
        chosen = [part for n, part in enumerate(parts, 1) if wanted == str(n)]
        chosen = chosen or [part for part in parts if wanted == part.name]
        chosen = chosen or [part for part in parts if wanted == part.track]
    elif len(chosen) < len(parts):
        found = f"{len(chosen)} of {len(parts)} parts"
        logging.warning("%s: %s are read, those of %s", path, found, first.track)
    if not chosen:
        listed = ", ".join(f"{n} ({part.name}, {part.track})" for n, part in enumerate(parts, 1))
        raise UserError(path, f"no part {wanted!r}", listed, "part")
    return sorted(chosen, key=lambda part: part.position)


def _lyric(note: dict[str, Any], place: str) -> str:
    lyric = note.get("lyric")
    if not isinstance(lyric, str) or not lyric.strip():
        found = "missing" if lyric is None else reprlib.repr(lyric)
        raise UserError(place, found, "a syllable, or + to go on", "lyric")
    if not lyric.startswith("+"):
        return lyric.strip()
    return NEXT_SYLLABLE if lyric[1:].strip().isdecimal() or lyric == "+" else CONTINUATION


def _hinted(hint: str, language: str, place: str) -> str:
    """The lyric that sings the phones of a hint, where there is no lyric beside it."""
    phones = respelled(hint.strip("[] ").split(), language)
    if len(phones) == 1 and phones[0] in REST_PHONES:
        return phones[0]
    lyric = "".join(phones)
    try:
        read = [
            phone for syllable in language_of(language).read(lyric) for phone in syllable.phones
        ]
    except UserError:
        read = []
    if not phones or read != phones:
        found = f"a phonetic hint alone, {hint[:40]!r}"
        raise UserError(place, found, "a lyric before it", "lyric")
    return lyric


def read_ustx(path: str | Path, part: str | None = None, language: str = "zh") -> MusicScore:
    """Read the voice parts of a track, one after another.

    Lyrics ``+~``, ``+*`` and ``-`` go on with the previous syllable, ``+`` with the next one of an
    English word, where there is one; AP is a breath, SP silence. Tempo changes are honoured; the
    score's tempo is the one at the first note. A note that lasts into the next is cut there.
    Phonetic hints beside a lyric, pitch curves, vibrato and expressions have no place in a score.

    Args:
        path: Of version 0.5 or later.
        part: Number of a voice part among those with notes, from 1; or the name of parts, or of a
            track. By default the track of the first part with notes that is not muted, or is solo
            where any is.
        language: ISO 639 code of the lyrics.

    Raises:
        UserError: naming part, note and key of the first mistake.
    """
    path = Path(path)
    project = _load(path)
    chosen = _choose(project, part, path)
    clock = TempoMap(_tempos(project, path), _integer(project, "resolution", str(path), 480, 1))
    sung: list[SungNote] = []
    hints, last, end, first = 0, -1, 0, None
    for own in chosen:
        for index, note in enumerate(_items(own.values, "notes", own.place), 1):
            at = f"{own.place}, note {index}"
            start = own.position + _integer(note, "position", at)
            stop = start + _integer(note, "duration", at, low=1)
            if 2 * (end - start) >= min(end - last, stop - start) and start < end:
                raise UserError(at, f"starts at tick {start}, before {end}", "after the last note")
            if start > end:
                sung.append(SungNote(clock.seconds(end), clock.seconds(start), 0, SILENCE, at))
            last, end = start, stop
            midi = _integer(note, "tone", at, low=1, high=127)
            lyric = _lyric(note, at)
            bare = _HINT.sub("", lyric).strip()
            hints += bare not in ("", lyric)
            bare = lyric_of_alias(bare or _hinted(lyric, language, at), language, at)
            first = start if first is None and bare not in REST_PHONES else first
            sung.append(SungNote(clock.seconds(start), clock.seconds(end), midi, bare, at))
    if hints:
        logging.warning("%s: %d phonetic hints are not read", path, hints)
    after = max(own.position + _integer(own.values, "duration", own.place, 0) for own in chosen)
    if after > end:
        sung.append(SungNote(clock.seconds(end), clock.seconds(after), 0, SILENCE, str(path)))
    return assemble(cut_overlaps(sung, str(path)), str(path), clock.bpm_at(first or 0), language)


def write_ustx(path: str | Path, score: MusicScore) -> list[str]:
    """Write a score as one voice part, version 0.6; times are off by at most half a tick.

    Returns:
        list[str]: What the file does not hold.
    """
    notes = []
    rows = note_ticks(score)
    for note, start, end in rows:
        if note.is_rest and note.phones != (BREATH,):
            continue
        lyric = CONTINUATION if note.slur else lyric_of(note)
        item = {"position": start, "duration": end - start, "tone": note.midi or 60}
        item |= {"lyric": lyric, "pitch": _PITCH | {"snap_first": True}, "vibrato": _VIBRATO}
        notes.append(item | {"phoneme_expressions": [], "phoneme_overrides": []})
    bar = {"beat_per_bar": 4, "beat_unit": 4}
    part = {"duration": rows[-1][2], "name": "voice", "comment": "", "track_no": 0, "position": 0}
    project = {"name": Path(path).stem, "comment": "", "output_dir": "Vocal"}
    project |= {"cache_dir": "UCache", "ustx_version": "0.6", "resolution": TICKS_PER_BEAT}
    project |= {"bpm": score.tempo, **bar, "expressions": {}}
    project |= {"time_signatures": [{"bar_position": 0, **bar}]}
    project |= {"tempos": [{"position": 0, "bpm": score.tempo}]}
    project |= {"tracks": [{"track_name": "voice", "mute": False, "solo": False, "volume": 0}]}
    project |= {"voice_parts": [part | {"notes": notes, "curves": []}], "wave_parts": []}
    text = yaml.dump(project, Dumper=_Dumper, allow_unicode=True, sort_keys=False)
    write_text(path, text)
    return losses_of_file(read_ustx, path, score)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
