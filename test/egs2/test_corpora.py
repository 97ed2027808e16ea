"""Stages 1-6 of each corpus' recipe, on a small corpus in the layout of the real one."""

import subprocess

import pytest
from corpora.layouts import write_acesinger_parquet, write_opencpop
from corpora.singer_layouts import write_gtsinger, write_m4singer, write_opensinger

from espnet2_ext.files import read_scp, read_table
from espnet2_ext.score.formats.phone_set import ordered
from espnet2_ext.score.lyrics.languages import LANGUAGES
from espnet2_ext.score.phones import PHONES

from .recipes import ROOT, check_tokens, checkout, run

RECIPES = ("opencpop", "acesinger", "m4singer", "gtsinger")


@pytest.mark.parametrize("size", ["paper", "small", "gpu_44k", "debug"])
@pytest.mark.parametrize("corpus", RECIPES)
def test_every_size_names_files_that_are_there(corpus, size):
    recipe = ROOT / "egs2" / corpus / "speechlm1"
    script = '. utils/sizes.sh; printf "%s\\n" "${size_options[@]}"'
    command = ["bash", "-euc", script, "run.sh", "--size", size]
    done = subprocess.run(command, cwd=recipe, capture_output=True, text=True, check=True)
    named = [word for word in done.stdout.split() if word.startswith("conf/")]
    assert len(named) >= 7 and all((recipe / name).is_file() for name in named)
    assert len((recipe / "run.sh").read_text().splitlines()) < 60


def test_opencpop(tmp_path):
    recipe = checkout(tmp_path, "opencpop")
    status, output = run(recipe, stop_stage=1)
    assert status == 2 and "https://wenet.org.cn/opencpop/download/" in output
    write_opencpop(recipe / "downloads/opencpop", ("2001", "2002", "2003"))
    status, output = run(recipe, "--local_data_opts", "--dev_songs 1")
    assert status == 0, output[-4000:]
    check_tokens(recipe, {"train": 3, "dev": 3, "test": 3}, PHONES)


def test_acesinger(tmp_path, monkeypatch):
    recipe = checkout(tmp_path, "acesinger")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    status, output = run(recipe, stop_stage=1)
    assert status == 2 and "espnet/ace-opencpop-segments (CC BY-NC 4.0)" in output
    write_acesinger_parquet(recipe / "downloads/parquet")
    status, output = run(recipe)
    assert status == 0, output[-4000:]
    check_tokens(recipe, {"train": 12, "validation": 3, "test": 3}, PHONES)


def test_m4singer_with_opensinger(tmp_path):
    recipe = checkout(tmp_path, "m4singer")
    status, output = run(recipe, stop_stage=1)
    assert status == 2 and "github.com/M4Singer/M4Singer" in output
    songs = ("Alto-1#暖暖", "Alto-1#如果", "Alto-1#十年", "Tenor-6#一千年 以后")
    write_m4singer(recipe / "downloads/m4singer", songs, song_per=2)
    write_opensinger(recipe / "downloads/opensinger", {"WomanRaw": (0, 3)})
    options = ("--prompt_sets", "opensinger", "--test_sets", "test_opensinger")
    opensinger = ("--local_data_opts", "--opensinger_dir downloads/opensinger")
    status, output = run(recipe, *options, *opensinger)
    assert status == 0, output[-4000:]
    sizes = {"train": 4, "dev": 2, "test_opensinger": 2}
    check_tokens(recipe, sizes, PHONES)
    prompts = read_table(recipe / "dump/tokens/test_opensinger/prompt.scp")
    assert all("/opensinger/" in pointer for pointer in prompts.values())


def test_m4singer_of_comelsinger(tmp_path):
    recipe = checkout(tmp_path, "m4singer").with_name("comelsinger1")
    songs = ("Alto-1#暖暖", "Alto-1#如果", "Alto-1#十年", "Tenor-6#一千年 以后")
    write_m4singer(recipe / "downloads/m4singer", songs, song_per=2)
    status, output = run(recipe, stop_stage=5)
    assert status == 0, output[-4000:]
    for name, size in {"train": 4, "dev": 2, "test": 2}.items():
        tokens = recipe / "dump/tokens" / name
        assert (
            read_table(tokens / "utt2num_frames").keys() == read_scp(tokens / "prompt.scp").keys()
        )
        assert len(read_table(tokens / "codec_ssl.scp")) == size


def test_gtsinger(tmp_path):
    recipe = checkout(tmp_path, "gtsinger")
    status, output = run(recipe, stop_stage=1)
    assert status == 2 and "huggingface.co/datasets/GTSinger/GTSinger" in output
    songs = {
        "Chinese": ("曹操", "画心", "水星记"),
        "English": ("all is found", "my love", "Zombie"),
    }
    write_gtsinger(recipe / "downloads/gtsinger", songs)
    status, output = run(recipe)
    assert status == 0, output[-4000:]
    phones = ordered((*LANGUAGES["zh"].phones, *LANGUAGES["en"].phones))
    check_tokens(recipe, {"train": 4, "dev": 4, "test": 4}, phones)
    assert len(read_table(recipe / "dump/raw/test/utt2tech")) == 4
