"""Reading results and the prose of docs/ that states them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"


def rows(name: str) -> list[dict[str, Any]]:
    return json.loads((DOCS / "results" / name).read_text())


def prose(page: Path) -> str:
    """Its text in one line, without tables."""
    lines = page.read_text().splitlines()
    return " ".join(" ".join(line for line in lines if not line.startswith("|")).split())


def line_of(page: str, *cells: str) -> str:
    """The one line of a table of docs/ that begins with these cells."""
    begins = "| " + " | ".join(cells) + " |"
    (line,) = {x for x in (DOCS / page).read_text().splitlines() if x.startswith(begins)}
    return line


def written(value: float) -> str:
    """As prose has it: .57, 1.02."""
    return f"{value:.2f}".removeprefix("0")


def written_to(digits: int, value: float) -> str:
    """As prose has it: .046."""
    return f"{value:.{digits}f}".removeprefix("0")


def bare(digits: int, value: float) -> str:
    """As prose has it where a leading zero is left out and a whole number stays."""
    return f"{value:.{digits}f}".removeprefix("0") if value < 1 else f"{value:.{digits}f}"


def span(found: list[dict[str, Any]], key: str, digits: int) -> str:
    """Smallest to largest."""
    values = [row[key] for row in found]
    return f"{bare(digits, min(values))} to {bare(digits, max(values))}"


def told(interval: Mapping[str, float] | Iterable[float], digits: int = 3) -> str:
    """A value and its interval, as prose has them: .018 [.014, .024].

    Args:
        interval: Value, low and high end, in this order or by these names.
        digits: Decimals.
    """
    if isinstance(interval, Mapping):
        interval = [interval[name] for name in ("value", "low", "high")]
    value, low, high = (written_to(digits, x) for x in interval)
    return f"{value} [{low}, {high}]"
