"""Copied and moved folders: their tables name the files that came along."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_scp, read_table, write_json, write_table
from espnet2_ext.relocation import PLACE, relocate


@pytest.fixture
def recipe(tmp_path) -> Path:
    """A recipe with a corpus beside its folders, and one elsewhere; its path has a space."""
    recipe = tmp_path / "first home/speechlm1"
    for name in ("data", "dump", "exp", "downloads"):
        (recipe / name).mkdir(parents=True)
    for name in ("data", "dump", "exp"):
        (recipe / name / PLACE).write_text(f"{recipe / name}\n")
    with ArkWriter(recipe / "dump/chunks/0", "codec_ssl") as ark:
        ark["a"] = np.arange(3)
        ark["b"] = np.arange(4)
    shutil.copy(recipe / "dump/chunks/0/codec_ssl.scp", recipe / "dump/codec_ssl.scp")
    for wav in (recipe / "downloads/a.wav", tmp_path / "corpus.wav"):
        wav.touch()
    wavs = {"a": recipe / "downloads/a.wav", "b": tmp_path / "corpus.wav", "c": "dump/c.wav"}
    write_table(recipe / "data/wav.scp", wavs)
    write_json(recipe / "dump/prompts.json", {"prompt_dirs": [str(recipe / "dump"), "dump"]})
    return recipe


@pytest.mark.parametrize("how", [shutil.copytree, shutil.move])
def test_a_folder_elsewhere_reads_its_own_files(recipe, tmp_path, how):
    here = tmp_path / "elsewhere"
    how(recipe, here)
    folders = [here / name for name in ("data", "dump", "exp")]
    assert relocate(folders) == 4
    if recipe.exists():  # nothing of the original is read
        shutil.rmtree(recipe)
    for table in (here / "dump/codec_ssl.scp", here / "dump/chunks/0/codec_ssl.scp"):
        assert list(read_scp(table)["b"]) == [0, 1, 2, 3]
    wavs = read_table(here / "data/wav.scp")
    assert wavs == {
        "a": f"{here}/downloads/a.wav", "b": str(tmp_path / "corpus.wav"), "c": "dump/c.wav"
    }  # fmt: skip
    pool = (here / "dump/prompts.json").read_text()
    assert f'"{here}/dump"' in pool and '"dump"' in pool
    assert relocate(folders) == 0


def test_what_did_not_come_along_stays_named(recipe, tmp_path):
    here = tmp_path / "elsewhere"
    shutil.copytree(recipe / "data", here / "data")  # without downloads
    assert relocate([here / "data"]) == 0
    assert read_table(here / "data/wav.scp")["a"] == str(recipe / "downloads/a.wav")


def test_a_table_of_files_that_are_gone_is_one_line(recipe, tmp_path):
    shutil.move(recipe, tmp_path / "moved")
    with pytest.raises(UserError, match=r"codec_ssl.scp: a: no file .*codec_ssl.ark .*relocate"):
        read_scp(tmp_path / "moved/dump/codec_ssl.scp")["a"]
