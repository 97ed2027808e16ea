"""MIDI files with lyric events, or with lyrics beside them."""

import bisect
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import atomic_path
from espnet2_ext.score.formats.assemble import SungNote, assemble, split_lyrics
from espnet2_ext.score.formats.losses import losses_of_file
from espnet2_ext.score.formats.sung_words import lyric_of
from espnet2_ext.score.formats.ticks import TempoMap, fine_ticks, note_ticks
from espnet2_ext.score.music_score import MusicScore

MAX_BYTES = 8 * 2**20
_PERCUSSION = 9
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


def _text(raw: str, place: str) -> str:
    try:
        return raw.encode("latin1").decode("utf-8")
    except UnicodeDecodeError:
        raise UserError(place, "a lyric that is not UTF-8", "UTF-8") from None


def _read_tracks(midi: "mido.MidiFile", path: Path) -> tuple[list[_Part], list[tuple[int, float]]]:  # noqa: F821
    """Parts with notes or lyrics, and the tempo changes (tick, beats per minute)."""
    parts: list[_Part] = []
    tempos: list[tuple[int, float]] = []
    for number, track in enumerate(midi.tracks, 1):
        name = _text(track.name or "", f"{path}: track {number}").strip() or f"track {number}"
        channels: dict[int, _Part] = {}
        lyrics: list[tuple[int, str]] = []
        sounding: dict[tuple[int, int], list[int]] = defaultdict(list)
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "set_tempo" and message.tempo > 0:
                tempos.append((tick, 60e6 / message.tempo))
            elif message.type == "lyrics":
                text = _text(message.text, f"{path}: track {number}, tick {tick}")
                lyrics.append((tick, text.strip(" \r\n\t/\\")))
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
        for part in found_parts:
            part.notes.sort()
            part.lyrics, part.end = lyrics, tick
            if len(found_parts) > 1:
                part.name = f"{name} {found_parts.index(part) + 1}"
        parts += found_parts
    return parts, tempos


def _choose(parts: list[_Part], part: str | None, has_lyrics: bool, path: Path) -> _Part:
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
    if not best.lyrics and not has_lyrics:
        words = [p for p in parts if p.lyrics and not p.notes]  # karaoke: words apart from notes
        if not words:
            found = f"no lyric events in {best.name}"
            raise UserError(path, found, "lyric events, or lyrics given beside the file")
        best.lyrics = words[0].lyrics
    return best


def _melody(notes: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """The top note of each chord: of notes that start together."""
    top: dict[int, tuple[int, int, int]] = {}
    for note in notes:
        if note[0] not in top or note[2] > top[note[0]][2]:
            top[note[0]] = note
    return [top[tick] for tick in sorted(top)]


def _attach(
    notes: list[tuple[int, int, int]], lyrics: list[tuple[int, str]], ticks: int, path: Path
) -> list[str | None]:
    """The lyric of each note: the event at its start, to within an eighth of a beat."""
    starts = [note[0] for note in notes]
    attached: list[str | None] = [None] * len(notes)
    for tick, text in lyrics:
        after = bisect.bisect_left(starts, tick)
        nearest = min(
            (i for i in (after - 1, after) if 0 <= i < len(starts)),
            key=lambda i: abs(starts[i] - tick),
        )
        if abs(starts[nearest] - tick) > ticks / 8:
            if text:
                raise UserError(path, f"lyric {text!r} at tick {tick} without a note", "a note")
            continue
        if text:
            attached[nearest] = (attached[nearest] or "") + text
    return attached


def read_midi(
    path: str | Path, part: str | None = None, lyrics: str | None = None, language: str = "zh"
) -> MusicScore:
    """Read a MIDI file.

    A part is a track (or one channel of it); of a chord the top note is sung.

    Args:
        path: Type 0 or 1.
        part: Name of a track, or its number among those with notes, from 1; the first that has
            lyrics by default.
        lyrics: Used in place of lyric events: a hanzi or pinyin syllable for each note, ``-``
            where the previous one goes on.
        language: ISO 639 code.

    Raises:
        UserError: truncated or foreign file, no such part, no lyrics, notes that overlap.
    """
    path = Path(path)
    midi = _load(path)
    parts, tempos = _read_tracks(midi, path)
    chosen = _choose(parts, part, lyrics is not None, path)
    notes = _melody(chosen.notes)
    if lyrics is None:
        words = _attach(notes, chosen.lyrics, midi.ticks_per_beat, path)
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
    parts, tempos = _read_tracks(midi, path)
    chosen = _choose(parts, part, True, path)
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
