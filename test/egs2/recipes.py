"""Running recipes, whole or their first stages, each in a checkout of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from espnet2_ext.files import read_json, read_scp, read_table

from . import warm_python

ROOT = Path(__file__).resolve().parents[2]
SETS = ["test", "test_singer"]
REAL_PYTHON = {"ESPNET2_EXT_VENV": sys.prefix if sys.prefix != sys.base_prefix else ""}
_MADE = ("data", "dump", "exp", "downloads", "__pycache__")


def checkout(root: Path, corpus: str) -> Path:
    """A copy of ``egs2/<corpus>/speechlm1`` with nothing made yet, beside what it links to."""
    for name in {"TEMPLATE", "mini_singing", corpus}:
        shutil.copytree(
            ROOT / "egs2" / name,
            root / "egs2" / name,
            symlinks=True,
            ignore=shutil.ignore_patterns(*_MADE),
            dirs_exist_ok=True,
        )
    for name in ("conf", "espnet2_ext"):
        (root / name).symlink_to(ROOT / name)
    return root / "egs2" / corpus / "speechlm1"


def whole_checkout(root: Path) -> Path:
    """A copy of the recipe with nothing made yet, beside the package and its defaults."""
    shutil.copytree(
        ROOT / "egs2", root / "egs2", symlinks=True, ignore=shutil.ignore_patterns(*_MADE)
    )
    for name in ("conf", "espnet2_ext"):
        (root / name).symlink_to(ROOT / name)
    return root / "egs2/mini_singing/speechlm1"


def start(
    recipe: Path, *options: str, size: tuple[str, ...] = ("--size", "debug"), **environment: str
) -> subprocess.Popen:
    """Start ``run.sh``, by an interpreter that is warm unless `environment` has `REAL_PYTHON`."""
    return subprocess.Popen(
        ["./run.sh", *size, "--test_sets", " ".join(SETS), *options],
        cwd=recipe,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **warm_python.environment(), **environment},
    )


def finish(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output[-4000:]
    return output


def run(recipe: Path, *options: str, stop_stage: int = 6) -> tuple[int, str]:
    """Run the first stages with the debug size: exit status, and all that it printed."""
    command = ["./run.sh", "--size", "debug", "--nj", "1", "--stop_stage", str(stop_stage)]
    done = subprocess.run(
        [*command, *options],
        cwd=recipe,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1", **warm_python.environment()},
    )
    return done.returncode, done.stdout


def check_tokens(recipe: Path, sizes: dict[str, int], phones: tuple[str, ...]) -> None:
    """What stages 1-6 leave: every utterance of every set tokenized, the phone set, a licence.

    Args:
        recipe: The recipe's folder.
        sizes: Utterances expected in each set.
        phones: Phone set expected, in order.
    """
    assert (recipe / "exp/tokenizer/phones.txt").read_text().split() == list(phones)
    vocabulary = read_json(recipe / "dump/tokens/vocabulary/token_list.json")
    assert {f"svs_{phone}" for phone in phones} <= set(vocabulary)
    for name, size in sizes.items():
        tokens = recipe / "dump/tokens" / name
        frames = {u: int(n) for u, n in read_table(tokens / "utt2num_frames").items()}
        assert len(frames) == size, name
        codes = read_scp(tokens / "codec_ssl.scp")
        scored = read_scp(tokens / "score_frames.scp")
        for utt, n_frames in frames.items():
            assert len(codes[utt]) == 3 * n_frames and len(scored[utt]) == 4 * n_frames
            assert np.isfinite(codes[utt]).all()
        assert (recipe / "dump/raw" / name / "LICENSE.txt").read_text().strip()
        assert set(read_table(recipe / "dump/raw" / name / "utt2lang")) >= set(frames)
