"""What a manifest of real songs may lack, made by packages of others: stems and lyrics.

Stems are separated by Demucs, lyrics are heard by Whisper, each by its own package, which is asked
for only here. Neither is as good as what a studio or a lyrics site has.
"""

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_jsonl, write_jsonl
from espnet2_ext.score.formats.json_fields import take

DEMUCS_MODEL, WHISPER_MODEL = "htdemucs", "large-v3"
_STEM_FILES = {"vocal": "vocals.wav", "accompaniment": "no_vocals.wav"}


def complete(
    manifest: str | Path,
    out: str | Path,
    separate: bool = False,
    transcribe: bool = False,
    run: Callable[[Sequence[str]], None] | None = None,
) -> int:
    """Write a manifest whose songs have stems or lyrics, where they had none.

    Args:
        manifest: See docs/mini_song.md.
        out: The manifest to write; stems go to ``stems/`` beside it.
        separate: Whether to separate mixes of songs that have no stems.
        transcribe: Whether to write down the words of what has neither lyrics nor text.
        run: Runs Demucs' command; None: as a process.

    Returns:
        Lines that were completed.

    Raises:
        UserError: a package is missing, a line is no object with an id and audio, or Demucs fails.
    """
    manifest, out = Path(manifest).resolve(), Path(out).resolve()
    hear = _listener() if transcribe else None
    if separate and run is None:
        _require("demucs", "demucs")
        run = _run
    completed = 0
    rows = []
    for place, item in read_jsonl(manifest):
        row = dict(_absolute(item, manifest.parent, place))
        before = dict(row)
        song = row.get("attributes", {}).get("kind", "song") == "song"
        if separate and song and "vocal" not in row:
            row |= _separated(Path(row["audio"]), out.parent / "stems", place, run)
        if hear is not None and not {"lyrics", "text"} & row.keys():
            row["lyrics"] = hear(row.get("vocal", row["audio"]), row.get("language"))
        completed += row != before
        rows.append(row)
    write_jsonl(out, rows)
    return completed


def _absolute(item: Any, folder: Path, place: str) -> Iterator[tuple[str, Any]]:
    """The fields of a line, with paths that hold wherever the manifest lies."""
    take(item, "utt", str, place)
    take(item, "audio", str, place)
    for name, value in item.items():
        is_path = name in ("audio", "score", *_STEM_FILES)
        yield name, str(folder / value) if is_path and isinstance(value, str) else value


def _separated(
    audio: Path, folder: Path, place: str, run: Callable[[Sequence[str]], None]
) -> dict[str, str]:
    """Stems of a mix, by Demucs; those that are there are kept."""
    # Demucs names its folder after the file: mixes of one name in two folders must not meet.
    root = folder / audio.parent.name
    stems = {name: root / DEMUCS_MODEL / audio.stem / file for name, file in _STEM_FILES.items()}
    if not all(path.is_file() for path in stems.values()):
        run([sys.executable, "-m", "demucs", "-n", DEMUCS_MODEL, "--two-stems", "vocals",
             "-o", str(root), "--", str(audio)])  # fmt: skip
    for name, path in stems.items():
        if not path.is_file():
            raise UserError(place, f"Demucs has not written {path}", "both stems", name)
    return {name: str(path) for name, path in stems.items()}


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(command[-1], f"Demucs failed: {last}", "a song that it can separate")


def _listener() -> Callable[[str, str | None], str]:
    """A function of audio file and language (None: Whisper finds it) that returns the words."""
    _require("whisper", "openai-whisper")
    import whisper

    model = whisper.load_model(WHISPER_MODEL)
    return lambda path, language: model.transcribe(path, language=language)["text"].strip()


def _require(module: str, package: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise UserError(package, "not installed", f"pip install {package}")
