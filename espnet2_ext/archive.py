"""Opening a foreign zip archive without trusting it: packed models, compressed MusicXML."""

import contextlib
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from espnet2_ext.errors import UserError

MAX_BYTES = 16 * 2**30
MAX_RATIO = 200
MAX_MEMBERS = 1000
MAX_DIRECTORY_BYTES = 2**20
"""Of the table of members, which is read whole before a single member is."""

SMALL_BYTES = 2**20
"""Up to here a member may be compressed as well as it likes: an empty table is."""

# What a pack is made of: nothing that is run or unpickled when it is opened.
SAFE_SUFFIXES = (".safetensors", ".yaml", ".json", ".txt", ".md")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)


@contextlib.contextmanager
def open_archive(path: str | Path, expected: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive whose members are few, plain, and small beside what they are packed in.

    Args:
        path: The archive.
        expected: What it should be, for errors.

    Raises:
        UserError: no zip, or damaged, here or while the block reads from it; too many members; a
            member that is a link or a device, encrypted, or compressed by other means than
            deflate; one, or all together, that unpack to more than a model or a score would.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise UserError(path, error.strerror or "not readable", expected) from None
    try:
        with file:
            _check_directory(file, path, expected)
            with zipfile.ZipFile(file) as archive:
                _check_members(archive, path, expected)
                yield archive
    except _DAMAGED as error:
        raise UserError(path, f"damaged ({error})", f"a whole archive: {expected}") from None


def read_member(
    archive: zipfile.ZipFile, name: str, place: str | Path, max_bytes: int, expected: str
) -> bytes:
    """Read a member of an archive of `open_archive`.

    Raises:
        UserError: there is none of that name, it unpacks to more than `max_bytes`, or lies nowhere.
    """
    names = {_path(member): member for member in archive.infolist()}
    info = names.get(PurePosixPath(name))
    if info is None:
        raise UserError(place, f"no member {name!r}", expected)
    if info.file_size > max_bytes:
        raise UserError(f"{place}: {name}", f"unpacks to {info.file_size} bytes", expected)
    try:
        with archive.open(info) as member:
            return member.read(max_bytes)
    except OSError as error:  # a table that says it lies before the file's beginning
        raise UserError(place, f"damaged ({error.strerror})", expected) from None


def extract(archive: str | Path, folder: str | Path) -> Path:
    """Extract a packed model into `folder`, which appears whole or not at all.

    Names written on Windows, with backslashes, are taken for paths.

    Args:
        archive: The zip.
        folder: New, or empty.

    Raises:
        UserError: as `open_archive`; also a member that escapes the folder, may hold code or a
            pickle, or stands twice.
    """
    folder = Path(folder)
    with open_archive(archive, "a packed model") as opened:
        paths: dict[str, tuple[zipfile.ZipInfo, PurePosixPath]] = {}
        for member in opened.infolist():
            path = _checked_path(archive, member)
            # Two members of one name: what was checked need not be what is read.
            if paths.setdefault(str(path).casefold(), (member, path))[0] is not member:
                raise UserError(f"{archive}: {member.filename}", "twice", "each name once")
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
        try:
            for member, path in paths.values():
                target = part / path
                if _is_folder(member):
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, open(target, "wb") as copy:
                    shutil.copyfileobj(source, copy)
            part.chmod(0o755)
            part.rename(folder)
        except (FileExistsError, NotADirectoryError) as error:
            place = f"{archive}: {Path(error.filename or '').name}"
            raise UserError(place, "both a file and a folder", "one of them") from None
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _check_directory(file: object, path: str | Path, expected: str) -> None:
    end = zipfile._EndRecData(file)  # what ZipFile itself asks, before it reads the table
    if not end:
        raise UserError(path, "not a zip archive", expected)
    size, entries = end[zipfile._ECD_SIZE], end[zipfile._ECD_ENTRIES_TOTAL]
    if size > MAX_DIRECTORY_BYTES or entries > MAX_MEMBERS:
        raise UserError(path, f"a table of {entries} members", f"{expected}: {MAX_MEMBERS} at most")


def _check_members(archive: zipfile.ZipFile, path: str | Path, expected: str) -> None:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise UserError(path, f"{len(members)} members", f"{expected}: {MAX_MEMBERS} at most")
    for member in members:
        place = f"{path}: {member.filename}"
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UserError(place, "a link or device", "plain files")
        if member.flag_bits & _ENCRYPTED:
            raise UserError(place, "encrypted", "plain files")
        if member.compress_type not in _METHODS:
            raise UserError(place, f"compression {member.compress_type}", "deflate, or none")
        if member.file_size > max(SMALL_BYTES, MAX_RATIO * member.compress_size):
            found = f"unpacks to {member.file_size} bytes, a compression ratio that no file has"
            raise UserError(place, found, f"at most {MAX_RATIO}")
    total, size = sum(m.file_size for m in members), Path(path).stat().st_size
    if total > min(MAX_BYTES, max(SMALL_BYTES, MAX_RATIO * size)):
        raise UserError(path, f"unpacks to {total} bytes from {size}", expected)


def _checked_path(archive: str | Path, member: zipfile.ZipInfo) -> PurePosixPath:
    """Where a member belongs, relative to the folder."""
    place = f"{archive}: {member.filename}"
    path = _path(member)
    if path.is_absolute() or ".." in path.parts or ":" in member.filename:
        raise UserError(place, "a path that leaves the folder", "relative paths")
    if not _is_folder(member) and path.suffix.lower() not in SAFE_SUFFIXES:
        raise UserError(place, "a file that may hold code or a pickle", " ".join(SAFE_SUFFIXES))
    return path


def _path(member: zipfile.ZipInfo) -> PurePosixPath:
    """The name of a member; one written on Windows may have backslashes."""
    return PurePosixPath(member.filename.replace("\\", "/"))


def _is_folder(member: zipfile.ZipInfo) -> bool:
    return member.filename.endswith(("/", "\\"))
