"""ACE-Opencpop's raw release: whole songs, from which Opencpop's utterances are cut by the MIDI.

``segments/{transcriptions,train,test}.txt`` and ``raw_data/midis/<song>.midi`` are Opencpop's;
``{lyrics,no_lyrics}/<number ...>/<song>/*.wav`` are the singers'. Where ``lyrics/segments`` holds
``<singer>#<id>.wav``, cut before, those are taken. Otherwise nothing is cut on disk: the data
directory has a Kaldi ``segments`` file, and stage 2 cuts.
"""

import itertools
import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from espnet2_ext.corpora.acesinger_common import (
    DROPPED_SONGS,
    LICENSE,
    N_SINGERS,
    SPLITS,
    end_rests_at,
)
from espnet2_ext.corpora.opencpop import check_layout, midi_of, song_of, tempo_reader
from espnet2_ext.corpora.preparer import (
    MAX_BAD,
    PreparedSet,
    Rejects,
    audio_seconds,
    check_audio,
    license_of,
    lines_of,
    only_once,
    write_sets,
)
from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.espnet_format import Entry
from espnet2_ext.score.formats.opencpop import parse_line
from espnet2_ext.score.music_score import MusicScore

N_VALIDATION = 50
_MAX_SKIPPED_NOTES = 5


def prepare(
    corpus: str | Path,
    out: str | Path,
    max_bad: float = MAX_BAD,
    vocals: str = "lyrics",
    n_validation: int = N_VALIDATION,
) -> tuple[PreparedSet, ...]:
    """Write ``out/{train,validation,test}`` of the raw release.

    Test is what Opencpop's test.txt names, validation the last utterances of the others by id, as
    in ESPnet's recipe.

    Args:
        corpus: Folder of ``segments``, ``raw_data``, ``lyrics``, ``no_lyrics``.
        out: Parent of the data directories.
        max_bad: Share of the utterances that may be bad; named in ``out/rejected.txt``.
        vocals: ``lyrics`` or ``no_lyrics``.
        n_validation: Utterances of validation.

    Raises:
        UserError: the layout is another, or too many lines are bad; no set is written then.
    """
    corpus = Path(corpus).resolve()
    check_layout(corpus, (vocals,))
    rejects = Rejects()
    scores, places = _scores(corpus, rejects)
    split_of = {}
    for split in ("train", "test"):
        for place, line in lines_of(corpus / "segments" / f"{split}.txt"):
            split_of[line.partition("|")[0].strip()] = (split, place)
    cuts = _cuts(corpus, {utt: score for utt, score in scores.items() if utt in split_of}, places)

    def read(singer: int, folder: Path, utt: str) -> Entry:
        score, place = scores[utt], places[utt]
        name = f"acesinger_{singer}#{utt}"
        ready = corpus / vocals / "segments" / f"{singer}#{utt}.wav"
        if ready.parent.is_dir():
            score = end_rests_at(score, audio_seconds(ready, place))
            wav = check_audio(ready, score, place)
            return Entry(name, wav, str(singer), score, song=song_of(utt))
        start = cuts[utt]
        if isinstance(start, UserError):
            raise start
        recording = _recording(folder / song_of(utt), place)
        length = audio_seconds(recording, place)
        score = end_rests_at(score, length - start)
        wav = check_audio(recording, score, place, start)
        end = min(start + score.duration_sec, length)
        span = (f"acesinger_{singer}_{song_of(utt)}", start, end)
        return Entry(name, wav, str(singer), score, span=span, song=song_of(utt))

    sets: dict[str, list[Entry]] = {split: [] for split in SPLITS}
    for singer, folder in _singers(corpus / vocals, rejects):
        for utt in scores:
            if utt in split_of:
                entry = rejects.take(read, singer, folder, utt)
                if entry is not None:
                    sets[split_of[utt][0]].append(entry)
    ordered = sorted(sets["train"], key=lambda entry: entry.utt)
    sets["train"], sets["validation"] = ordered[:-n_validation], ordered[-n_validation:]
    return write_sets(out, sets, rejects, license_of(corpus, LICENSE), max_bad=max_bad)


