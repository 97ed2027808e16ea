"""Stages 1 to 6 on a corpus that tries everything: ids, stereo at another rate; kills, options."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.files import read_scp, read_table, write_table
from espnet2_ext.score.formats.espnet_format import Entry, write_data_dir
from espnet2_ext.score.music_score import MusicScore, Note, Phone

from . import warm_python
from .kills import processes_in
from .recipes import REAL_PYTHON, checkout, run

FS = 44100
ODD_IDS = ["...", ".hidden", "-dash", "*", "a|b'\"$(x)`", "e\u0301", "二泉映月#1", "x" * 240]
SETS = {
    "train": [*ODD_IDS, "plain"], "dev": ["d0"], "test": ["e0", "e1"], "test_singer": ["f0"],
    "speech": ["p0", "p1", "p2", "p3"],
}  # fmt: skip
OPTIONS = ("--test_sets", "test test_singer", "--parallel_stages", "false")


def sing(rng: np.random.Generator) -> tuple[MusicScore, np.ndarray]:
    """A rest, six notes and a rest, and the sound: the voice on the right, noise on the left."""
    notes, phones, parts, start = [], [], [], 0.0
    for index in range(8):
        phone = "SP" if index in (0, 7) else "ai"[rng.integers(2)]
        midi = 0 if phone == "SP" else int(rng.integers(55, 70))
        end = start + float(rng.uniform(0.2, 0.4))
        notes.append(Note(start, end, midi, "" if not midi else "啊", (phone,)))
        phones.append(Phone(start, end, phone, index))
        t = np.arange(round(end * FS) - round(start * FS)) / FS
        parts.append(0.6 * bool(midi) * np.sin(2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * t))
        start = end
    voice = np.concatenate(parts)
    return MusicScore(tuple(notes), tuple(phones)), np.stack([0 * voice, voice], 1)


def make_corpus(recipe: Path) -> None:
    """Data directories, and a data preparation that has nothing to do."""
    rng = np.random.default_rng(0)
    for name, utts in SETS.items():
        entries = []
        for number, utt in enumerate(utts):
            score, wav = sing(rng)
            if utt == "plain":  # goes on long after its label
                wav = np.concatenate([wav, wav])
            path = recipe / "audio" / name / f"{number} of the set.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, wav + 1e-4 * rng.standard_normal(wav.shape), FS, subtype="PCM_24")
            text = "" if name != "speech" else "a i"
            entries.append(
                Entry(utt, str(path), f"歌手{number % 2}", None if text else score, text)
            )
        if name != "train":  # one singer more often than the other is no trouble
            entries = [Entry(e.utt, e.wav, "歌手0", e.score, e.text) for e in entries]
        if name == "speech":
            entries[1:3] = [Entry(e.utt, e.wav, "歌手1", None, e.text) for e in entries[1:3]]
        write_data_dir(recipe / "data" / name, entries, license_text="CC0")
    (recipe / "local/data.sh").write_text("#!/usr/bin/env bash\ntrue\n")


@pytest.fixture(scope="module")
def odd(tmp_path_factory) -> Path:
    """A recipe after stages 1 to 6."""
    recipe = checkout(tmp_path_factory.mktemp("odd"), "mini_singing")
    make_corpus(recipe)
    status, output = run(recipe, *OPTIONS, "--prompt_seed", "1")
    assert status == 0, output[-3000:]
    return recipe


def test_every_odd_utterance_is_tokenized_from_all_channels(odd):
    for name, utts in SETS.items():
        tokens = odd / "dump/tokens" / name
        frames = read_table(tokens / "utt2num_frames")
        assert sorted(frames) == sorted(utts)
        codes = read_scp(tokens / "codec_ssl.scp")
        assert all(len(codes[utt]) == 3 * int(frames[utt]) for utt in utts)
        for utt, path in read_table(odd / "dump/raw" / name / "wav.scp").items():
            assert Path(path).name == f"{utt}.wav"
            wav, fs = read_wav(odd / path)
            assert fs == 24000 and 0.25 < np.abs(wav).max() < 0.35, utt  # the half of .6
    assert len(read_table(odd / "dump/tokens/eval_test_test_singer/prompt.scp")) == 3


def content(recipe: Path) -> dict[str, bytes]:
    """What stages 1 to 6 made, but for logs, locks and marks of finished steps."""
    return {
        str(path.relative_to(recipe)): path.read_bytes().replace(str(recipe).encode(), b"")
        for folder in ("dump", "exp")
        for path in sorted((recipe / folder).rglob("*"))
        if path.is_file()
        and "logs" not in path.parts
        and path.name not in (".done", ".digests")
        and path.suffix != ".lock"  # names who held it
    }


def kill_when(recipe: Path, there: str, *options: str, **environment: str) -> None:
    """Start the recipe, and kill it when a file of that pattern is there."""
    with open(recipe / "killed.log", "w") as log:
        process = subprocess.Popen(
            ["./run.sh", "--size", "debug", "--stop_stage", "6", *OPTIONS, *options],
            cwd=recipe, stdout=log, stderr=log, env={**os.environ, **environment},
        )  # fmt: skip
    deadline = time.monotonic() + 300
    while not any(recipe.glob(there)) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert process.poll() is None, (recipe / "killed.log").read_text()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while processes_in(recipe):  # what it had started ends with it
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_and_resumed_with_other_options_it_ends_as_if_nothing_had_been(odd, tmp_path):
    recipe = checkout(tmp_path, "mini_singing")
    shutil.copytree(odd / "data", recipe / "data", ignore=shutil.ignore_patterns(".done", "logs"))
    for name in SETS:
        scores = read_table(odd / "data" / name / "score.scp") if name != "speech" else {}
        moved = {utt: path.replace(str(odd), str(recipe)) for utt, path in scores.items()}
        if moved:
            write_table(recipe / "data" / name / "score.scp", moved)
    shutil.copyfile(odd / "local/data.sh", recipe / "local/data.sh")
    warm = {"OMP_NUM_THREADS": "1", **warm_python.environment()}
    kill_when(recipe, "dump/raw/org/train/wav/e*.wav", "--nj", "2", **REAL_PYTHON)
    kill_when(recipe, "dump/raw/train/wav.scp", "--max_wav_duration", "3", "--nj", "1", **warm)
    kill_when(recipe, "dump/tokens/*/chunks/*/done", "--prompt_seed", "7", "--nj", "2", **warm)
    seconds = ("--min_wav_duration", "0.7")
    kill_when(recipe, "dump/tokens/vocabulary/logs/*", *seconds, "--nj", "2", **warm)
    status, output = run(recipe, *OPTIONS, "--prompt_seed", "1")
    assert status == 0, output[-3000:]
    resumed, whole = content(recipe), content(odd)
    assert list(resumed) == list(whole)
    assert [name for name in whole if resumed[name] != whole[name]] == []


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ("test test_singer test", "utterance e0 is in two of the sets test test_singer test"),
        ("test ../dump", "../dump is no name of a set"),
        ("test .", ". is no name of a set"),
    ],
)
def test_sets_that_cannot_be_evaluated_are_refused_before_anything_is_trained(odd, sets, message):
    status, output = run(odd, "--test_sets", sets)
    assert status == 2
    assert output.strip().splitlines()[-1].startswith(f"speechlm_svs.sh: error: {message}")
