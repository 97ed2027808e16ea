"""Temporary folders of processes that were killed are removed by the next one."""

import os
import subprocess
import sys
import tempfile
import time

import pytest

from espnet2_ext import scratch
from espnet2_ext.scratch import scratch_folder

HOLDER = """
import sys, time
from espnet2_ext.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "model").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A place of temporary folders for this test alone, where every folder is old enough."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(scratch, "_YOUNG_SEC", -1.0)
    return tmp_path


def test_it_goes_with_the_block(temporary):
    with scratch_folder() as folder:
        (folder / "x").write_text("x")
        assert folder.parent == temporary
    assert not folder.exists()


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_uses_is_not(temporary):
    killed, living = (
        subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    )  # fmt: skip
    left, used = (process.stdout.readline().strip() for process in (killed, living))
    killed.kill()
    killed.wait()
    assert os.path.exists(left)
    with scratch_folder():
        assert not os.path.exists(left)
        assert os.path.exists(f"{used}/model")
    living.communicate("")
    assert living.returncode == 0 and list(temporary.iterdir()) == []


def test_nothing_else_is_swept(temporary, monkeypatch):
    (temporary / "mine").mkdir()
    (temporary / f"{scratch.PREFIX}file").write_text("x")
    (temporary / f"{scratch.PREFIX}link").symlink_to(temporary / "mine")
    young = temporary / f"{scratch.PREFIX}young"
    young.mkdir()
    monkeypatch.setattr(scratch, "_YOUNG_SEC", 60.0)
    before = {p.name for p in temporary.iterdir()}
    with scratch_folder():
        pass
    assert {p.name for p in temporary.iterdir()} == before
    os.utime(young, (0, time.time() - 120))
    with scratch_folder():
        assert not young.exists()
