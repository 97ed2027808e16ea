"""Small systems to listen to, a test made of them, and listeners with known tastes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.listening.answers import expected_trials
from espnet2_ext.listening.page import MadeTest, TestConfig, make_test

FS = 16000
SYSTEMS = ("zorblax_net", "quuxvoice", "plonkwave")
UTTS = [f"songs_{i:02d}" for i in range(6)]


def sing(seed: int, gain: float, sec: float = 0.6) -> np.ndarray:
    """A note with harmonics and a little noise."""
    t = np.arange(int(sec * FS)) / FS
    rng = np.random.default_rng(seed)
    hz = 200 * 2 ** (rng.integers(12) / 12)
    tone = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 20))
    return gain * (tone + 0.02 * rng.standard_normal(len(t)))


@pytest.fixture(scope="session")
def decodes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of three systems (one with wav.scp, two with wav/) and a reference, 20 dB apart."""
    root = tmp_path_factory.mktemp("decodes")
    for n, name in enumerate((*SYSTEMS, "recorded")):
        for i, utt in enumerate(UTTS):
            write_wav(root / name / "wav" / f"{utt}.wav", sing(i, 0.3 * 10 ** (-n / 3)), FS)
    lines = [f"{utt} {root / SYSTEMS[0] / 'wav' / utt}.wav\n" for utt in UTTS]
    (root / SYSTEMS[0] / "wav.scp").write_text("".join(lines))
    return root


@pytest.fixture
def options(decodes: Path, tmp_path: Path) -> dict[str, Any]:
    """Options of a test with every kind of rating."""
    return {
        "systems": [str(decodes / name) for name in SYSTEMS],
        "reference": decodes / "recorded",
        "out_dir": tmp_path / "page",
        "kinds": ["mos", "ab", "abx", "mushra"],
        "num_utts": 4,
        "catch": 1,
        "headphones_check": True,
    }


@pytest.fixture
def made(options: dict[str, Any]) -> MadeTest:
    return make_test(TestConfig(**options))


Taste = Callable[[str, str, dict[str, Any]], float]
"""Rating of a system on an utterance in a trial of the key."""


def fill_in(key: dict[str, Any], name: str, number: int, taste: Taste) -> dict[str, Any]:
    """What the page saves for a listener who rates by `taste` and is attentive."""

    def value(sample: str, trial: dict[str, Any]) -> float:
        known = key["samples"][sample]
        if known["system"] == "spoiled":
            return 1
        return taste(known["system"], known["utt"], trial)

    answers = []
    for trial_id in sorted(expected_trials(key, number)):
        trial = key["trials"][trial_id]
        answer = {"trial": trial_id, "kind": trial["kind"], "samples": trial["samples"]}
        answer |= {"plays": {}, "seconds": 1.5 + number}
        values = {sample: value(sample, trial) for sample in trial["samples"]}
        best = [sample for sample in values if values[sample] == max(values.values())]
        if trial["kind"] in ("mos", "mushra"):
            answer["ratings"] = values
        elif trial["kind"] == "abx":
            answer["choice"] = trial["answer"]
        else:
            answer["choice"] = best[0] if len(best) == 1 else "none"
        answers.append(answer)
    return {
        "format": "espnet2_ext.listening_test.results", "version": 1, "test": key["test"],
        "listener": name, "number": number, "headphones": "headphones",
        "headphones_check": key["check"], "complete": True, "comment": "", "answers": answers,
    }  # fmt: skip


def save(folder: Path, results: dict[str, Any]) -> Path:
    """Write results as the page names them."""
    path = folder / f"{results['listener']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results))
    return path
