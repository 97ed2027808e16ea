"""MIDI files with lyric events, or with lyrics beside them."""

import bisect
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import atomic_path
from espnet2_ext.score.formats.assemble import SungNote, assemble, cut_overlaps, split_lyrics
from espnet2_ext.score.formats.code_pages import decode, encodings
from espnet2_ext.score.formats.losses import losses_of_file
from espnet2_ext.score.formats.sung_words import lyric_of
from espnet2_ext.score.formats.ticks import TempoMap, fine_ticks, note_ticks
from espnet2_ext.score.lyrics.languages import LANGUAGES, language_of
from espnet2_ext.score.music_score import MusicScore

MAX_BYTES = 8 * 2**20
_PERCUSSION = 9
_CREDIT = "@"  # titles and the like in Soft Karaoke
_TAGGED = {"@LENGL": "en", "@LJAPN": "ja", "@LCHIN": "zh", "@LMAND": "zh", "@LCANT": "yue"}
_KARAOKE = ("@K", "\\", "/")
_AFTER = 32  # eighths of a beat after the last note
_NAMES = ("utf-8", "cp932", "gb18030", "latin1")
_BESIDE = " \r\n\t/\\"  # spaces and marks of lines, which are no part of a syllable
_WORD_ENDS = "-–—_~+.,;:!?"
_MAX_TICKS_PER_BEAT = 0x7FFF


@dataclass
class _Part:
    name: str
    notes: list[tuple[int, int, int]] = field(default_factory=list)  # start tick, end tick, midi
    lyrics: list[tuple[int, str]] = field(default_factory=list)
    end: int = 0  # tick at which its track ends


def _load(path: Path) -> "mido.MidiFile":  # noqa: F821
    import mido

    if not path.is_file():
        raise UserError(path, "no such file", "a MIDI file")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(path, f"{path.stat().st_size} bytes", f"a MIDI file of at most {MAX_BYTES}")
    try:
        midi = mido.MidiFile(path, charset="latin1")
    except EOFError:
        raise UserError(path, "the file ends too early", "a whole MIDI file") from None
    except Exception as error:  # mido leaks whatever garbage makes its parser raise
        reason = str(error) or type(error).__name__
        raise UserError(path, f"not readable ({reason})", "a MIDI file") from None
    if midi.type == 2 or midi.ticks_per_beat <= 0 or midi.ticks_per_beat >= 0x8000:
        raise UserError(path, "independent tracks or SMPTE time", "type 0 or 1, ticks per beat")
    return midi


def _lyric_events(midi: "mido.MidiFile") -> str:  # noqa: F821
    """The kind of event that lyrics are: text in Soft Karaoke, whose marks one has, or lyrics."""
    kinds = {message.type for track in midi.tracks for message in track}
    return "text" if "lyrics" not in kinds and any(map(_is_karaoke, midi.tracks)) else "lyrics"


def _is_karaoke(track: "mido.MidiTrack") -> bool:  # noqa: F821
    return any(m.type == "text" and m.text.startswith(_KARAOKE) for m in track)


def _to_text(midi: "mido.MidiFile", kind: str, language: str) -> Callable[[str], str | None]:  # noqa: F821
    """What makes text of an event's bytes; one encoding for all lyrics where one takes them all."""
    raw = {m.text.encode("latin1") for track in midi.tracks for m in track if m.type == kind}
    tried = encodings(raw, language)
    whole = next((e for e in tried if all(decode(text, [e]) is not None for text in raw)), None)
    return lambda text: decode(text.encode("latin1"), [whole] if whole else tried)


