"""Values of singing programs' project files, in JSON or XML, checked: numbers and lists."""

import math
import reprlib
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from espnet2_ext.errors import UserError

MAX_BYTES = 64 * 2**20
MAX_TICKS = 2**53
MAX_BPM = 10_000
_MAX_DIGITS = 30


def number(value: Any, place: str, field: str, low: float, high: float) -> float:
    """A number, or its decimal text; raises `UserError` outside `low` to `high`."""
    found = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        found = float(value) if abs(value) < 1e18 else math.nan
    elif isinstance(value, str) and value.isascii() and len(value) < _MAX_DIGITS:
        try:
            found = float(value.replace("_", "x"))
        except ValueError:
            found = math.nan
    if not low <= found <= high:
        shown = "missing" if value is None else reprlib.repr(value)
        raise UserError(place, shown, f"a number from {low:g} to {high:g}", field)
    return found


def integer(value: Any, place: str, field: str, low: float = 0, high: float = MAX_TICKS) -> int:
    """A whole number, by default of ticks; a fraction of one is rounded."""
    return round(number(value, place, field, low, high))


def objects(value: Any, field: str, place: str) -> list[dict[str, Any]]:
    """A JSON list of objects under a field; an empty one where the field is missing."""
    found = value.get(field) if isinstance(value, dict) else value
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise UserError(place, reprlib.repr(found), "a list of objects", field)
    return found


def mapping(value: Any, field: str, place: str) -> dict[str, Any]:
    """A JSON object under a field of another; an empty one where the field is missing."""
    found = value.get(field)
    if found is not None and not isinstance(found, dict):
        raise UserError(place, reprlib.repr(found), "an object", field)
    return found or {}


def text(value: Any, place: str, field: str) -> str:
    """A text that is not empty; raises `UserError` for anything else."""
    if not isinstance(value, str) or not value.strip():
        found = "missing" if value is None else reprlib.repr(value)
        raise UserError(place, found, "a syllable, or - to go on", field)
    return value.strip()


def parse_xml(data: bytes, place: str | Path, expected: str) -> Element:
    """The root of an XML, its tags and attributes without namespaces.

    Raises:
        UserError: broken, or with entities of its own.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(data)
    except DefusedXmlException:
        raise UserError(place, "XML that declares entities", expected) from None
    except ParseError as error:
        line = getattr(error, "position", (0,))[0]
        raise UserError(f"{place}:{line}", f"broken XML ({error})", expected) from None
    except (ValueError, LookupError) as error:  # an encoding that XML or Python does not have
        raise UserError(place, f"broken XML ({error})", expected) from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
