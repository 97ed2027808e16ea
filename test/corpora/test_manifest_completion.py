"""Completing a manifest, on packages that stand in."""

import json
import sys
import types
from pathlib import Path

import pytest

from espnet2_ext.corpora.manifest_completion import complete
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_jsonl


@pytest.fixture
def manifest(tmp_path):
    rows = [
        {"utt": "a", "audio": "wavs/a.wav", "language": "zh"},
        {"utt": "b", "audio": "wavs/b.wav", "vocal": "v.wav", "accompaniment": "x.wav",
         "lyrics": "hello"},
        {"utt": "c", "audio": "wavs/c.wav", "attributes": {"kind": "speech"}},
    ]  # fmt: skip
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def completed(path):
    return {row["utt"]: row for _, row in read_jsonl(path)}


def test_songs_without_stems_are_separated(manifest, tmp_path):
    commands = []

    def demucs(command):
        commands.append(command)
        out, audio = Path(command[command.index("-o") + 1]), Path(command[-1])
        folder = out / "htdemucs" / audio.stem
        folder.mkdir(parents=True)
        for name in ("vocals", "no_vocals"):
            (folder / f"{name}.wav").write_bytes(b"x")

    out = tmp_path / "more/full.jsonl"
    assert complete(manifest, out, separate=True, run=demucs) == 1
    rows = completed(out)
    assert rows["a"]["vocal"].endswith("stems/wavs/htdemucs/a/vocals.wav")
    assert rows["a"]["accompaniment"].endswith("a/no_vocals.wav")
    assert rows["b"]["vocal"] == str(tmp_path / "v.wav") and "vocal" not in rows["c"]
    assert complete(manifest, out, separate=True, run=demucs) == 1 and len(commands) == 1
    with pytest.raises(UserError, match="has not written"):
        complete(manifest, tmp_path / "other/full.jsonl", separate=True, run=lambda command: None)


def test_what_has_no_words_is_heard(manifest, tmp_path, monkeypatch):
    class Model:
        def transcribe(self, path, language):
            return {"text": f" {Path(path).name} in {language} "}

    whisper = types.ModuleType("whisper")
    whisper.load_model = lambda name: Model()
    whisper.__spec__ = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "whisper", whisper)
    assert complete(manifest, tmp_path / "full.jsonl", transcribe=True) == 2
    rows = completed(tmp_path / "full.jsonl")
    assert rows["a"]["lyrics"] == "a.wav in zh" and rows["b"]["lyrics"] == "hello"
    assert rows["c"]["lyrics"] == "c.wav in None"


@pytest.mark.parametrize(
    ("option", "named"), [("separate", "pip install demucs"), ("transcribe", "openai-whisper")]
)
def test_a_missing_package_is_named(manifest, tmp_path, option, named, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=named):
        complete(manifest, tmp_path / "full.jsonl", **{option: True})