def _read_tracks(
    midi: "mido.MidiFile",  # noqa: F821
    path: Path,
    language: str,
) -> tuple[list[_Part], list[tuple[int, float]]]:
    """Parts with notes or lyrics, and the tempo changes (tick, beats per minute)."""
    parts: list[_Part] = []
    tempos: list[tuple[int, float]] = []
    words = _lyric_events(midi)
    texts = (m.text.strip().upper() for track in midi.tracks for m in track if m.type == "text")
    said = next((_TAGGED[text] for text in texts if text in _TAGGED), language)
    if said != language and words == "text":
        logging.warning(
            "%s: the file says that its lyrics are %s, read as %s", path, said, language
        )
    to_text = _to_text(midi, words, language)
    for number, track in enumerate(midi.tracks, 1):
        name = track.name or ""  # nobody needs it, whatever its encoding
        name = (to_text(name) or decode(name.encode("latin1"), _NAMES) or "").strip()
        name = name or f"track {number}"
        is_sung = words == "lyrics" or _is_karaoke(track)
        channels: dict[int, _Part] = {}
        lyrics: list[tuple[int, str]] = []
        sounding: dict[tuple[int, int], list[int]] = defaultdict(list)
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "set_tempo" and message.tempo > 0:
                tempos.append((tick, 60e6 / message.tempo))
            elif message.type == words and is_sung and not message.text.startswith(_CREDIT):
                text = to_text(message.text)
                if text is None:
                    place = f"{path}: track {number}, tick {tick}"
                    raise UserError(place, "a lyric that is not UTF-8", _expected(language))
                lyrics.append((tick, text))
            elif message.type in ("note_on", "note_off") and message.channel != _PERCUSSION:
                key = message.channel, message.note
                if sounding[key]:
                    start = sounding[key].pop()
                    part = channels.setdefault(message.channel, _Part(name))
                    part.notes.append((start, tick, message.note))
                if message.type == "note_on" and message.velocity > 0:
                    sounding[key].append(tick)
        for (_, note), starts in sounding.items():
            if starts:
                found = f"note {note} from tick {starts[0]} never ends"
                raise UserError(f"{path}: track {number}", found, "a note_off")
        found_parts = list(channels.values()) or ([_Part(name)] if lyrics else [])
        syllables = _syllables(lyrics, language)
        for part in found_parts:
            part.notes.sort()
            part.lyrics, part.end = syllables, tick
            if len(found_parts) > 1:
                part.name = f"{name} {found_parts.index(part) + 1}"
        parts += found_parts
    return parts, tempos


def _expected(language: str) -> str:
    """The encodings that lyrics may have."""
    names = {"cp932": "Shift-JIS", "cp1252": "Windows-1252", "gb18030": "GB 18030", "big5": "Big5"}
    return ", ".join(names.get(page, "UTF-8") for page in encodings((), language))


def _syllables(lyrics: list[tuple[int, str]], language: str) -> list[tuple[int, str]]:
    """Lyrics without spaces and marks of lines; a hyphen where a word of several goes on.

    Where any lyric has a space or the mark of a line beside it, they say where words end, and what
    has none is part of a word.
    """
    bare = [(tick, text.strip(_BESIDE)) for tick, text in lyrics]
    whole = [(text, word) for (_, text), (_, word) in zip(lyrics, bare, strict=True) if word]
    ends = [text[-1] in _BESIDE or word[-1] in _WORD_ENDS for text, word in whole]
    begins = [text[0] in _BESIDE for text, _ in whole]
    spaced = any(text[-1] in _BESIDE for text, _ in whole) or any(begins)
    if not (spaced and LANGUAGES[language].hyphens):
        return bare
    goes_on = iter(
        [not end and not begin for end, begin in zip(ends, [*begins[1:], True], strict=True)]
    )
    return [(tick, f"{word}-" if word and next(goes_on) else word) for tick, word in bare]


