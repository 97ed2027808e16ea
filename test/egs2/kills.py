"""Killing a recipe in its stages, and what it made in the end."""

import contextlib
import hashlib
import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from espnet2_ext.files import read_scp

# What appears when a stage has begun its real work, as globs in the recipe's folder.
SIGNS = {
    1: "downloads/mini_singing/segments/wavs/*.wav",
    2: "dump/raw/org/*/wav/*.wav",
    3: "dump/raw/[!o]*/wav.scp",
    4: "exp/logs/fit_tokenizers.log",
    5: "dump/tokens/*/chunks/*/done",
    6: "dump/tokens/vocabulary/logs/*.log",
    7: "exp/speechlm_stats/config.yaml",
    8: "exp/speechlm_debug/resume/step_*",
    9: "exp/speechlm_debug/decode_*/*/chunks/*",
    10: "exp/flow_debug/checkpoint.pth",
    11: "exp/flow_debug/decode_*/*/*/chunks/*",
    12: "exp/vocoder_debug/checkpoint.pth",
    13: "exp/vocoder_debug/*/*/wav/*.wav",
    14: "exp/judges/fitted.json",
    15: "exp/report/logs/report.log",
    16: "exp/packed/logs/pack.log",
}
# Where a log is the sign: what it says by then.
SAYS = {4: "fitted", 6: "\n#\n", 15: "\n#\n", 16: "\n#\n"}


def has_begun(recipe: Path, stage: int, since: float) -> bool:
    """Whether a stage does its real work, after the time `since`."""
    found = []
    for path in recipe.glob(SIGNS[stage]):
        with contextlib.suppress(FileNotFoundError):  # made anew by now
            if path.stat().st_mtime > since:
                found.append(path)
    return any(SAYS[stage] in p.read_text() for p in found) if stage in SAYS else bool(found)


def processes_in(folder: Path) -> list[str]:
    """Command lines of the processes that run in `folder`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").resolve() == folder and "Z" not in (entry / "stat").read_text():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def wait_until(
    condition: Callable[[], object],
    process: subprocess.Popen | None = None,
    seconds: float = 600.0,
) -> None:
    """Wait for a condition, which `process` is to bring about."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(process.communicate()[0][-4000:])
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kill_when(condition: Callable[[], object], process: subprocess.Popen, recipe: Path) -> str:
    """Kill a run, the script alone, and wait until all that it started is gone; what it said."""
    wait_until(condition, process)
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not processes_in(recipe), seconds=60)
    return process.communicate()[0]


def made(recipe: Path) -> dict[str, str]:
    """Digest of every array, weight, wav and result of a finished recipe, by its file."""
    found: dict[str, str] = {}
    for scp in [*recipe.glob("dump/tokens/*/*.scp"), *recipe.glob("exp/*/decode_*/**/*.scp")]:
        if scp.name != "wav.scp" and "chunks" not in scp.parts:
            table = read_scp(scp)
            arrays = {utt: np.asarray(table[utt]) for utt in table}
            parts = (
                f"{utt} {a.dtype} {a.shape}".encode() + a.tobytes() for utt, a in arrays.items()
            )
            found[str(scp.relative_to(recipe))] = _digest(*parts)
    for path in recipe.glob("exp/*/valid.loss.best.pth"):
        state = torch.load(path, weights_only=True)
        tensors = (name.encode() + value.numpy().tobytes() for name, value in state.items())
        found[str(path.relative_to(recipe))] = _digest(*tensors)
    files = [
        *recipe.glob("data/*/label"),
        *recipe.glob("downloads/**/*.wav"),
        *recipe.glob("dump/**/*.wav"),
        *recipe.glob("exp/**/*.wav"),
        *recipe.glob("exp/**/*.safetensors"),
        *recipe.glob("dump/tokens/*/svs_lb"),
        *recipe.glob("dump/tokens/vocabulary/*.json"),
        recipe / "exp/results.json",
        recipe / "exp/RESULTS.md",
    ]
    found |= {str(path.relative_to(recipe)): _digest(path.read_bytes()) for path in files}
    for pack in recipe.glob("exp/packed/*.zip"):
        for member in zipfile.ZipFile(pack).infolist():
            if member.filename.endswith((".pth", ".safetensors")):
                found[f"{pack.name}: {member.filename}"] = f"{member.CRC}"
    return found


def _digest(*parts: bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()
