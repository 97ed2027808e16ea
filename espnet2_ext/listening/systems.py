"""What is listened to: systems named by folder, the utterances that all of them sang."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table, read_text

AUDIO_SUFFIXES = (".wav", ".flac")
WITHOUT_SPLIT = "all"


@dataclass(frozen=True)
class System:
    """One system: its name and where each utterance's audio lies."""

    name: str
    folder: Path
    wavs: Mapping[str, str]


def read_wavs(folder: Path) -> dict[str, str]:
    """Audio by utterance, from ``wav.scp``, a ``wav`` folder, the folder's own files or an scp.

    Raises:
        UserError: there is none of these, or the table holds commands instead of paths.
    """
    if folder.is_file():
        scp = folder
    elif not folder.is_dir():
        raise UserError(folder, "no such folder", "a decode folder with wav.scp or wav/")
    else:
        scp = folder / "wav.scp"
    if scp.is_file():
        wavs = read_table(scp)
        for utt, path in wavs.items():
            if not path or path.endswith("|"):
                raise UserError(f"{scp}: {utt}", repr(path), "the path of an audio file")
    else:
        here = folder / "wav" if (folder / "wav").is_dir() else folder
        files = sorted(p for p in here.iterdir() if p.suffix.lower() in AUDIO_SUFFIXES)
        wavs = {path.stem: str(path) for path in files}
    if not wavs:
        raise UserError(folder, "no audio", "wav.scp, or .wav or .flac files in it or in wav/")
    return wavs


def _telling_names(folders: Sequence[Path]) -> list[str]:
    """Last path part of each; where several share it, the last part in which they differ."""
    paths = [folder.resolve() for folder in folders]
    parts = [(p.with_suffix("") if p.suffix == ".scp" else p).parts for p in paths]
    names = []
    for own in parts:
        alike = [other for other in parts if other[-1] == own[-1]]
        back = 1
        while len({p[-back:][:1] for p in alike}) < len(alike) and back < min(map(len, alike)):
            back += 1
        names.append(own[-back])
    return names


def read_systems(arguments: Sequence[str]) -> list[System]:
    """Read ``DIR`` or ``NAME=DIR`` each; names come from the folders where none is given.

    Raises:
        UserError: a folder without audio, or a name that stands twice.
    """
    given = [argument.partition("=") if "=" in argument else ("", "", argument)
             for argument in arguments]  # fmt: skip
    unnamed = [Path(folder) for name, _, folder in given if not name]
    names = iter(_telling_names(unnamed))
    systems: dict[str, System] = {}
    for name, _, folder in given:
        name = name or next(names)
        if name in systems:
            raise UserError(folder, f"a second system named {name!r}", "NAME=DIR with another name")
        systems[name] = System(name, Path(folder), read_wavs(Path(folder)))
    return list(systems.values())


def read_splits(arguments: Sequence[str]) -> dict[str, str]:
    """Split of each utterance, from ``NAME=FILE``: ids are the first column of the file.

    A data directory stands for its ``wav.scp``.

    Raises:
        UserError: not in that form, an empty list, or an utterance in two splits.
    """
    split_of: dict[str, str] = {}
    for argument in arguments:
        name, equals, place = argument.partition("=")
        if not equals or not name:
            raise UserError("--splits", repr(argument), "NAME=FILE or NAME=DATA_DIR")
        path = Path(place) / "wav.scp" if Path(place).is_dir() else Path(place)
        utts = [line.split()[0] for line in read_text(path).splitlines() if line.strip()]
        if not utts:
            raise UserError(path, "no utterances", "a list of utterance ids")
        for utt in utts:
            if split_of.setdefault(utt, name) != name:
                raise UserError(f"{path}: {utt}", f"also in split {split_of[utt]!r}", "one split")
    return split_of


def choose(
    tables: Sequence[Mapping[str, str]], split_of: Mapping[str, str], n: int, seed: int
) -> tuple[dict[str, str], list[str]]:
    """Draw the utterances to hear from those that every table has.

    Args:
        tables: Audio by utterance, of every system and the reference.
        split_of: Split of each utterance; empty takes all as one.
        n: Utterances of each split; 0 takes all.
        seed: Of the draw.

    Returns:
        Split by utterance in sorted order, and what is left over (drawn order) for practice.

    Raises:
        UserError: no utterance in common, or too few.
    """
    common = set(tables[0]).intersection(*tables[1:])
    if not common:
        raise UserError("systems", "no utterance that all have", "the same ids in every wav.scp")
    chosen: dict[str, str] = {}
    left: list[str] = []
    rng = random.Random(f"{seed} utterances")
    for split in dict.fromkeys(split_of.values()) or [WITHOUT_SPLIT]:
        pool = sorted(u for u in common if split_of.get(u, WITHOUT_SPLIT) == split)
        if len(pool) < max(n, 1):
            found = f"{len(pool)} utterances that all have"
            raise UserError(f"split {split}", found, f"at least {max(n, 1)}")
        rng.shuffle(pool)
        size = n or len(pool)
        chosen.update(dict.fromkeys(pool[:size], split))
        left.extend(pool[size:])
    return dict(sorted(chosen.items())), left
