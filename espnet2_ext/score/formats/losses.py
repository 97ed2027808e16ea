"""What a file does not hold of the score that was written to it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.score.music_score import BREATH, MusicScore, Note

DEFAULT_LANGUAGE = "zh"
TIME_TOLERANCE_SEC = 2e-6  # formats that write microseconds


def losses(score: MusicScore, back: MusicScore) -> list[str]:
    """Compare a score with what its file reads back as; an item per thing lost, empty if nothing.

    Each item begins with what it is about: tempo, language, breaths, notes, lyrics, phones, times
    or phone times. Two rests that follow each other count as one, but for a breath among them.
    """
    lost: list[str] = []
    if abs(back.tempo - score.tempo) > 1e-6 * score.tempo:
        lost.append(f"tempo {score.tempo:g}: read back as {back.tempo:g}")
    if back.language != score.language:
        lost.append(f"language {score.language!r}: read back as {back.language!r}")
    breaths = _breaths(score) - _breaths(back)
    if breaths > 0:
        lost.append(f"breaths: {breaths} written as silence")
    sung, sung_back = ([n for n in s.notes if not n.is_rest] for s in (score, back))
    if len(sung) != len(sung_back) or _rest_spans(score) != _rest_spans(back):
        lost.append(f"notes: {len(sung)} and their rests, read back as {len(sung_back)}")
        return lost
    for name, field in (("notes", "midi"), ("slurs", "slur"), ("lyrics", "lyric")):
        lost += _differing(name, field, sung, sung_back)
    lost += _differing("phones", "phones", sung, sung_back)
    pairs = list(zip(sung, sung_back, strict=True))
    if [n.is_rest for n in score.notes] == [n.is_rest for n in back.notes]:
        pairs = list(zip(score.notes, back.notes, strict=True))
    sides = ("start_sec", "end_sec")
    moved = [abs(getattr(a, side) - getattr(b, side)) for a, b in pairs for side in sides]
    moved = max(*moved, abs(score.notes[-1].end_sec - back.notes[-1].end_sec), 0.0)
    if moved > TIME_TOLERANCE_SEC:
        lost.append(f"times: rounded, by up to {moved * 1000:.3g} ms")
    return lost + _phone_times(score, back)


def _breaths(score: MusicScore) -> int:
    return sum(note.is_rest and note.phones == (BREATH,) for note in score.notes)


def _rest_spans(score: MusicScore) -> list[int]:
    """Indices, among sung notes, before which there is a rest."""
    spans, sung = [], 0
    for note in score.notes:
        if not note.is_rest:
            sung += 1
        elif not spans or spans[-1] != sung:
            spans.append(sung)
    return spans


def _differing(name: str, field: str, notes: Sequence[Note], back: Sequence[Note]) -> list[str]:
    pairs = [(getattr(a, field), getattr(b, field)) for a, b in zip(notes, back, strict=True)]
    wrong = [(a, b) for a, b in pairs if a != b]
    if not wrong:
        return []
    first, read = (" ".join(v) if isinstance(v, tuple) else v for v in wrong[0])
    return [f"{name}: {len(wrong)} read back otherwise, first {first!r} as {read!r}"]


def _phone_times(score: MusicScore, back: MusicScore) -> list[str]:
    if not score.phones:
        return []
    if not back.phones:
        return [f"phone times: {len(score.phones)}, performed"]
    pairs = list(zip(score.phones, back.phones, strict=False))
    same = len(score.phones) == len(back.phones) and all(a.phone == b.phone for a, b in pairs)
    moved = max(max(abs(a.start_sec - b.start_sec), abs(a.end_sec - b.end_sec)) for a, b in pairs)
    if not same or moved > TIME_TOLERANCE_SEC:
        return [f"phone times: {len(score.phones)} read back as {len(back.phones)}"]
    return []


def losses_of_file(
    read: Callable[..., MusicScore],
    path: str | Path,
    score: MusicScore,
    has_language: bool = False,
) -> list[str]:
    """What `path` lost of the score written to it.

    Args:
        read: The format's reader; takes the path and, where the file does not say it, the language.
        path: The file.
        score: What was written.
        has_language: Whether the file says the language.
    """
    lost = []
    if not has_language and score.language != DEFAULT_LANGUAGE:
        lost.append(f"language {score.language!r}: to be given again when the file is read")
    try:
        back = read(path) if has_language else read(path, language=score.language)
    except UserError as error:
        return [*lost, f"lyrics: not readable again ({error})"]
    return lost + losses(score, back)