def _scores(corpus: Path, rejects: Rejects) -> tuple[dict[str, MusicScore], dict[str, str]]:
    """Scores and places of the good lines of transcriptions.txt, but of the dropped songs."""
    tempo_of = tempo_reader(corpus)
    scores: dict[str, MusicScore] = {}
    places: dict[str, str] = {}

    def read(line: str, place: str) -> None:
        utt, score = parse_line(line, place, tempo_of(song_of(line), place))
        only_once(places, utt, place)
        scores[utt] = score

    for place, line in lines_of(corpus / "segments" / "transcriptions.txt"):
        if song_of(line) in DROPPED_SONGS:
            logging.info("%s: song %s is left out", place, song_of(line))
        else:
            rejects.take(read, line, place)
    return scores, places


def _singers(folder: Path, rejects: Rejects) -> Iterator[tuple[int, Path]]:
    """Number and folder of each singer, in order."""
    found = {}
    for path in sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0].isdigit()):
        singer = int(re.match(r"\d+", path.name)[0])
        if not 1 <= singer <= N_SINGERS:
            error = UserError(path, f"unknown singer {singer}", f"1 to {N_SINGERS}", "singer")
            rejects.add(error)
        else:
            found[singer] = path
    if not found:
        raise UserError(folder, "no singers", "a folder each, its number first")
    yield from sorted(found.items())


def _recording(folder: Path, place: str) -> Path:
    wavs = sorted(path for path in folder.glob("*.wav") if not path.name.startswith("."))
    if not wavs:
        raise UserError(place, f"no audio {folder}/*.wav", "one recording per song", "audio")
    return wavs[0]


def _cuts(
    corpus: Path, scores: dict[str, MusicScore], places: dict[str, str]
) -> dict[str, float | UserError]:
    """Start (s) of each utterance in its song, or why it is not known."""
    songs: dict[str, list[str]] = defaultdict(list)
    for utt in sorted(scores):
        songs[song_of(utt)].append(utt)
    cuts: dict[str, float | UserError] = {}
    for song, utts in songs.items():
        melody = melody_of(midi_of(corpus, song))
        starts = align([scores[utt] for utt in utts], melody)
        for utt, start in zip(utts, starts, strict=True):
            if start is None:
                found = "its notes do not follow the previous utterance's in the song's MIDI"
                cuts[utt] = UserError(places[utt], found, "the song's melody", "notes")
            else:
                cuts[utt] = start
    return cuts


def melody_of(path: Path) -> list[tuple[float, int]]:
    """(start in s, MIDI number) of each note of a MIDI file, in order."""
    import mido

    notes, now = [], 0.0
    for message in mido.MidiFile(path):
        now += message.time
        if message.type == "note_on" and message.velocity > 0:
            notes.append((now, message.note))
    return notes


def align(scores: Sequence[MusicScore], melody: Sequence[tuple[float, int]]) -> list[float | None]:
    """Where each utterance of a song starts (s), by finding its notes in the song's melody.

    The notes must follow those of the utterance before; a few notes between them may belong to
    neither, and after an utterance that was not found as many more as it has. The start is that of
    its first sung note less the rest before it, so that a consonant that leads the beat is inside.
    """
    pitches = [midi for _, midi in melody]
    starts: list[float | None] = []
    position = unfound = 0
    for score in scores:
        wanted = [note.midi for note in score.notes if not note.is_rest]
        reach = position + unfound + _MAX_SKIPPED_NOTES
        at = next(
            (i for i in range(position, reach + 1) if pitches[i : i + len(wanted)] == wanted), None
        )
        if at is None or not wanted:
            starts.append(None)
            unfound += len(wanted)
            continue
        lead = sum(
            note.end_sec - note.start_sec
            for note in itertools.takewhile(lambda note: note.is_rest, score.notes)
        )
        start = melody[at][0] - lead
        starts.append(max(start, 0.0) if start > -0.1 else None)
        position, unfound = at + len(wanted), 0
    return starts
