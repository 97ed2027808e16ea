"""The sentences of descriptions, as ``templates.yaml`` has them."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from espnet2_ext.files import read_yaml

LABELLED, FREE = "labelled", "free"
FORMS = (LABELLED, FREE)
"""A song's five labelled sentences, and free text."""


@dataclass(frozen=True)
class Templates:
    """Sentences with places for names (`wording`).

    Args:
        train: For every set but `test_phrasing`.
        held_out: For `test_phrasing`.
    """

    train: tuple[str, ...]
    held_out: tuple[str, ...]

    def of(self, set_name: str) -> tuple[str, ...]:
        """The sentences that a set's descriptions are drawn from."""
        return self.held_out if set_name == "test_phrasing" else self.train


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    return read_yaml(Path(__file__).with_name("templates.yaml"))


def _templates(entry: dict[str, list[str]]) -> Templates:
    return Templates(tuple(entry["train"]), tuple(entry["held_out"]))


def free(kind: str, language: str) -> Templates:
    """Free descriptions of a kind, ``song`` or ``speech``, in a language."""
    return _templates(_table()[kind][language])


def labelled(language: str) -> tuple[Templates, ...]:
    """A song's labelled sentences in their order."""
    return tuple(_templates(entry[language]) for entry in _table()["labelled"].values())
