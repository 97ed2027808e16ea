"""Files that configurations, scripts and pages name are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_FOLDERS = "egs2|conf|docs|tools|benchmarks|local|utils"
_NAME = re.compile(rf"(?<!ESPnet's )(?<![\w/.{{}}<>*])(?:{_FOLDERS})/[\w./-]*\.\w+")
_EXAMPLES = ("mine.", "my_", "humming", "missing")  # of files that a reader is to write
TEXTS = sorted(
    path
    for pattern in ("egs2/**/*.yaml", "egs2/**/*.sh", "conf/*.yaml", "docs/**/*.md", "README.md")
    for path in ROOT.glob(pattern)
    if not path.is_symlink() and not {"exp", "dump", "data", "downloads"} & set(path.parts)
)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_a_text_names_are_there(path):
    homes = [ROOT, *ROOT.glob("egs2/*/*/")]  # pages name what lies in a recipe by its name there
    for name in _NAME.findall(path.read_text(encoding="utf-8")):
        if not any(word in name for word in _EXAMPLES):
            assert any((home / name).exists() for home in homes), name
