"""What an output was made from, as one word: outputs are kept while it stays the same.

Files count by their content. Their times say nothing: a copied or restored file may be older than
what it replaces.
"""

import contextlib
import fcntl
import hashlib
import json
from pathlib import Path

from espnet2_ext.errors import UserError


def digest_files(*paths: str | Path) -> str:
    """Hash of the files' contents, in this order; large files are not read into memory.

    Raises:
        UserError: a file is missing or cannot be read.
    """
    total = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            found = error.strerror or "cannot be read"
            raise UserError(path, found.lower(), "a readable file") from None
    return total.hexdigest()


def digest_files_once(folder: str | Path, *paths: str | Path) -> str:
    """`digest_files` for jobs that write into one folder side by side: the first of them hashes.

    The others take its word from ``folder/.digests``, as long as the files are the very same: a
    file that is written to, replaced or restored has another inode or another time of its last
    change, which nobody can set.

    Raises:
        UserError: a file is missing or cannot be read.
    """
    known: dict[str, str] = {}
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".digests", "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
        file.seek(0)
        with contextlib.suppress(ValueError):  # cut short: hashed again
            known = json.load(file)
        same = json.dumps([_identity(path) for path in paths])
        if same not in known:
            known[same] = digest_files(*paths)
            file.truncate(0)
            json.dump(known, file)
    return known[same]


def _identity(path: str | Path) -> list[str | int] | None:
    try:
        path = Path(path).resolve()
        stat = path.stat()
    except OSError:
        return None  # `digest_files` says what is the matter
    return [str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def device_kind(device: str) -> str:
    """``cuda`` of ``cuda:1``: kinds of devices round differently, those of a kind alike."""
    return device.partition(":")[0]
