"""An import that the map of the rooms forbids is named by ``lint-imports``."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("score/frames", "bin.sing"),
        ("score/music_score", "score.formats.read"),
        ("flow/dit", "speechlm.model"),
        ("files", "audio.wav"),
        ("tokenizer/codec", "tokenizer.mel_rvq"),
    ],
)
def test_a_forbidden_import_is_named(tmp_path, module, forbidden):
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "espnet2_ext", tmp_path / "espnet2_ext", ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with open(tmp_path / f"espnet2_ext/{module}.py", "a") as file:
        file.write(f"\nimport espnet2_ext.{forbidden}\n")
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1
    for name in (module.rpartition("/")[2], forbidden.rpartition(".")[2]):
        assert name in done.stdout


def test_benchmarks_do_not_import_one_another_in_a_circle():
    folder = ROOT / "benchmarks"
    uses: dict[str, set[str]] = {}
    for path in folder.glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        named = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        named |= {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
        uses[path.stem] = {name for name in named if name and (folder / f"{name}.py").is_file()}
    while uses:  # take away what uses nothing that is left
        free = {name for name, used in uses.items() if not used & uses.keys()}
        assert free, f"a circle among {sorted(uses)}"
        uses = {name: used for name, used in uses.items() if name not in free}
