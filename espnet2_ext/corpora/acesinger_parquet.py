"""ACE-Opencpop from its parquet shards, one at a time: read, written as files, marked done.

``corpus/parquet/<split>-*.parquet``, put there by hand, is read where it is; otherwise each shard
is fetched from the hub and deleted when its audio and tables are written. A run that was killed
goes on with the first shard that is not done.
"""

import io
import logging
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from espnet2_ext.corpora.acesinger_common import (
    LICENSE,
    LICENSE_NAME,
    REPOSITORY,
    SPLITS,
    end_rests_at,
    singer_and_segment,
)
from espnet2_ext.corpora.opencpop import song_of
from espnet2_ext.corpora.preparer import MAX_BAD, PreparedSet, Rejects, check_audio, only_once
from espnet2_ext.data import data_dir
from espnet2_ext.errors import UserError
from espnet2_ext.files import atomic_path, read_json, read_table, write_json
from espnet2_ext.score.formats.espnet_format import (
    Entry,
    parse_label,
    parse_score_json,
    write_data_dir,
)
from espnet2_ext.score.music_score import SLUR_LYRIC, MusicScore
from espnet2_ext.score.phones import PHONES, is_hanzi

NOTE_FIELDS = ("note_midi", "note_phns", "note_lyrics", "note_start_times", "note_end_times")
PHONE_FIELDS = ("phn", "phn_start_time", "phn_end_time")
_LABEL_DECIMALS_SEC = 2e-3
_ROWS_AT_ONCE = 64
_DONE = "done.json"


@dataclass(frozen=True)
class Shard:
    """A parquet file of a split, and how to have it here.

    Args:
        name: ``train-00000-of-00088``.
        fetch: Returns its path.
        keep: Not to be deleted afterwards.
    """

    name: str
    fetch: Callable[[], Path]
    keep: bool

    @property
    def split(self) -> str:
        return self.name.partition("-")[0]


def prepare(
    corpus: str | Path, out: str | Path, max_bad: float = MAX_BAD
) -> tuple[PreparedSet, ...]:
    """Write ``out/<split>`` from the shards; audio goes to ``out/<split>/wav`` as it is.

    Args:
        corpus: Folder with ``parquet``; without it the shards come from the hub.
        out: Parent of the data directories; ``out/shards`` keeps what each shard gave.
        max_bad: Share of the rows that may be bad; they are named in ``out/rejected.txt``.

    Raises:
        UserError: no shards, a split without any, or too many bad rows.
    """
    corpus, out = Path(corpus), Path(out).resolve()
    shards = local_shards(corpus / "parquet") or hub_shards(corpus)
    for split in SPLITS:
        if not any(shard.split == split for shard in shards):
            raise UserError(corpus / "parquet", f"no {split}-*.parquet", "a shard of each split")
    seen: dict[str, str] = {}
    rejects = Rejects()
    folders: dict[str, list[Path]] = {split: [] for split in SPLITS}
    for number, shard in enumerate(shards, 1):
        folder = out / "shards" / shard.name
        if not (folder / _DONE).exists():
            _write_shard(shard, folder, out / shard.split / "wav", seen)
            logging.info("%s: shard %d of %d", folder, number, len(shards))
        done = read_json(folder / _DONE)
        rejects.n_lines += done["rows"]
        rejects.errors += [UserError(*error) for error in done["rejected"]]
        if (folder / "wav.scp").exists():
            folders[shard.split].append(folder)
            seen |= dict.fromkeys(read_table(folder / "wav.scp"), f"{shard.name}.parquet")
    rejects.close(out, max_bad)
    return tuple(_join(out / split, folders[split]) for split in SPLITS)


def _join(path: Path, folders: Sequence[Path]) -> PreparedSet:
    if not folders:
        raise UserError(path, "no utterance", f"at least one; see {path.parent / 'rejected.txt'}")
    number = data_dir.combine(folders, path)
    labels = read_table(path / "label").values()
    seconds = sum(float(label.split()[-2]) for label in labels)
    logging.info("%s: %d utterances, %.2f h", path, number, seconds / 3600)
    return PreparedSet(path.name, number, seconds)


