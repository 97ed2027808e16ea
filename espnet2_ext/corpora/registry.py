"""The corpora that ``bin.prepare`` knows: each is a module of this package.

A corpus' module has `WHERE`, which says what ``--corpus`` holds; `prepare`, which writes the data
directories and takes corpus, out, max_bad and its own options by name; and, where it has some,
`add_options`, which gives them to a parser.
"""

import importlib
from types import ModuleType

CORPORA = (
    "acesinger", "gtsinger", "m4singer", "mini_singing", "mini_song", "opencpop", "song_manifest",
)  # fmt: skip


def corpus_module(name: str) -> ModuleType:
    """The module of a corpus."""
    return importlib.import_module(f"espnet2_ext.corpora.{name}")