def _choose(
    parts: list[_Part], part: str | None, has_lyrics: bool, path: Path, near: float
) -> _Part:
    sung = [p for p in parts if p.notes]
    if not sung:
        raise UserError(path, "no notes", "a MIDI file with notes")
    names = ", ".join(f"{i} ({p.name})" for i, p in enumerate(sung, 1))
    if part is not None:
        chosen = [p for i, p in enumerate(sung, 1) if part in (str(i), p.name)]
        if not chosen:
            raise UserError(path, f"no part {part!r}", names, "part")
        best = chosen[0]
    else:
        best = next((p for p in sung if p.lyrics), sung[0])
        if best.lyrics:  # of a track's channels, the one that the words are sung on
            of_track = [p for p in sung if p.lyrics is best.lyrics]
            best = max(of_track, key=lambda p: _sung_together(p.notes, p.lyrics, near))
    of_tracks = {id(p.lyrics): p.name for p in sung if p.lyrics}
    if part is None and len(of_tracks) > 1:
        found = f"1 of {len(of_tracks)} tracks with lyrics is sung: {best.name}"
        logging.warning("%s: %s", path, found)
    if not best.lyrics and not has_lyrics:
        words = [p for p in parts if p.lyrics and not p.notes]  # karaoke: words apart from notes
        if not words:
            found = f"no lyric events in {best.name}"
            raise UserError(path, found, "lyric events, or lyrics given beside the file")
        if part is None:  # most words, and the part whose notes they are sung on
            most = max(words, key=lambda p: len(p.lyrics))
            best = max(sung, key=lambda p: _sung_together(p.notes, most.lyrics, near))
        else:
            most = max(words, key=lambda p: _sung_together(best.notes, p.lyrics, near))
        if len(words) > 1:
            found = f"1 of {len(words)} tracks of lyrics is sung"
            logging.warning("%s: %s: %s, with the notes of %s", path, found, most.name, best.name)
        best.lyrics = most.lyrics
    return best


def _sung_together(
    notes: list[tuple[int, int, int]], lyrics: list[tuple[int, str]], near: float
) -> float:
    """Share of lyrics that begin with a note, less the share of notes that no lyric begins with."""
    starts = sorted({note[0] for note in notes})
    times = [tick for tick, text in lyrics if text]
    found = {starts[i] for tick in times if (i := _nearest(starts, tick, near)) is not None}
    return len(found) / max(len(times), 1) - 0.5 * (1 - len(found) / len(starts))


def _nearest(starts: list[int], tick: int, near: float) -> int | None:
    """Index of the start nearest to a tick; None where none is near."""
    after = bisect.bisect_left(starts, tick)
    index = min(
        (i for i in (after - 1, after) if 0 <= i < len(starts)),
        key=lambda i: abs(starts[i] - tick),
    )
    return index if abs(starts[index] - tick) <= near else None


