"""Files that are read strictly and written whole: Kaldi text tables, YAML, JSON, atomic outputs."""

import contextlib
import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from espnet2_ext.config_types import parse_config as parse_config
from espnet2_ext.errors import UserError
from espnet2_ext.ids import check_id
from espnet2_ext.no_code import guarded_kaldiio
from espnet2_ext.yaml_text import parse_yaml as parse_yaml

LICENCE_FILE = "LICENSE.txt"
"""Of a corpus: in its data directories, and in packs of what was trained on it."""

STEMS = ("vocal.scp", "accompaniment.scp")
"""Tables of a data directory that songs alone stand in: the parts of their mix."""

TABLES = ("wav.scp", "segments", "utt2spk", "text", "utt2lang", "utt2song", "label", "score.scp")
"""Of a data directory: a line per utterance; wav.scp per recording where there are segments."""

_BLOCK = 2**16
MAX_TEXT_BYTES = 64 * 2**20
"""Of a file that is read whole, and holds options or tokens."""


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds.

    The temporary name keeps the suffix, so writers that look at it behave the same.

    Raises:
        OSError: naming `path`, for what the system refuses, also to a library that does not say so.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(prefix=".part-", suffix=path.suffix, dir=path.parent)
    os.close(fd)
    part = Path(name)
    try:
        yield part
        os.chmod(part, 0o644)
        os.replace(part, path)
    except UserError:
        raise
    except Exception as error:
        refusal = error if isinstance(error, OSError) else _refusal(part)
        if refusal is None or refusal.errno is None or refusal.filename not in (None, name):
            raise
        raise OSError(refusal.errno, os.strerror(refusal.errno), str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def _refusal(part: Path) -> OSError | None:
    """Why the system takes no more of a file; None where it does."""
    try:
        with open(part, "ab") as file:
            file.write(bytes(_BLOCK))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error
    return None


def require_writable(path: str | Path) -> None:
    """Find out now whether a file can be written, before the work that makes it.

    Raises:
        UserError: it is a folder.
        OSError: the system refuses.
    """
    path = Path(path)
    with contextlib.suppress(FileNotFoundError):
        path.lstat()  # a name too long
    if path.is_dir():
        raise UserError(path, "a folder", "a file to write")
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(prefix=".part-", suffix=path.suffix, dir=path.parent)
    os.close(fd)
    try:
        refusal = _refusal(Path(name))
    finally:
        os.unlink(name)
    if refusal is not None:
        raise OSError(refusal.errno, os.strerror(refusal.errno or 0), str(path))


def read_bytes(path: str | Path, max_bytes: int | None = None) -> bytes:
    """Read a file; raises `UserError` when missing, a directory or longer than `max_bytes`."""
    try:
        with open(path, "rb") as file:
            data = file.read() if max_bytes is None else file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # the latter of a name with a zero byte
        found = getattr(error, "strerror", None) or str(error)
        raise UserError(path, found, "a readable file") from None
    if max_bytes is not None and len(data) > max_bytes:
        raise UserError(path, f"more than {max_bytes} bytes", "a smaller file")
    return data


def read_text(path: str | Path, max_bytes: int | None = None) -> str:
    """Read a UTF-8 text file, with lines that end in ``\\n``, whatever ended them in the file.

    Raises:
        UserError: as `read_bytes`, or when it is not UTF-8.
    """
    data = read_bytes(path, max_bytes)
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}", "bytes that are not UTF-8", "UTF-8 text") from None


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")


def read_table(path: str | Path) -> dict[str, str]:
    """Read a Kaldi table ``key value...``, in order; an empty value is allowed.

    Raises:
        UserError: the file cannot be read, or a key stands twice or is no id that files can be
            named after (`check_id`).
    """
    table: dict[str, str] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        key, value = split_line(line)
        if key in table:
            raise UserError(f"{path}:{number}", f"duplicate id {key!r}", "each id once")
        table[check_id(key, f"{path}:{number}")] = value
    return table


def remove_parts(folder: str | Path) -> None:
    """Remove what killed writers left unfinished; for whoever is a folder's one writer now."""
    for part in Path(folder).rglob(".part-*"):
        part.unlink()


def remove_stale_tables(folder: str | Path, kept: Iterable[str]) -> None:
    """Remove the tables of a data directory that an earlier run wrote and this one has not."""
    for name in {*TABLES, "spk2utt", "phones.txt"}.difference(kept):
        (Path(folder) / name).unlink(missing_ok=True)


def split_line(line: str) -> tuple[str, str]:
    """Key and value of a Kaldi table's line, parted by spaces or tabs; the value may be empty."""
    parts = line.split(maxsplit=1)
    return parts[0] if parts else "", parts[1].strip() if len(parts) > 1 else ""


def read_counts(path: str | Path) -> dict[str, int]:
    """Read a Kaldi table of whole numbers; raises `UserError` as `read_table`, or for another."""
    counts = {}
    for key, value in read_table(path).items():
        if not (value.isascii() and value.isdigit() and len(value) < 19):
            raise UserError(f"{path}: {key}", repr(value), "a whole number")
        counts[key] = int(value)
    return counts


