"""docs/add_a_corpus.md does what it says: its files are written and its commands run, in order."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from espnet2_ext.files import read_json, read_table

from . import warm_python
from .recipes import ROOT, checkout

_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_adds_a_corpus(tmp_path):
    recipe = checkout(tmp_path, "mini_singing").parents[1] / "humming" / "speechlm1"
    (tmp_path / "espnet2_ext").unlink()
    ignore = shutil.ignore_patterns("*.pyc.*")  # bytecode that another process is writing
    shutil.copytree(ROOT / "espnet2_ext", tmp_path / "espnet2_ext", ignore=ignore)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {"PYTHONPATH": str(tmp_path), "PATH": path}
    environment = {**os.environ, **own, **warm_python.environment()}
    blocks = _BLOCK.findall((ROOT / "docs/add_a_corpus.md").read_text(encoding="utf-8"))
    assert len(blocks) == 10
    # The files first: a reader has written what a command needs by the time they run it.
    for language, name, content in blocks:
        if name:
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
        else:
            assert language == "sh"
    for _, name, content in blocks:
        if not name:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", content],
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=900,
            )
            assert done.returncode == 0, f"{content}\n{done.stdout[-3000:]}"
    made = recipe / "dump/raw/train"
    assert len(read_table(made / "wav.scp")) == 10
    assert (made / "phones.txt").read_text().split() == ["SP", "AP", "a", "m", "o"]
    assert (made / "LICENSE.txt").read_text().startswith("Humming\nLicence: CC0")
    assert set(read_table(made / "utt2lang").values()) == {"ja"}
    rows = read_json(recipe / "exp/results.json")
    assert {row["n_utt"] for row in rows} == {10} and len(rows) == 6
    assert (recipe / "exp/report/index.html").is_file()
    assert len(list(recipe.glob("exp/packed/*.zip"))) == 1