def local_shards(folder: Path) -> list[Shard]:
    """The shards of a folder, by name."""
    paths = sorted(p for s in SPLITS for p in folder.glob(f"**/{s}-*.parquet"))
    return [Shard(path.stem, lambda path=path: path, keep=True) for path in paths]


def hub_shards(corpus: Path) -> list[Shard]:
    """The shards that the hub lists; fetched one by one, each download resumed where it broke off.

    Raises:
        UserError: the hub cannot be reached.
    """
    from huggingface_hub import HfApi, hf_hub_download

    here = corpus / "parquet"

    def ask(question: Callable[..., Any], *args: Any, **options: Any) -> Any:
        try:
            return question(*args, repo_type="dataset", **options)
        except Exception as error:  # whatever the hub's client is built on raises its own
            reason = str(error).strip().partition("\n")[0]
            found = f"not to be had from huggingface.co ({reason})"
            how = f"the network, or its data/*.parquet put into {here} by hand"
            raise UserError(f"{REPOSITORY} ({LICENSE_NAME})", found, how) from None

    files = ask(HfApi().list_repo_files, REPOSITORY)
    wanted = sorted(f for f in files if f.startswith("data/") and f.endswith(".parquet"))
    part = corpus / ".download"
    return [
        Shard(
            Path(file).stem,
            lambda file=file: Path(ask(hf_hub_download, REPOSITORY, file, local_dir=part)),
            keep=False,
        )
        for file in wanted
    ]


def _write_shard(shard: Shard, folder: Path, wav_dir: Path, seen: dict[str, str]) -> None:
    """Write the audio and tables of a shard; ``done.json`` last, then delete a fetched file.

    Raises:
        UserError: the shard cannot be had or read, or most of its rows cannot be used.
    """
    path = shard.fetch()
    rejects = Rejects()

    def read(row: dict[str, Any], place: str) -> Entry:
        utt, singer, score = read_row(row, place)
        only_once(seen, utt, place)
        wav, score = _write_audio(row["audio"], wav_dir / utt, score, place)
        song = song_of(singer_and_segment(utt, place)[1])
        return Entry(utt, wav, str(singer), score, song=song)

    taken = (rejects.take(read, row, place) for row, place in rows_of(path, shard.name))
    entries = [entry for entry in taken if entry is not None]
    if 2 * len(entries) < rejects.n_lines:  # not after 44 GB: the columns are not as documented
        found = f"{len(rejects.errors)} of {rejects.n_lines} rows cannot be used"
        raise UserError(path, f"{found}, the first as {rejects.errors[0]}", "most of a shard")
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed here
    if entries:
        write_data_dir(folder, entries, LICENSE)
    errors = [(error.place, error.found, error.expected, error.field) for error in rejects.errors]
    write_json(folder / _DONE, {"rows": rejects.n_lines, "rejected": errors})
    if not shard.keep:
        path.unlink()


