"""The phone set of a data directory or tokenizer folder: ``phones.txt``, one phone per line."""

from collections.abc import Iterable
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import MAX_TEXT_BYTES, read_text, write_text
from espnet2_ext.score.music_score import REST_PHONES
from espnet2_ext.score.phones import PHONES

PHONES_FILE = "phones.txt"


def read_phones(path: str | Path) -> tuple[str, ...]:
    """Read a phone set: one phone per line, the line number (from 0) is its id.

    Raises:
        UserError: naming the line that is not one phone, or a phone again.
    """
    phones = tuple(read_text(path, MAX_TEXT_BYTES).split("\n"))
    phones = phones[:-1] if phones and not phones[-1] else phones
    known = set()
    for number, phone in enumerate(phones, 1):
        if len(phone.split()) != 1:
            raise UserError(f"{path}:{number}", f"{phone!r}", "one phone per line")
        if phone in known:
            raise UserError(f"{path}:{number}", f"duplicate phone {phone!r}", "each phone once")
        known.add(phone)
    if not phones:
        raise UserError(path, "no phones", "one phone per line")
    return phones


def write_phones(path: str | Path, phones: Iterable[str]) -> None:
    """Write a phone set in the order given."""
    write_text(path, "".join(f"{phone}\n" for phone in phones))


def ordered(phones: Iterable[str]) -> tuple[str, ...]:
    """The order of a data directory's phone set: SP and AP, then the corpus' phones sorted."""
    return REST_PHONES + tuple(sorted(set(phones) - set(REST_PHONES)))


def phones_of(data_dir: str | Path) -> tuple[str, ...]:
    """The phone set of a data directory; Opencpop's where it has no ``phones.txt``.

    Raises:
        UserError: the file is broken, or lacks SP or AP.
    """
    path = Path(data_dir) / PHONES_FILE
    if not path.exists():
        return PHONES
    phones = read_phones(path)
    for rest in REST_PHONES:
        if rest not in phones:
            raise UserError(path, f"no {rest!r}", "SP and AP before the corpus' phones")
    return phones
