"""What an output was made from, as one word: outputs are kept while it stays the same.

Files count by their content. Their times say nothing: a copied or restored file may be older than
what it replaces.
"""

import hashlib
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


def device_kind(device: str) -> str:
    """``cuda`` of ``cuda:1``: kinds of devices round differently, those of a kind alike."""
    return device.partition(":")[0]
