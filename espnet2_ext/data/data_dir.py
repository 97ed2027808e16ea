"""Kaldi data directories: fix, split, subset, filter by length, combine.

Every file of a directory that is keyed by utterance follows; what is not (a licence, the phone set)
is copied; joined directories have the phones of all.
Validation is `espnet2_ext.lint`.
"""

import itertools
import logging
import random
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espnet2_ext.audio.wav import audio_info
from espnet2_ext.errors import UserError
from espnet2_ext.files import (
    STEMS,
    read_jsonl_table,
    read_table,
    remove_stale_tables,
    split_line,
    write_jsonl,
    write_table,
)
from espnet2_ext.score.formats.phone_set import PHONES_FILE, ordered, phones_of, write_phones

_NAMES_SHOWN = 5


def is_utterance_table(name: str) -> bool:
    """Whether a file of this name has a line per utterance (wav.scp: where no segments are)."""
    is_named = name in ("text", "label", "segments") or name.startswith("utt2")
    return is_named or name.endswith((".scp", ".jsonl"))


def _read(path: Path) -> dict[str, Any]:
    return read_jsonl_table(path) if path.suffix == ".jsonl" else read_table(path)


def _write(path: Path, table: Mapping[str, Any]) -> None:
    if path.suffix == ".jsonl":
        write_jsonl(path, table.values())
    else:
        write_table(path, table)


@dataclass
class DataDir:
    """A data directory in memory.

    Args:
        path: Where it was read.
        tables: By file name, values by utterance: texts, of JSON Lines objects; wav.scp by
            recording where there are segments.
        others: Files that are not keyed by utterance.
    """

    path: Path
    tables: dict[str, dict[str, Any]]
    others: list[Path] = field(default_factory=list)

    @classmethod
    def read(cls, path: str | Path) -> "DataDir":
        """Read every table; raises `UserError` when wav.scp is missing or a table is broken."""
        path = Path(path)
        if not (path / "wav.scp").is_file():
            raise UserError(path, "no wav.scp", "a data directory")
        tables, others = {}, []
        for file in sorted(file for file in path.iterdir() if file.is_file()):
            if is_utterance_table(file.name):
                tables[file.name] = _read(file)
            elif file.name != "spk2utt" and not file.name.startswith("."):
                others.append(file)
        return cls(path, tables, others)

    @property
    def recordings(self) -> dict[str, str]:
        """Recording of each utterance: itself, where there are no segments."""
        if "segments" not in self.tables:
            return {utt: utt for utt in self.tables["wav.scp"]}
        return {utt: split_line(line)[0] for utt, line in self.tables["segments"].items()}

    @property
    def utts(self) -> list[str]:
        """Ids, sorted."""
        return sorted(self.recordings)

    def select(self, utts: Collection[str]) -> "DataDir":
        """The same directory with these utterances only, each table sorted by id."""
        recordings = self.recordings
        kept, wavs = set(utts), {recordings[utt] for utt in utts}
        tables = {}
        for name, table in self.tables.items():
            ids = wavs if name == "wav.scp" else kept
            tables[name] = {key: table[key] for key in sorted(ids) if key in table}
        return DataDir(self.path, tables, self.others)

    def write(self, path: str | Path) -> None:
        """Write to another directory, or over this one; wav.scp last.

        Raises:
            UserError: no utterances are left.
        """
        path = Path(path)
        if not self.tables["wav.scp"]:
            raise UserError(path, f"no utterance of {self.path} is left", "at least one")
        path.mkdir(parents=True, exist_ok=True)
        for name, table in self.tables.items():
            if name != "wav.scp":
                _write(path / name, table)
        spk2utt: dict[str, list[str]] = {}
        for utt, speaker in self.tables.get("utt2spk", {}).items():
            spk2utt.setdefault(speaker, []).append(utt)
        if spk2utt:
            write_table(path / "spk2utt", {spk: " ".join(spk2utt[spk]) for spk in sorted(spk2utt)})
        for file in self.others:
            if file.parent.resolve() != path.resolve():
                shutil.copyfile(file, path / file.name)
        others = [file.name for file in self.others] + ["spk2utt"] * bool(spk2utt)
        remove_stale_tables(path, [*self.tables, *others])
        write_table(path / "wav.scp", self.tables["wav.scp"])


def fix(in_dir: str | Path, out_dir: str | Path) -> list[str]:
    """Sort, and drop utterances that some table lacks or whose audio is not there.

    The stems of songs may be missing: speech has none.

    Returns:
        The dropped ids.
    """
    data = DataDir.read(in_dir)
    optional = ("wav.scp", *STEMS)
    tables = [table for name, table in data.tables.items() if name not in optional]
    wavs = data.tables["wav.scp"]
    everywhere = [
        utt
        for utt, recording in data.recordings.items()
        if recording in wavs
        and Path(wavs[recording]).is_file()
        and all(table.get(utt) for table in tables)
    ]
    data.select(everywhere).write(out_dir)
    kept = set(everywhere)
    mentioned = set(data.recordings).union(*tables)
    return _log_dropped("incomplete", sorted(mentioned - kept))


def durations(data: DataDir) -> dict[str, float]:
    """Length of each utterance (s), from its segment or the header of its audio file.

    Raises:
        UserError: naming the utterance whose length cannot be found.
    """
    lengths = {}
    for utt, recording in data.recordings.items():
        place = f"{data.path / 'wav.scp'}: {recording}"
        if "segments" in data.tables:
            try:
                _, start, end = data.tables["segments"][utt].split()
                lengths[utt] = float(end) - float(start)
            except ValueError:
                found = data.tables["segments"][utt]
                place = f"{data.path / 'segments'}: {utt}"
                raise UserError(place, repr(found), "recording start end") from None
            continue
        file = data.tables["wav.scp"][recording]
        try:
            lengths[utt] = audio_info(file).seconds
        except UserError as error:
            raise UserError(place, f"{error.found} {file}", error.expected, error.field) from None
    return lengths


