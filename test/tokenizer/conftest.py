"""A tiny corpus: vowels as harmonic tones under two spectral envelopes, with exact labels."""

from pathlib import Path

import numpy as np
import pytest

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.files import write_table
from espnet2_ext.score.formats.espnet_format import Entry, write_data_dir
from espnet2_ext.score.music_score import MusicScore, Note, Phone

FS = 24000
FORMANTS_HZ = {"a": 900.0, "i": 2600.0}
CONFIG = """
codec: {type: mel_rvq, n_codebooks: 2, codebook_size: 16, n_iter: 5}
ssl: {type: phone, n_clusters: 8, hidden: 16, dilations: [1, 2], epochs: 10, lr: 0.01}
"""


def sing(phone: str, midi: int, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A tone whose harmonics peak around the phone's formant."""
    t = np.arange(round(seconds * FS)) / FS
    if phone == "SP":
        return 1e-4 * rng.standard_normal(len(t))
    f0 = 440 * 2 ** ((midi - 69) / 12)
    harmonics = np.arange(1, int(10000 / f0)) * f0
    gains = np.exp(-(((harmonics - FORMANTS_HZ[phone]) / 700) ** 2)) + 0.01
    wav = (gains[:, None] * np.sin(2 * np.pi * harmonics[:, None] * t)).sum(0)
    return 0.3 * wav / np.abs(wav).max() + 1e-4 * rng.standard_normal(len(t))


def make_set(folder: Path, utts: dict[str, str], seed: int, sung: bool = True) -> Path:
    """Write a data directory; `utts` maps ids to singers."""
    rng, entries = np.random.default_rng(seed), []
    for utt, singer in utts.items():
        notes, phones, parts, time = [], [], [], 0.0
        for index in range(6):
            phone = "SP" if index in (0, 5) else "ai"[rng.integers(2)]
            midi = 0 if phone == "SP" else int(rng.integers(55, 75))
            seconds = float(rng.uniform(0.15, 0.3))
            notes.append(Note(time, time + seconds, midi, "" if not midi else phone, (phone,)))
            phones.append(Phone(time, time + seconds, phone, index))
            parts.append(sing(phone, midi, seconds, rng))
            time += seconds
        wav = folder / "audio" / f"{utt}.wav"
        write_wav(wav, np.concatenate(parts), FS, comment="synthetic")
        score = MusicScore(tuple(notes), tuple(phones)) if sung else None
        entries.append(Entry(utt, str(wav), singer, score, text="" if sung else "a i"))
    write_data_dir(folder, entries)
    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Folder with train (two singers), speech (three), dev, and the two configurations."""
    root = tmp_path_factory.mktemp("corpus")
    make_set(root / "train", {f"s{k % 2}_t{k}": f"s{k % 2}" for k in range(8)}, 0)
    make_set(root / "speech", {f"s{k % 3}_p{k}": f"s{k % 3}" for k in range(6)}, 1, sung=False)
    make_set(root / "dev", {"s0_d0": "s0", "s2_d1": "s2"}, 2)
    (root / "tokenizer.yaml").write_text(CONFIG)
    (root / "mel.yaml").write_text("fs: 24000\nhop_length: 240\n")
    return root


@pytest.fixture(scope="session")
def tokenizer_dir(corpus) -> Path:
    from espnet2_ext.tokenizer.fit import fit_tokenizers

    out_dir = corpus / "tokenizer"
    fit_tokenizers(corpus / "tokenizer.yaml", corpus / "mel.yaml", corpus / "train", out_dir)
    return out_dir


@pytest.fixture
def data_dir(corpus, tmp_path) -> Path:
    """A copy of dev's tables that a test may break."""
    for name in ("wav.scp", "label", "score.scp", "utt2spk", "text"):
        (tmp_path / name).write_bytes((corpus / "dev" / name).read_bytes())
    return tmp_path


@pytest.fixture
def rewrite():
    """Change one entry of a Kaldi table, or drop it with None."""
    from espnet2_ext.files import read_table

    def change(path: Path, key: str, value: str | None) -> None:
        table = read_table(path)
        if value is None:
            del table[key]
        else:
            table[key] = value
        write_table(path, table)

    return change
