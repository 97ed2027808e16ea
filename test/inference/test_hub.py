"""A pack goes to the hub and comes back, through the real client and a hub of this machine."""

import os
import subprocess
import sys

import pytest
import yaml
from stand_in_hub import hub as stand_in_hub

from espnet2_ext.checkpoint import load_state, save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_yaml
from espnet2_ext.inference import pack_hub
from espnet2_ext.inference.synthesizer import SingingSynthesizer

from .conftest import N_SSL, ROOT

CLOSED = "http://127.0.0.1:9"  # a port where nobody answers


def python(home, endpoint, *arguments, token="hf_of_nobody"):
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    env |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": str(ROOT)}  # fmt: skip
    if token:
        env["HF_TOKEN"] = token
    return subprocess.run([sys.executable, *map(str, arguments)], env=env, cwd=home,
                          capture_output=True, text=True, timeout=300, check=False)  # fmt: skip


@pytest.mark.slow
def test_up_down_and_without_a_network(pack, tmp_path):
    cli = ("-m", "espnet2_ext.bin.hub")
    with stand_in_hub() as server:
        server.repos["org/tiny"] = {"old.pth": b"not taken"}
        done = python(tmp_path, server.url, *cli, "upload", pack, "org/tiny")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"{server.url}/org/tiny/commit/")
        assert server.repos["org/tiny"]["README.md"].startswith(b"---\n")
        notes = '{"notes": [{"start_sec": 0, "end_sec": 1, "midi": 60, "phones": ["EY"]}]}'
        (tmp_path / "bad.json").write_text(notes)
        sing = ("-m", "espnet2_ext.bin.sing", "bad.json", "--model", "org/tiny", "-o", "o.wav")
        done = python(tmp_path, server.url, *sing)
        assert done.returncode == 2 and "phone 'EY'" in done.stderr, done.stderr
        assert not any(".safetensors" in line for line in server.asked)  # refused before that
        done = python(tmp_path, server.url, *cli, "download", "org/tiny")
        assert done.returncode == 0, done.stderr
        assert SingingSynthesizer.from_pretrained(done.stdout.strip()).singers == ["ann", "bo"]
        assert not any("old.pth" in line for line in server.asked)

        done = python(tmp_path, server.url, *cli, "upload", pack, "org/tiny", token=None)
        assert done.returncode == 2 and "error: org/tiny: " in done.stderr

    done = python(tmp_path, CLOSED, *cli, "download", "org/tiny")
    assert done.returncode == 0 and "models--org--tiny" in done.stdout  # from the cache
    done = python(tmp_path, CLOSED, *cli, "download", "org/other")
    assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith("error: org/other: ")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_offline_also_holds_for_the_model_that_a_pack_names(folder, tmp_path):
    """An SSL model of the hub is not in the pack; offline, nobody is asked for it."""
    config = folder / "tokenizer/config.yaml"
    ssl = {"type": "hf", "model": "org/hubert", "layer": 1, "n_clusters": N_SSL}
    config.write_text(yaml.safe_dump(read_yaml(config) | {"ssl": ssl}))
    centroids = load_state(folder / "tokenizer/ssl.safetensors")["centroids"]
    save_safetensors({"centroids": centroids}, folder / "tokenizer/ssl.safetensors")
    score = ROOT / "egs2/mini_singing/speechlm1/scores/brother_john.musicxml"
    sing = ("-m", "espnet2_ext.bin.sing", score, "--model", folder, "-o", "song.wav")
    with stand_in_hub() as server:
        done = python(tmp_path, server.url, *sing, "--offline")
        assert done.returncode == 2 and server.asked == []
        assert done.stderr.splitlines()[-1].startswith("error: ")
        assert "cannot load org/hubert" in done.stderr and "Traceback" not in done.stderr
        done = python(tmp_path, server.url, *sing)
        assert done.returncode == 2 and server.asked


def test_a_url_goes_through_the_model_zoo_and_is_kept(tmp_path, pack, monkeypatch):
    from espnet_model_zoo.downloader import ModelDownloader, str_to_hash

    url, kept = "https://zenodo.org/model.zip", []

    def download(self, name):
        folder = self.cachedir / str_to_hash(name)
        folder.mkdir()
        (folder / "model.zip").write_bytes(pack.read_bytes())
        kept.append(name)
        return str(folder / "model.zip")

    monkeypatch.setattr(ModelDownloader, "download", download)
    with pytest.raises(UserError, match="not downloaded before"):
        pack_hub.locate(url, offline=True, cache_dir=tmp_path)
    first = pack_hub.locate(url, cache_dir=tmp_path)
    assert first == pack_hub.locate(url, offline=True, cache_dir=tmp_path) and kept == [url]


@pytest.mark.parametrize("name", ["missing/model.zip", "no_such_folder", "a/b/c"])
def test_a_missing_local_model_is_one_line_and_asks_no_hub(name):
    with pytest.raises(UserError, match=f"{name}: no such f"):
        pack_hub.locate(name)


def test_what_is_no_pack_is_not_uploaded(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x.yaml", "")
    with pytest.raises(UserError, match="no manifest.json"):
        pack_hub.upload(tmp_path / "a.zip", "org/a")