def _melody(notes: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """The top note of each chord: of notes that start together."""
    top: dict[int, tuple[int, int, int]] = {}
    for note in notes:
        if note[0] not in top or note[2] > top[note[0]][2]:
            top[note[0]] = note
    return [top[tick] for tick in sorted(top)]


def _attach(
    notes: list[tuple[int, int, int]], lyrics: list[tuple[int, str]], near: float, path: Path
) -> list[str | None]:
    """The lyric of each note: the event at its start, to within `near` ticks.

    What stands before the first note, or a measure or more after the last, is a title or a credit:
    a warning.
    """
    end = notes[-1][1] + _AFTER * near
    starts = [note[0] for note in notes]
    attached: list[str | None] = [None] * len(notes)
    outside: list[str] = []
    for tick, text in lyrics:
        nearest = _nearest(starts, tick, near)
        if not text:
            continue
        if nearest is not None:
            attached[nearest] = (attached[nearest] or "") + text
        elif starts[0] < tick < end:
            raise UserError(path, f"lyric {text!r} at tick {tick} without a note", "a note")
        else:
            outside.append(text)
    if outside:
        found = f"{len(outside)} lyrics before the first note or after the last are not sung"
        logging.warning("%s: %s, such as %r", path, found, outside[0][:40])
    return attached


def read_midi(
    path: str | Path, part: str | None = None, lyrics: str | None = None, language: str = "zh"
) -> MusicScore:
    """Read a MIDI file.

    A part is a track (or one channel of it); of a chord the top note is sung, and a note that lasts
    into the next is cut there. Lyrics are lyric events, or the text events of Soft Karaoke.

    Args:
        path: Type 0 or 1.
        part: Name of a track, or its number among those with notes, from 1; by default the first
            that has lyrics, or the one that begins its notes with the lyrics of another track.
        lyrics: Used in place of lyric events: a hanzi or pinyin syllable for each note, ``-``
            where the previous one goes on.
        language: ISO 639 code.

    Raises:
        UserError: truncated or foreign file, no such part, no lyrics, notes that overlap.
    """
    path = Path(path)
    midi = _load(path)
    language_of(language, path)
    parts, tempos = _read_tracks(midi, path, language)
    near = midi.ticks_per_beat / 8
    chosen = _choose(parts, part, lyrics is not None, path, near)
    notes = _melody(chosen.notes)
    if lyrics is None:
        words = _attach(notes, chosen.lyrics, near, path)
    else:
        words = split_lyrics(lyrics, language)
        if len(words) != len(notes):
            raise UserError(path, f"{len(words)} syllables of lyrics", f"{len(notes)}, as notes")
    sung, tempo, end_sec = _timed(notes, words, chosen, TempoMap(tempos, midi.ticks_per_beat), path)
    return assemble(sung, str(path), tempo, language, end_sec)


def read_melody(path: str | Path, part: str | None = None) -> tuple[list[SungNote], float, float]:
    """The notes of a part, whose lyrics stand elsewhere; its tempo; its end (s).

    Args:
        path: As `read_midi`.
        part: As `read_midi`; the first with notes by default.

    Raises:
        UserError: as `read_midi`.
    """
    path = Path(path)
    midi = _load(path)
    parts, tempos = _read_tracks(midi, path, "zh")
    chosen = _choose(parts, part, True, path, midi.ticks_per_beat / 8)
    notes = _melody(chosen.notes)
    clock = TempoMap(tempos, midi.ticks_per_beat)
    return _timed(notes, [None] * len(notes), chosen, clock, path)


def _timed(
    notes: list[tuple[int, int, int]],
    words: Sequence[str | None],
    part: _Part,
    clock: TempoMap,
    path: Path,
) -> tuple[list[SungNote], float, float]:
    """Notes in seconds, the tempo at the first (beats per minute), the end of their part (s)."""
    sung = [
        SungNote(
            clock.seconds(start), clock.seconds(end), note, word, f"{path}: note {i} (tick {start})"
        )
        for i, ((start, end, note), word) in enumerate(zip(notes, words, strict=True), 1)
    ]
    sung = cut_overlaps(sung, str(path))
    return sung, round(clock.bpm_at(notes[0][0]), 3), clock.seconds(part.end)


def write_midi(path: str | Path, score: MusicScore) -> list[str]:
    """Write the notes of a score as one track with lyric events, ``-`` for a slur.

    Nominal times, to half a millisecond; one tempo, in whole microseconds a beat.

    Returns:
        list[str]: What the file does not hold.

    Raises:
        UserError: a tempo that MIDI cannot write.
    """
    import mido

    beat_us = round(60e6 / score.tempo)
    if not 0 < beat_us < 2**24:
        raise UserError(path, f"{score.tempo:g} beats per minute", "3.6 or more in MIDI", "tempo")
    per_beat = min(fine_ticks(score.tempo), _MAX_TICKS_PER_BEAT)
    midi = mido.MidiFile(ticks_per_beat=per_beat, charset="utf-8")
    track = mido.MidiTrack()
    midi.tracks.append(track)
    track.append(mido.MetaMessage("track_name", name="voice"))
    track.append(mido.MetaMessage("set_tempo", tempo=beat_us))
    now = 0
    for note, start, end in note_ticks(replace(score, tempo=60e6 / beat_us), per_beat):
        if note.is_rest:
            continue
        lyric = "-" if note.slur else lyric_of(note)
        track.append(mido.MetaMessage("lyrics", text=lyric, time=start - now))
        track.append(mido.Message("note_on", note=note.midi, velocity=80, time=0))
        track.append(mido.Message("note_off", note=note.midi, time=end - start))
        now = end
    track.append(mido.MetaMessage("end_of_track", time=end - now))
    with atomic_path(path) as part:
        midi.save(part)
    return losses_of_file(read_midi, path, score)
