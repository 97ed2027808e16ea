"""A large data directory for benchmarks: few sung tones, many utterances; bare reading of them."""

import json
import os
import time
from pathlib import Path

import numpy as np
import soundfile

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.audio.wav import write_wav
from espnet2_ext.files import read_table, write_table
from espnet2_ext.score.formats.espnet_format import score_to_json
from espnet2_ext.score.music_score import MusicScore, Note, Phone

FS = 24000
N_WAVS = 16
N_NOTES = 12
NOTE_SEC = 0.4
SYLLABLES = (("n", "i"), ("h", "ao"), ("m", "a"), ("sh", "ang"), ("l", "ai"), ("w", "o"))
HEADER_BYTES = 4096


def make_score(rng: np.random.Generator) -> MusicScore:
    """A rest and notes of `NOTE_SEC`, with labels."""
    notes, phones = [Note(0.0, NOTE_SEC, 0, "", ("AP",))], [Phone(0.0, NOTE_SEC, "AP", 0)]
    for index in range(1, N_NOTES + 1):
        start, end = index * NOTE_SEC, (index + 1) * NOTE_SEC
        initial, final = SYLLABLES[rng.integers(len(SYLLABLES))]
        midi = int(rng.integers(57, 70))
        notes.append(Note(start, end, midi, initial + final, (initial, final)))
        phones.append(Phone(start, start + 0.08, initial, index))
        phones.append(Phone(start + 0.08, end, final, index))
    return MusicScore(tuple(notes), tuple(phones))


def sing(score: MusicScore, rng: np.random.Generator) -> np.ndarray:
    """A tone with harmonics for each final, noise for each initial."""
    parts = []
    for phone in score.phones:
        midi = score.notes[phone.note].midi
        times = np.arange(round(phone.end_sec * FS) - round(phone.start_sec * FS)) / FS
        f0 = midi_to_hz(midi)
        if not midi:
            parts.append(np.zeros(len(times)))
        elif phone.phone == score.notes[phone.note].phones[-1]:
            parts.append(sum(0.2 / k * np.sin(2 * np.pi * k * f0 * times) for k in range(1, 9)))
        else:
            parts.append(0.03 * rng.standard_normal(len(times)))
    return np.concatenate(parts)


def make_data_dir(path: Path, n_utts: int, seed: int = 0) -> Path:
    """Write a data directory of `n_utts` utterances."""
    rng = np.random.default_rng(seed)
    scores = [make_score(rng) for _ in range(N_WAVS)]
    for index, score in enumerate(scores):
        write_wav(path / "made" / f"{index}.wav", sing(score, rng), FS)
    tables: dict[str, dict[str, str]] = {
        name: {} for name in ("wav.scp", "text", "label", "score.scp", "utt2spk", "utt2lang")
    }
    texts = [json.dumps(score_to_json(score)) for score in scores]
    labels = [
        " ".join(f"{p.start_sec:.6f} {p.end_sec:.6f} {p.phone}" for p in score.phones)
        for score in scores
    ]
    for index in range(n_utts):
        utt, which = f"u{index:07d}", index % N_WAVS
        folder = path / "files" / f"{index // 1000:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{utt}.json").write_text(texts[which], encoding="utf-8")
        os.link(path / "made" / f"{which}.wav", folder / f"{utt}.wav")
        tables["wav.scp"][utt] = str(folder / f"{utt}.wav")
        tables["score.scp"][utt] = str(folder / f"{utt}.json")
        tables["label"][utt] = labels[which]
        tables["text"][utt] = " ".join(phone.phone for phone in scores[which].phones)
        tables["utt2spk"][utt], tables["utt2lang"][utt] = f"s{which:02d}", "zh"
    for name, table in tables.items():
        write_table(path / "data" / name, table)
    return path / "data"


def bare_reading(data: Path, level: str) -> float:
    """Seconds that one process takes to read tables, scores and headers (or samples)."""
    start = time.perf_counter()
    for name in ("text", "label", "utt2spk", "utt2lang"):
        read_table(data / name)
    wavs, scores = read_table(data / "wav.scp"), read_table(data / "score.scp")
    for utt, wav in wavs.items():
        Path(scores[utt]).read_bytes()
        if level == "audio":
            soundfile.read(wav, dtype="float32")
        else:
            with open(wav, "rb") as file:
                file.read(HEADER_BYTES)
    return time.perf_counter() - start
