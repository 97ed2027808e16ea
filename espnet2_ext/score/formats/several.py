"""Formats of several utterances, or that need phone times, as formats of one score."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.score.formats.even_phones import MADE_UP, with_even_phones
from espnet2_ext.score.formats.gtsinger import read_gtsinger
from espnet2_ext.score.formats.gtsinger_metadata import read_metadata
from espnet2_ext.score.formats.json_format import read_json_score
from espnet2_ext.score.formats.losses import losses_of_file
from espnet2_ext.score.formats.m4singer import read_m4singer
from espnet2_ext.score.music_score import MusicScore

MAX_JSON_BYTES = 512 * 2**20


def one_of(scores: Mapping[str, MusicScore], path: str | Path, utt: str | None) -> MusicScore:
    """The score of an id, or the only one.

    Raises:
        UserError: no such id, or several and none named.
    """
    if utt is None and len(scores) != 1:
        first = next(iter(scores), "ID")
        raise UserError(path, f"{len(scores)} utterances", f"one: {path}#ID, such as #{first}")
    if utt is not None and utt not in scores:
        raise UserError(path, f"no utterance {utt!r}", "an id of the file")
    return scores[utt] if utt is not None else next(iter(scores.values()))


def utterance_of(path: str | Path) -> str:
    """An id for the score of a file: its name up to the first point, without spaces."""
    return re.sub(r"[\s|]+", "_", Path(path).name.partition(".")[0]) or "score"


def reader(read_all: Callable[..., Mapping[str, MusicScore]]) -> Callable[..., MusicScore]:
    """Make a reader of several utterances, which know their language, one of `utt`."""

    def read(
        path: str | Path,
        utt: str | None = None,
        language: str | None = None,
        default_language: str | None = None,
    ) -> MusicScore:
        del default_language  # the file says it
        return _in_language(one_of(read_all(path), path, utt), language, path)

    return read


def _in_language(score: MusicScore, language: str | None, path: str | Path) -> MusicScore:
    """The score; raises `UserError` where a language was named and is not its own."""
    if language not in (None, score.language):
        raise UserError(path, repr(language), f"{score.language}, as the file has it", "language")
    return score


def writer(
    write_all: Callable[..., object], read_all: Callable[..., Mapping[str, MusicScore]]
) -> Callable[..., list[str]]:
    """Make a writer of several utterances with phone times one of a score with or without them."""

    def write(path: str | Path, score: MusicScore, utt: str | None = None) -> list[str]:
        utt = utt or utterance_of(path)
        write_all(path, {utt: timed(score)})
        return _made_up(score) + losses_of_file(lambda p: read_all(p)[utt], path, score, True)

    return write


def timed(score: MusicScore) -> MusicScore:
    """The score with phone times, its own or made up."""
    return score if score.phones else with_even_phones(score)


def _made_up(score: MusicScore) -> list[str]:
    return [] if score.phones else [MADE_UP]


def timed_writer(
    write: Callable[[str | Path, MusicScore], object], read: Callable[..., MusicScore]
) -> Callable[..., list[str]]:
    """Make a writer of scores with phone times one of a score with or without them."""

    def write_timed(path: str | Path, score: MusicScore) -> list[str]:
        write(path, timed(score))
        return _made_up(score) + losses_of_file(read, path, score)

    return write_timed


def read_directory(
    path: str | Path,
    utt: str | None = None,
    language: str | None = None,
    default_language: str | None = None,
) -> MusicScore:
    """Read an utterance of ESPnet's data directory, which says the language."""
    del default_language
    return _in_language(one_of(read_scores(path, utt), path, utt), language, path)


def read_any_json(
    path: str | Path,
    language: str | None = None,
    utt: str | None = None,
    default_language: str = "zh",
) -> MusicScore:
    """Read a JSON of ours, ESPnet's, M4Singer's or GTSinger's; its fields say which."""
    loaded = read_json(path, MAX_JSON_BYTES)
    first = loaded[0] if isinstance(loaded, list) and loaded else {}
    keys = first.keys() if isinstance(first, dict) else set()
    if "phs" in keys:
        return _in_language(one_of(read_m4singer(path), path, utt), language, path)
    if "item_name" in keys:
        return one_of(read_metadata(path, language), path, utt)
    if utt is not None:
        raise UserError(path, f"given for a file of one score: {utt!r}", "no #ID", "utt")
    if "note_start" in keys or "word" in keys:
        return read_gtsinger(path, language, default_language=default_language)
    return read_json_score(path, language, default_language)