def write_table(path: str | Path, table: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
    """Write a Kaldi table atomically, in the order given."""
    items = table.items() if isinstance(table, Mapping) else table
    write_text(path, "".join(f"{key} {value}\n" for key, value in items))


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML mapping of plain values (`parse_yaml`).

    Raises:
        UserError: the file cannot be read or parsed, or is not a mapping of options.
    """
    loaded = parse_yaml(read_text(path, MAX_TEXT_BYTES), path)
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise UserError(path, f"a YAML {type(loaded).__name__}", "a mapping of options")
    for key in loaded:
        if not isinstance(key, str):
            raise UserError(path, f"a key {key!r}", "names of options")
    return loaded


def read_json(path: str | Path, max_bytes: int | None = None) -> Any:
    """Read JSON; raises `UserError` as `read_text` and `parse_json`."""
    return parse_json(read_text(path, max_bytes), path)


def parse_json(text: str, place: str | Path) -> Any:
    """The value of a JSON text; raises `UserError` naming the line of a syntax error."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{place}:{error.lineno}", error.msg, "JSON") from None
    except (ValueError, RecursionError):
        raise UserError(place, "a number too long or lists too deep", "JSON") from None


def read_jsonl(path: str | Path) -> Iterator[tuple[str, Any]]:
    """Each line of a JSON Lines file that is not empty, as (``file:line``, value).

    Raises:
        UserError: as `read_text`, or when its turn comes, naming the line that is no JSON.
    """
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            place = f"{path}:{number}"
            yield place, parse_json(line, place)


def write_jsonl(path: str | Path, values: Iterable[Any]) -> None:
    """Write JSON Lines atomically, as UTF-8; null where a number is NaN or infinite."""
    lines = [json.dumps(_finite(v), ensure_ascii=False, allow_nan=False) for v in values]
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_jsonl_table(path: str | Path, key: str = "utt") -> dict[str, Any]:
    """The objects of a JSON Lines file by the id that each holds, in order.

    Raises:
        UserError: as `read_jsonl`, or naming the line that is no object, has no id, or one again.
    """
    table: dict[str, Any] = {}
    for place, value in read_jsonl(path):
        name = value.get(key) if isinstance(value, dict) else None
        if not isinstance(name, str):
            raise UserError(place, f"{type(value).__name__} without an id", "an object", key)
        if name in table:
            raise UserError(place, f"duplicate id {name!r}", "each id once", key)
        table[check_id(name, place)] = value
    return table


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically, indented, as UTF-8; null where a number is NaN or infinite."""
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


class ArkWriter:
    """Write ``name.ark`` and ``name.scp`` in a folder; both appear when the block ends well.

    Use as a context manager; ``writer[utt] = array`` takes an int32 vector, a float32 vector or a
    float32 matrix. The scp points to the ark by absolute path.
    """

    def __init__(self, folder: str | Path, name: str) -> None:
        self.ark = Path(folder).resolve() / f"{name}.ark"
        self.scp = self.ark.with_suffix(".scp")
        self._entries: list[tuple[str, str]] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "ArkWriter":
        part = self._stack.enter_context(atomic_path(self.ark))
        self._file = self._stack.enter_context(open(part, "wb"))
        return self

    def __setitem__(self, key: str, array: np.ndarray) -> None:
        from kaldiio import save_ark

        array = np.asarray(array)
        array = array.astype(np.int32 if array.dtype.kind in "iu" else np.float32)
        offset = self._file.tell() + len(key.encode()) + 1
        save_ark(self._file, {key: array})
        self._entries.append((key, f"{self.ark}:{offset}"))

    def repeat(self, key: str, other: str) -> None:
        """Give `key` the array of `other`, which was written before, without writing it again."""
        self._entries.append((key, dict(self._entries)[other]))

    def __exit__(self, *exc: Any) -> None:
        self._stack.__exit__(*exc)
        if exc[0] is None:
            write_table(self.scp, self._entries)


def read_scp(path: str | Path) -> Mapping[str, np.ndarray]:
    """Open a kaldi scp as a lazy mapping from utterance to array; it runs neither commands nor
    pickles.

    Raises:
        UserError: as `read_table`, or an id without an archive; later, naming the utterance, an
            array that cannot be read.
    """
    pointers = read_table(path)
    for utt, pointer in pointers.items():
        if not pointer:
            raise UserError(f"{path}: {utt}", "nothing", "ARCHIVE:OFFSET")
    return _Arrays(path, pointers)


class _Arrays(Mapping):
    """The arrays that a table points to, each read when it is asked for."""

    def __init__(self, path: str | Path, pointers: Mapping[str, str]) -> None:
        self._path, self._pointers = path, pointers
        self._load = guarded_kaldiio().load_mat

    def __getitem__(self, utt: str) -> np.ndarray:
        pointer = self._pointers[utt]
        try:
            return self._load(pointer)
        except UserError:
            raise
        except FileNotFoundError as error:
            wanted = "the ark; bin.data relocate helps where folders were copied or moved"
            raise UserError(f"{self._path}: {utt}", f"no file {error.filename}", wanted) from None
        except Exception as error:  # a damaged archive makes kaldiio raise anything
            found = f"not readable ({type(error).__name__}: {error})"
            raise UserError(f"{self._path}: {utt}", found, "an array of its archive") from None

    def __contains__(self, utt: object) -> bool:
        """Without reading it, as `Mapping` would."""
        return utt in self._pointers

    def __iter__(self) -> Iterator[str]:
        return iter(self._pointers)

    def __len__(self) -> int:
        return len(self._pointers)
