"""A small data directory whose audio agrees with its labels, and singing for others like it."""

import numpy as np
import pytest

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.score.formats.espnet_format import Entry, write_data_dir
from espnet2_ext.score.formats.opencpop import parse_line
from espnet2_ext.score.phones import is_final

FS = 16000
# Every utterance has a rest to sound in, notes of some length, and an unvoiced first consonant.
LINES = [
    f"{utt}|好吗|SP h ao m a sh ang SP|rest {notes} rest"
    "|0.4 0.6 0.6 0.6 0.6 0.6 0.6 0.4|0.4 0.12 0.48 0.1 0.5 0.12 0.48 0.4|0 0 0 0 0 0 0 0"
    for utt, notes in (
        ("u0", "A3 A3 C4 C4 B3 B3"), ("u1", "C4 C4 D4 D4 E4 E4"), ("u2", "G3 G3 E3 E3 G3 G3"),
        ("u3", "E4 E4 D4 D4 C4 C4"), ("u4", "F3 F3 A3 A3 G3 G3"), ("u5", "D4 D4 G3 G3 A3 A3"),
        ("u6", "B3 B3 A3 A3 E4 E4"), ("u7", "C4 C4 E3 E3 F3 F3"), ("u8", "G3 G3 A3 A3 B3 B3"),
        ("u9", "A3 A3 G3 G3 D4 D4"),
    )
]  # fmt: skip
SCORES = dict(parse_line(line, "test") for line in LINES)


def voice(score, seed=0):
    """A buzz at each note's pitch in its voiced phones, noise in its unvoiced ones (N,)."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(score.duration_sec * FS)) / FS
    wav = 1e-4 * rng.standard_normal(len(times))
    for phone in score.phones:
        within = (times >= phone.start_sec) & (times < phone.end_sec)
        midi = score.notes[phone.note].midi
        if midi and (is_final(phone.phone) or phone.phone == "m"):
            f0 = 440 * 2 ** ((midi - 69) / 12)
            harmonics = [np.sin(2 * np.pi * k * f0 * times[within]) / k for k in range(1, 9)]
            wav[within] += 0.2 * sum(harmonics)
        elif midi:
            wav[within] += 0.03 * rng.standard_normal(within.sum())
    return wav


@pytest.fixture
def corpus(tmp_path):
    """The directory, ten utterances, all well."""
    entries = []
    for seed, (utt, score) in enumerate(SCORES.items()):
        path = tmp_path / "wavs" / f"{utt}.wav"
        write_wav(path, voice(score, seed), FS)
        entries.append(Entry(utt, str(path), "anna", score))
    write_data_dir(tmp_path / "corpus", entries)
    return tmp_path / "corpus"
