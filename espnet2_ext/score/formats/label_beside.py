"""Labels (.lab): full-context ones have their notes, mono ones are read with the song's score."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.hts_label import read_label
from espnet2_ext.score.formats.label_timing import with_label
from espnet2_ext.score.formats.mono_lines import is_mono
from espnet2_ext.score.music_score import MusicScore

DEFAULT_LANGUAGE = "ja"


class ScoreFormat(Protocol):
    """What is needed of a format: its suffixes, its options, its reader."""

    suffixes: tuple[str, ...]
    options: tuple[str, ...]
    read: Callable[..., MusicScore]


def label_reader(formats: Sequence[ScoreFormat]) -> Callable[..., MusicScore]:
    """Make a reader of labels.

    Args:
        formats: Of scores with notes and lyrics, the ones to prefer first.
    """

    def read(
        path: str | Path,
        language: str | None = None,
        default_language: str = DEFAULT_LANGUAGE,
        score: str | Path | None = None,
        **choices: Any,
    ) -> MusicScore:
        """Read a label; a mono one with the score of its name beside it, or `score`.

        Args:
            path: A .lab.
            language: ISO 639 code of the lyrics.
            default_language: Where nothing says it.
            score: The song's score; also a full-context label of it.
            choices: part, voice, verse, lyrics, for its reader.

        Raises:
            UserError: naming the line of the first mistake, or what is missing beside a mono label.
        """
        path = Path(path)
        if not is_mono(path):
            for name in ({"score": score} if score else {}) | choices:
                found = "given for a full-context label, which has its notes"
                raise UserError(path, found, "language alone", name)
            return read_label(path, language, default_language)
        place = Path(score) if score else _beside(path, formats)
        if place.suffix.lower() == path.suffix.lower() and not choices:
            return with_label(read_label(place, language, default_language), path, place)
        known = next((f for f in formats if place.name.lower().endswith(f.suffixes)), None)
        if known is None:
            listed = ", ".join(suffix for f in formats for suffix in f.suffixes)
            raise UserError(place, f"suffix {place.suffix!r}", f"a score: {listed}", "score")
        options = {name: value for name, value in choices.items() if name in known.options}
        for name in choices:
            if name not in options:
                raise UserError(place, f"given for a {place.suffix} file", "", name)
        if "default_language" in known.options:
            options["default_language"] = default_language
        options["language"] = language
        if language is None and "default_language" not in known.options:
            options["language"] = default_language
        return with_label(known.read(place, **options), path, place)

    return read


def _beside(path: Path, formats: Sequence[ScoreFormat]) -> Path:
    """The score of a label's name in its folder; of several, of the format to prefer."""
    suffixes = [suffix for known in formats for suffix in known.suffixes]
    names = {p.name.lower(): p for p in path.parent.iterdir() if p.stem == path.stem}
    found = [names[f"{path.stem}{s}".lower()] for s in suffixes
             if f"{path.stem}{s}".lower() in names]  # fmt: skip
    if not found:
        expected = f"the song's score beside it, such as {path.stem}.musicxml, or --score"
        raise UserError(path, "a mono label, which has phones but no notes", expected)
    if len(found) > 1:
        others = ", ".join(p.name for p in found[1:])
        logging.warning("%s: the score is %s, not %s", path, found[0].name, others)
    return found[0]
