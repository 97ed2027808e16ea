"""Opening a foreign zip archive without trusting it."""

import stat
import zipfile
from pathlib import Path, PurePosixPath

from espnet2_ext.errors import UserError

MAX_BYTES = 16 * 2**30
MAX_RATIO = 200
# What a pack is made of: nothing that is run or unpickled when it is opened.
SAFE_SUFFIXES = (".safetensors", ".yaml", ".json", ".txt", ".md")


def extract(archive: str | Path, folder: str | Path) -> Path:
    """Extract a zip into `folder`.

    Raises:
        UserError: not a zip; a member that escapes the folder, is a link, may hold code or a
            pickle, stands twice, or unpacks to more than it should.
    """
    folder = Path(folder)
    try:
        opened = zipfile.ZipFile(archive)
    except OSError as error:
        raise UserError(archive, error.strerror or "not readable", "a packed model") from None
    except zipfile.BadZipFile:
        raise UserError(archive, "not a zip archive", "a packed model") from None
    with opened:
        members = opened.infolist()
        names = set()
        for member in members:
            _check_member(archive, member)
            # Two members of one name: what was checked need not be what is read.
            name = str(PurePosixPath(member.filename)).casefold()
            if name in names:
                raise UserError(f"{archive}: {member.filename}", "twice", "each name once")
            names.add(name)
        if sum(m.file_size for m in members) > MAX_BYTES:
            raise UserError(archive, "unpacks to too much", f"at most {MAX_BYTES} bytes")
        try:
            opened.extractall(folder, members)
        except (zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
            raise UserError(archive, f"damaged ({error})", "a whole archive") from None
    return folder


def _check_member(archive: str | Path, member: zipfile.ZipInfo) -> None:
    place = f"{archive}: {member.filename}"
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in member.filename:
        raise UserError(place, "a path that leaves the folder", "relative paths")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UserError(place, "a link or device", "plain files")
    if not member.is_dir() and path.suffix.lower() not in SAFE_SUFFIXES:
        raise UserError(place, "a file that may hold code or a pickle", " ".join(SAFE_SUFFIXES))
    if member.file_size > 2**20 and member.file_size > MAX_RATIO * max(1, member.compress_size):
        raise UserError(place, "a compression ratio that no model has", f"at most {MAX_RATIO}")