def rows_of(path: Path, name: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows of a shard, each with ``name.parquet:row`` (from 1).

    Raises:
        UserError: it is not parquet, or lacks a column.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(path, f"not readable ({error})", "a parquet file") from None
    wanted = ["audio", "segment_id", "transcription", "singer", "label", "tempo"]
    wanted += [*NOTE_FIELDS, *PHONE_FIELDS]
    for column in wanted:
        if column not in file.schema_arrow.names:
            raise UserError(path, f"no column {column!r}", f"those of {REPOSITORY}")
    number = 0
    for batch in file.iter_batches(_ROWS_AT_ONCE, columns=wanted):
        for row in batch.to_pylist():
            number += 1
            yield row, f"{name}.parquet:{number}"


def read_row(row: dict[str, Any], place: str) -> tuple[str, int, MusicScore]:
    """Id, singer (1-30) and score of a row.

    Raises:
        UserError: naming the column that is wrong, or disagrees with another.
    """
    utt = str(row["segment_id"])
    singer, _ = singer_and_segment(utt, place)
    if row["singer"] != singer:
        raise UserError(place, f"{row['singer']} in {utt!r}", f"{singer}, as the id", "singer")
    for fields in (NOTE_FIELDS, PHONE_FIELDS):
        for field in fields:
            wanted, found = len(row[fields[0]] or ()), len(row[field] or ())
            if found != wanted or not found:
                expected = f"{wanted or 'some'}, as {fields[0]}"
                raise UserError(place, f"{found} items", expected, field)
            if "time" in field or field == "note_midi":
                _check_numbers(row[field], field, place)
    label = list(zip(row["phn_start_time"], row["phn_end_time"], row["phn"], strict=True))
    _check_label(row, label, place)
    for index, phone in enumerate(row["phn"], 1):
        if phone not in PHONES:
            raise UserError(place, f"item {index}: unknown phone {phone!r}", "Opencpop's", "phn")
    notes = _lyrics(row)
    loaded = {"tempo": row["tempo"], "note": [list(note) for note in notes]}
    return utt, singer, parse_score_json(loaded, place, label)


def _check_numbers(values: Sequence[Any], field: str, place: str) -> None:
    for index, value in enumerate(values, 1):
        good = isinstance(value, float) and math.isfinite(value) and value >= 0
        if not good or (field == "note_midi" and not value.is_integer()):
            expected = "a MIDI number" if field == "note_midi" else "seconds, not negative"
            raise UserError(place, f"item {index} is {value!r}", expected, field)


def _check_label(row: dict[str, Any], phones: list[tuple[float, float, str]], place: str) -> None:
    """`label` says what phn, phn_start_time and phn_end_time say, to three decimals."""
    label = parse_label(str(row["label"]), place)
    if len(label) != len(phones):
        raise UserError(place, f"{len(label)} phones", f"{len(phones)}, as phn", "label")
    for index, (ours, theirs) in enumerate(zip(label, phones, strict=True), 1):
        close = all(
            abs(a - b) <= _LABEL_DECIMALS_SEC for a, b in zip(ours, theirs[:2], strict=False)
        )
        if ours[2] != theirs[2] or not close:
            found = f"item {index} is {' '.join(map(str, ours))!r}"
            expected = f"{' '.join(map(str, theirs))!r}, as phn and its times"
            raise UserError(place, found, expected, "label")


def _lyrics(row: dict[str, Any]) -> list[tuple[float, float, str, float, str]]:
    """Notes as score.scp has them; each syllable's hanzi where the transcription has one each."""
    columns = (row[field] for field in NOTE_FIELDS)
    notes = [
        (s, e, str(lyric), m, str(phns)) for m, phns, lyric, s, e in zip(*columns, strict=True)
    ]
    sung = [i for i, (_, _, lyric, midi, _) in enumerate(notes) if midi and lyric != SLUR_LYRIC]
    hanzi = [char for char in str(row["transcription"]) if is_hanzi(char)]
    same = len(hanzi) == len(sung)
    for index, char in zip(sung, hanzi if same else [""] * len(sung), strict=True):
        start, end, lyric, midi, phns = notes[index]
        notes[index] = (start, end, char or lyric.replace("_", ""), midi, phns)
    return notes


def _write_audio(audio: Any, stem: Path, score: MusicScore, place: str) -> tuple[str, MusicScore]:
    """Write the bytes of a recording as they are; the score's last rests end with it."""
    content = (audio or {}).get("bytes")
    if not content:
        raise UserError(place, "no audio", "the bytes of a wav or flac file", "audio")
    try:
        info = soundfile.info(io.BytesIO(content))
    except (soundfile.SoundFileError, RuntimeError):
        raise UserError(place, "not readable as audio", "wav or flac", "audio") from None
    score = end_rests_at(score, info.duration)
    path = stem.with_name(f"{stem.name}.{info.format.lower()}")
    with atomic_path(path) as part:
        part.write_bytes(content)
    try:
        return check_audio(path, score, place), score
    except UserError:
        path.unlink()
        raise
