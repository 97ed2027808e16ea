"""A corpus of seconds, tokenized, and the baselines' recipes on it with their debug configurations.

The recipes' own shell scripts say what to run; a stand-in for the interpreter notes it down and it
runs in this process, so that ESPnet is imported once.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.score.formats.espnet_format import Entry, write_data_dir
from espnet2_ext.score.music_score import MusicScore, Note, Phone

ROOT = Path(__file__).resolve().parents[2]
FS = 24000
MADE = ("data", "dump", "exp", "downloads", "__pycache__")
SETS = {
    "train": ["lan", "mei", "lan", "mei"],
    "dev": ["lan", "mei"],
    "test": ["lan", "mei"],
    "test_singer": ["feng", "feng"],
}
STAND_IN = """#!{python}
import json, os, sys
if sys.argv[1] == "-m" and sys.argv[2] != "espnet2_ext.lock":  # the script itself holds locks
    with open("calls.jsonl", "a") as file:
        file.write(json.dumps(sys.argv[2:]) + "\\n")
else:
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def make_set(folder: Path, name: str, singers: list[str]) -> None:
    """Utterances of syllables, a slur and rests, off the grid of frames; relative paths inside."""
    rng, entries = np.random.default_rng(len(name)), []
    for number, singer in enumerate(singers):
        utt, time = f"{name}_{number}", 0.0
        notes, phones, parts = [], [], []
        for index, syllable in enumerate(["SP", "b a", "m i", "i", "b a", "SP"]):
            seconds = float(rng.uniform(0.18, 0.3))
            midi = 0 if syllable == "SP" else int(rng.integers(55, 70))
            slur = syllable == "i"
            names = tuple(syllable.split())
            lyric = "—" if slur else "" if not midi else "".join(names)
            notes.append(Note(time, time + seconds, midi, lyric, names, slur))
            cuts = np.linspace(0, seconds, len(names) + 1) ** 1.3 / seconds**0.3
            for phone, start, end in zip(names, cuts[:-1], cuts[1:], strict=True):
                phones.append(Phone(time + float(start), time + float(end), phone, index))
            t = np.arange(round(seconds * FS)) / FS
            f0 = 440 * 2 ** ((midi - 69) / 12)
            tone = sum(np.sin(2 * np.pi * k * f0 * t) / k for k in range(1, 9)) if midi else 0
            parts.append(0.1 * tone + 1e-3 * rng.standard_normal(len(t)))
            time += seconds
        wav = Path("data") / name / f"{utt}.wav"
        write_wav(folder / wav, np.concatenate(parts), FS, comment="synthetic")
        score = MusicScore(tuple(notes), tuple(phones))
        entries.append(Entry(utt, str(wav), singer, score))
    here = Path.cwd()
    os.chdir(folder)
    try:
        write_data_dir(f"dump/raw/{name}", entries)
    finally:
        os.chdir(here)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory) -> Path:
    """``egs2/mini_singing`` with speechlm1 run up to its tokens."""
    from espnet2_ext.tokenizer.dump import tokenize_shard
    from espnet2_ext.tokenizer.fit import fit_tokenizers
    from espnet2_ext.tokenizer.merge import merge_chunks
    from espnet2_ext.tokenizer.prompts import write_prompts

    root = tmp_path_factory.mktemp("checkout")
    for name in ("TEMPLATE", "mini_singing"):
        shutil.copytree(ROOT / "egs2" / name, root / "egs2" / name, symlinks=True,
                        ignore=shutil.ignore_patterns(*MADE))  # fmt: skip
    for name in ("conf", "espnet2_ext"):
        (root / name).symlink_to(ROOT / name)
    recipe = root / "egs2/mini_singing/speechlm1"
    here = Path.cwd()
    os.chdir(recipe)
    try:
        for name, singers in SETS.items():
            make_set(recipe, name, singers)
        config = Path("conf/tokenizer_debug.yaml")
        fit_tokenizers(
            config, root / "conf/mel.yaml", Path("dump/raw/train"), Path("exp/tokenizer")
        )
        raw = [f"dump/raw/{name}" for name in SETS]
        tokens = [f"dump/tokens/{name}" for name in SETS]
        tokenize_shard(raw, "exp/tokenizer", tokens)
        for data_dir, out_dir in zip(raw, tokens, strict=True):
            merge_chunks(data_dir, "exp/tokenizer", out_dir)
            (Path(out_dir) / ".done").write_text("tokens\n")
        for out_dir in tokens:
            write_prompts(out_dir, ["dump/tokens/train", "dump/tokens/test_singer"])
    finally:
        os.chdir(here)
    return root / "egs2/mini_singing"


@pytest.fixture(scope="session")
def run_sh(checkout) -> Callable[..., tuple[int, str]]:
    """Run ``svs1`` or ``svs2``'s run.sh; what it starts runs in this process, after each stage."""

    def run(name: str, *options: str) -> tuple[int, str]:
        recipe = checkout / name
        stand_in = recipe / "stand_in"
        stand_in.write_text(STAND_IN.format(python=sys.executable))
        stand_in.chmod(0o755)
        output = ""
        for stage in range(1, 5):
            (recipe / "calls.jsonl").unlink(missing_ok=True)
            done = subprocess.run(
                ["./run.sh", "--size", "debug", *options, "--python", "./stand_in",
                 "--test_sets", "test test_singer", "--stage", str(stage),
                 "--stop_stage", str(stage)],
                cwd=recipe, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                timeout=60, env={**os.environ, "LC_ALL": "C"},
            )  # fmt: skip
            output += done.stdout
            if done.returncode:
                return done.returncode, output
            calls = recipe / "calls.jsonl"
            for line in calls.read_text().splitlines() if calls.exists() else ():
                call(recipe, *json.loads(line))
        return 0, output

    return run


def call(recipe: Path, module: str, *args: str) -> None:
    """Run a command of the recipe in this process, in the recipe's folder."""
    from espnet2_ext.registry import register

    here = Path.cwd()
    os.chdir(recipe)
    try:
        if module == "espnet2_ext.bin.espnet":
            register()
            module, *rest = args
            import_module(module).main(cmd=rest)
        else:
            with pytest.raises(SystemExit) as ended:
                import_module(module).main(list(args))
            assert not ended.value.code
    finally:
        os.chdir(here)
