"""Texts of files that do not say their encoding: UTF-8, or a code page of the lyrics' language."""

import re
from collections.abc import Iterable

_CODE_PAGES = {"zh": ("gb18030", "cp932"), "yue": ("gb18030", "big5", "cp932")}
_CODE_PAGES |= {"ja": ("cp932",), "en": ("cp1252", "cp932"), "de": ("cp1252",), "fr": ("cp1252",)}
_KANA = re.compile("[ぁ-ゖァ-ヶー]")


def encodings(lyrics: Iterable[bytes], language: str) -> tuple[str, ...]:
    """Encodings to be tried in turn; Shift-JIS before others where it makes the lyrics kana.

    Kana in Shift-JIS are hanzi in GB 18030, but hanzi in GB 18030 are hardly kana in Shift-JIS.

    Args:
        lyrics: As the file has them.
        language: ISO 639 code of the lyrics.
    """
    pages = _CODE_PAGES.get(language, ("cp932",))
    pages = ("cp932", *pages) if _is_kana(b" ".join(lyrics)) else pages
    return ("utf-8-sig", *pages)


def _is_kana(data: bytes) -> bool:
    """Whether most of what is not ASCII is kana of full width in Shift-JIS."""
    try:
        foreign = [char for char in data.decode("cp932") if not char.isascii()]
    except UnicodeDecodeError:
        return False
    return 2 * sum(_KANA.match(char) is not None for char in foreign) > len(foreign)


def decode(data: bytes, tried: Iterable[str]) -> str | None:
    """Text in the first encoding that takes it; None where none does."""
    for encoding in tried:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None
