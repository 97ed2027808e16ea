"""What every corpus preparer does alike: keep the good lines, name the bad ones, write the sets.

A preparer reads each line of its corpus through `Rejects.take`, with a function that returns an
`Entry` or raises a `UserError` naming file, line and field, then gives all to `write_sets`.
"""

import argparse
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ParamSpec, TypeVar

from espnet2_ext.audio.wav import audio_info
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_text, write_text
from espnet2_ext.score.formats.espnet_format import Entry, write_data_dir
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.tokenizer.align import MAX_MISSING_SEC

MAX_BAD = 0.05
_SHOWN = 5
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True)
class PreparedSet:
    """A data directory that was written: its name, utterances and length (s, of its labels)."""

    name: str
    n_utterances: int
    seconds: float


class Rejects:
    """Why lines of a corpus cannot be used.

    Attributes:
        errors: One for each bad line.
        n_lines: Lines read, good and bad.
    """

    def __init__(self) -> None:
        self.errors: list[UserError] = []
        self.n_lines = 0

    def take(self, read: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        """Read one line; where that fails, keep why and return None.

        A reader checks what it reads and raises `UserError`. What it did not foresee (a key that a
        JSON file lacks, a text where a number was meant) costs its line alone, too.
        """
        self.n_lines += 1
        try:
            return read(*args, **kwargs)
        except UserError as error:
            self.errors.append(error)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            place = next((a for a in reversed(args) if isinstance(a, str | Path)), "a line")
            found = f"{type(error).__name__}: {error}".partition("\n")[0]
            logging.debug("%s", place, exc_info=True)
            self.errors.append(UserError(place, found, "what the corpus' reader takes"))
        return None

    def add(self, error: UserError) -> None:
        """Keep what is wrong with a line that nothing is read from (of a list of ids)."""
        self.n_lines += 1
        self.errors.append(error)

    def close(self, out: str | Path, max_bad: float = MAX_BAD) -> None:
        """Write ``out/rejected.txt``, a line for each bad one (none: empty), and log the first.

        Raises:
            UserError: more than `max_bad` of the lines are bad, and more than one.
        """
        path = Path(out) / "rejected.txt"
        write_text(path, "".join(f"{error}\n" for error in self.errors))
        if not self.errors:
            return
        found = f"{len(self.errors)} of {self.n_lines} lines cannot be used"
        allowed = max(1.0, max_bad * self.n_lines) if max_bad > 0 else 0.0
        if len(self.errors) > allowed:
            found += f", the first as {self.errors[0]}"
            raise UserError(path, found, f"at most {max_bad:.1%}; --max_bad allows more")
        logging.warning("%s: %s", path, found)
        for error in self.errors[:_SHOWN]:
            logging.warning("left out: %s", error)


def write_sets(
    out: str | Path,
    sets: Mapping[str, Sequence[Entry]],
    rejects: Rejects,
    license_text: str | Mapping[str, str],
    phones: Sequence[str] | None = None,
    max_bad: float = MAX_BAD,
) -> tuple[PreparedSet, ...]:
    """Close `rejects` and write ``out/<set>`` for each set.

    Args:
        out: Parent of the data directories.
        sets: The good lines of each.
        rejects: Where the lines were taken through.
        license_text: See `license_of`; by set where they differ.
        phones: The corpus' phone set; None: Opencpop's.
        max_bad: Share of the lines that may be bad.

    Raises:
        UserError: too many lines are bad, or a set is empty; no set is written then.
    """
    out = Path(out)
    rejects.close(out, max_bad)
    for name, entries in sets.items():
        if not entries:
            expected = f"at least one; {out / 'rejected.txt'} says why lines were left out"
            raise UserError(out / name, "no utterance", expected)
    prepared = []
    for name, entries in sets.items():
        text = license_text if isinstance(license_text, str) else license_text[name]
        write_data_dir(out / name, entries, text, phones)
        seconds = sum(entry.score.duration_sec for entry in entries if entry.score is not None)
        prepared.append(PreparedSet(name, len(entries), seconds))
        logging.info("%s: %d utterances, %.2f h", out / name, len(entries), seconds / 3600)
    return tuple(prepared)


def lines_of(path: Path) -> Iterator[tuple[str, str]]:
    """Each line of a text file that is not empty, as (``file:line``, text)."""
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            yield f"{path}:{number}", line.strip()


def only_once(seen: dict[str, str], utt: str, place: str) -> None:
    """Note down an id; raises `UserError` where it was noted before."""
    if utt in seen:
        raise UserError(place, f"duplicate id {utt!r}", f"each id once, see {seen[utt]}", "id")
    seen[utt] = place


def audio_seconds(path: str | Path, place: str) -> float:
    """Length (s) of a recording, from its header.

    Raises:
        UserError: it is missing or broken.
    """
    try:
        return audio_info(path).seconds
    except UserError as error:
        if not Path(path).exists():
            raise UserError(place, f"no audio {path}", "one file per utterance", "audio") from None
        raise UserError(place, f"{path} is {error.found}", error.expected, "audio") from None


def check_audio(
    path: str | Path, score: MusicScore | None, place: str, start_sec: float = 0.0
) -> str:
    """The path of a recording that is there, is audio, and does not end before its label.

    Args:
        path: Audio file; its header alone is read.
        score: With performed phones; None for speech.
        place: The line that asks for it.
        start_sec: Where in the recording the score begins.

    Raises:
        UserError: it is missing, broken or too short.
    """
    seconds = audio_seconds(path, place) - start_sec
    if score is not None and score.duration_sec > seconds + MAX_MISSING_SEC:
        found = f"label ends at {score.duration_sec:.3f} s, audio at {seconds:.3f} s"
        raise UserError(place, found, f"at most {MAX_MISSING_SEC} s past the audio", "audio")
    return str(path)


def midi_tempo(path: Path, place: str) -> float:
    """Beats per minute at the start of a MIDI file; raises `UserError` where it is not readable."""
    import mido

    try:
        tracks = mido.MidiFile(path).tracks
    except (OSError, EOFError, ValueError, IndexError, KeyError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        found = f"{path} is not readable as MIDI ({reason})"
        raise UserError(place, found, "a MIDI file, for its tempo", "tempo") from None
    changes = (message for message in mido.merge_tracks(tracks) if message.type == "set_tempo")
    # A file that names no tempo has 120 by the standard: 500000 us a beat.
    return round(mido.tempo2bpm(next((m.tempo for m in changes), 500000)), 3)


def license_statement(corpus: str, license_name: str, url: str, citation: str) -> str:
    """The licence of a corpus that brings no licence file of its own, in four lines."""
    return f"{corpus}\nLicence: {license_name}\nSource: {url}\nCite: {citation}\n"


def license_of(corpus: str | Path, statement: str) -> str:
    """The licence to travel with the data: the corpus' own file, else `statement`."""
    for name in ("LICENSE", "LICENSE.txt", "LICENSE.md"):
        if (Path(corpus) / name).is_file():
            return read_text(Path(corpus) / name)
    return statement


def preparer_parser(corpus: ModuleType) -> argparse.ArgumentParser:
    """Options of a corpus' module: --corpus, --out, --max_bad, and its own (`corpora.registry`)."""
    parser = argparse.ArgumentParser(
        prog=f"prepare {corpus.__name__.rpartition('.')[2]}",
        description=(corpus.__doc__ or "").partition("\n")[0],
    )
    parser.add_argument("--corpus", type=Path, required=True, help=corpus.WHERE)
    parser.add_argument("--out", type=Path, default="data", help="parent of the data directories")
    parser.add_argument(
        "--max_bad", type=float, default=MAX_BAD,
        help="share of the corpus' lines that may be bad; one may be in any case, but for 0",
    )  # fmt: skip
    add_options = getattr(corpus, "add_options", None)
    if add_options is not None:
        add_options(parser)
    return parser