def filter_by_length(
    in_dir: str | Path,
    out_dir: str | Path,
    min_sec: float | None = None,
    max_sec: float | None = None,
    exclude: Collection[str] = (),
) -> list[str]:
    """Keep utterances of `min_sec` to `max_sec` that are not to be left out.

    Args:
        in_dir: Data directory.
        out_dir: Directory to write.
        min_sec: Shortest (s); None: any.
        max_sec: Longest (s); None: any.
        exclude: Ids to leave out; some may be of other directories.

    Returns:
        The dropped ids.
    """
    data = DataDir.read(in_dir)
    left_out = sorted(set(exclude).intersection(data.utts))
    if left_out:
        data = data.select(set(data.utts).difference(left_out))
    low, high = min_sec or 0.0, float("inf") if max_sec is None else max_sec
    if low > high:
        raise UserError("filter", f"{low} to {high} s", "a minimum below the maximum")
    kept = data.utts
    if min_sec is not None or max_sec is not None:
        kept = [utt for utt, sec in durations(data).items() if low <= sec <= high]
    data.select(kept).write(out_dir)
    outside = sorted(set(data.utts) - set(kept))
    _log_dropped("excluded", left_out)
    return sorted(left_out + _log_dropped(f"outside {low:g}-{high:g} s", outside))


def _log_dropped(why: str, dropped: list[str]) -> list[str]:
    if dropped:
        more = f" and {len(dropped) - _NAMES_SHOWN} more" if len(dropped) > _NAMES_SHOWN else ""
        logging.info("dropped as %s: %s%s", why, " ".join(dropped[:_NAMES_SHOWN]), more)
    return dropped


def subset(
    in_dir: str | Path,
    out_dir: str | Path,
    utts: Collection[str] | None = None,
    speakers: Collection[str] | None = None,
    number: int | None = None,
    seed: int | None = None,
) -> list[str]:
    """Keep some utterances.

    Args:
        in_dir: Data directory.
        out_dir: Directory to write.
        utts: These ids; all must be there.
        speakers: Those of these speakers; all must be there.
        number: At most so many of what is left: the first by id, or drawn with `seed`.
        seed: Draw instead of taking the first.

    Returns:
        The kept ids.
    """
    data = DataDir.read(in_dir)
    kept = data.utts
    for asked, own, table in (
        (utts, {utt: utt for utt in kept}, "wav.scp"),
        (speakers, data.tables.get("utt2spk", {}), "utt2spk"),
    ):
        if asked is None:
            continue
        wanted = set(asked)
        for name in sorted(wanted - set(own.values())):
            raise UserError(data.path / table, f"no {name!r}", "the ids asked for")
        kept = [utt for utt in kept if own.get(utt) in wanted]
    if number is not None and number < len(kept):
        kept = kept[:number] if seed is None else sorted(random.Random(seed).sample(kept, number))
    data.select(kept).write(out_dir)
    return kept


def split(in_dir: str | Path, out_dirs: Sequence[str | Path]) -> list[int]:
    """Split into directories of equal size, give or take one, in order of id.

    Returns:
        Utterances in each.
    """
    data = DataDir.read(in_dir)
    utts, n = data.utts, len(out_dirs)
    if not 1 <= n <= len(utts):
        raise UserError(data.path, f"{n} parts of {len(utts)} utterances", "1 or more in each")
    bounds = [len(utts) * i // n for i in range(n + 1)]
    for out_dir, (start, end) in zip(out_dirs, itertools.pairwise(bounds), strict=True):
        data.select(utts[start:end]).write(out_dir)
    return [end - start for start, end in itertools.pairwise(bounds)]


def combine(in_dirs: Sequence[str | Path], out_dir: str | Path) -> int:
    """Join directories; a table must be in all of them to be written.

    Returns:
        Utterances written.

    Raises:
        UserError: an id stands in two of them, with different contents.
    """
    parts = [DataDir.read(path) for path in in_dirs]
    if not parts:
        raise UserError("combine", "no directories", "at least one")
    if any(("segments" in part.tables) != ("segments" in parts[0].tables) for part in parts):
        raise UserError(out_dir, "directories with and without segments", "one kind")
    names = set.intersection(*(set(part.tables) for part in parts))
    tables: dict[str, dict[str, Any]] = {}
    for name in sorted(names):
        table = tables[name] = {}
        for part in parts:
            for key, value in part.tables[name].items():
                if table.setdefault(key, value) != value:
                    raise UserError(part.path / name, f"{key!r} is in two directories", "one")
    for name in sorted(set().union(*(part.tables for part in parts)) - names):
        logging.warning("%s: left out %s, which some directories lack", out_dir, name)
    others = [file for file in parts[0].others if file.name != PHONES_FILE]
    joint = DataDir(Path(out_dir), tables, others)
    joint.select(joint.utts).write(out_dir)
    if any((part.path / PHONES_FILE).exists() for part in parts):
        sets = [phones_of(part.path) for part in parts]
        same = all(phones == sets[0] for phones in sets)
        write_phones(joint.path / PHONES_FILE, sets[0] if same else ordered(set().union(*sets)))
    return len(joint.utts)
