"""A voice's English syllables, and English speech: espeak-ng's phonemes for ARPAbet's phones.

espeak-ng is given phonemes, not spelling, so that what is heard is what the label says. A vowel and
the R after it are one phoneme of its American voice.
"""

from collections.abc import Sequence

import numpy as np

from espnet2_ext.corpora.mini.espeak import Espeak, Speech
from espnet2_ext.corpora.mini.stretch import FRAME_SEC, stretch_weights
from espnet2_ext.corpora.mini.voice import (
    CLOSURE_SEC,
    LEADING_SILENCE_SEC,
    MAX_VOICED_APERIODICITY,
    SPECTRUM_FLOOR,
    SYLLABLE_RATE,
    Unit,
    analyse,
    levelled,
    log_power,
    to_rate,
    warp_bins,
)
from espnet2_ext.score.lyrics.english import VOWELS

ENGLISH_VOICE = "en-us"
_PHONEMES = {
    "AA R": "A@", "AO R": "O@", "EH R": "e@", "IH R": "i@3", "UH R": "U@",
    "AA": "A:", "AE": "a", "AH": "V", "AO": "O:", "AW": "aU", "AY": "aI", "EH": "E", "ER": "3:",
    "EY": "eI", "IH": "I", "IY": "i:", "OW": "oU", "OY": "OI", "UH": "U", "UW": "u:",
    "B": "b", "CH": "tS", "D": "d", "DH": "D", "F": "f", "G": "g", "HH": "h", "JH": "dZ", "K": "k",
    "L": "l", "M": "m", "N": "n", "NG": "N", "P": "p", "R": "r", "S": "s", "SH": "S", "T": "t",
    "TH": "T", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "Z",
}  # fmt: skip
_GLIDING = {"AY": "ai", "EY": "ei", "OY": "ai", "AW": "Au", "OW": "ou"}  # as `stretch` names them
# Voiced throughout.
_SONORANTS = frozenset(("M", "N", "NG", "L", "R", "W", "Y", "V", "DH", "Z", "ZH"))
_VOICED_STOPS = frozenset(("B", "D", "G", "JH"))  # voiced as far as WORLD hears it
_LINKING = ("r-", "r", ";")  # put in between two vowels; they count to the first
_SHORTEST_SEC = 0.04  # of a closing consonant that has a time of its own
_FROM_VOWEL_SEC = 0.08  # of the vowel before one that has not: where it turns towards it
_DECAY_NEPERS = 9.0  # in power; what is softer than this at the end is silence


def _groups(phones: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """espeak-ng's phonemes, each with the phones that it stands for."""
    groups = []
    at = 0
    while at < len(phones):
        size = 2 if " ".join(phones[at : at + 2]) in _PHONEMES and at + 1 < len(phones) else 1
        held = tuple(phones[at : at + size])
        groups.append((_PHONEMES[" ".join(held)], held))
        at += size
    return groups


def _written(phones: Sequence[str], stressed: bool) -> str:
    """A syllable in espeak-ng's phoneme names."""
    mark = "'" if stressed else ""
    return "".join(mark * (held[0] in VOWELS) + name for name, held in _groups(phones))


def say_phones(
    espeak: Espeak, words: Sequence[Sequence[Sequence[str]]], voice: str, rate: int, span: int = 50
) -> tuple[Speech, list[float]]:
    """Speak words, given as syllables of phones, each stressed on its first syllable.

    Returns:
        The speech, and where each phone begins, and the last one ends, in samples.

    Raises:
        ValueError: espeak-ng says other phonemes than it was given.
    """
    text = " ".join("".join(_written(s, i == 0) for i, s in enumerate(word)) for word in words)
    speech = espeak.say(f"[[{text}]]", voice, rate, span=span, phonemes=True)
    given = [group for word in words for syllable in word for group in _groups(syllable)]
    held = [phones for _, phones in given]
    said: list[tuple[int, str]] = []
    for at, name in speech.events:
        following = given[len(said)][0] if len(said) < len(given) else ""
        if not name.startswith("_") and (name == following or name not in _LINKING):
            said.append((at, name))
    if len(said) != len(held):
        names = " ".join(name for _, name in said)
        raise ValueError(f"espeak-ng says {names} for the phonemes {text}")
    last = said[-1][0]
    pauses = [at for at, name in speech.events if name.startswith("_") and at >= last]
    starts: list[float] = []
    ends = [sample for sample, _ in said[1:]] + [pauses[0] if pauses else len(speech.wav)]
    for (start, _), end, phones in zip(said, ends, held, strict=True):
        starts += [start + (end - start) * k / len(phones) for k in range(len(phones))]
    return speech, _given_time([*starts, ends[-1]], [p for g in held for p in g], speech.fs)


def _given_time(edges: list[float], phones: Sequence[str], fs: int) -> list[float]:
    """Edges in which no phone is without time: it takes some of the vowel before it."""
    for index in range(1, len(phones)):
        if edges[index + 1] - edges[index] < _SHORTEST_SEC * fs and phones[index] not in VOWELS:
            earliest = (edges[index - 1] + edges[index]) / 2
            wanted = edges[index + 1] - _FROM_VOWEL_SEC * fs
            edges[index] = min(edges[index], max(earliest, wanted))
    return edges


def english_units(
    variant: str, warp: float, syllables: Sequence[str], fs: int, espeak: Espeak
) -> dict[str, Unit]:
    """Units of English syllables by name, which is their phones with spaces between them.

    Args:
        variant: espeak-ng voice variant.
        warp: Factor on formant frequencies.
        syllables: Names.
        fs: Sampling rate (Hz).
        espeak: The same samples come out only of the same calls.
    """
    return {name: _unit(name.split(), variant, warp, fs, espeak) for name in syllables}


def _unit(phones: Sequence[str], variant: str, warp: float, fs: int, espeak: Espeak) -> Unit:
    voice = f"{ENGLISH_VOICE}+{variant}"
    speech, samples = say_phones(espeak, [[phones]], voice, SYLLABLE_RATE, span=0)
    edges = [round(sample / speech.fs / FRAME_SEC) for sample in samples]
    f0, sp, ap = analyse(to_rate(speech.wav, speech.fs, fs), fs)
    first = edges[0]
    if samples[0] / speech.fs > LEADING_SILENCE_SEC:  # a stop's closure
        first = max(first - round(CLOSURE_SEC / FRAME_SEC), 0)
    keep = slice(first, min(edges[-1], len(f0)))
    log_sp = np.log(sp[keep] + SPECTRUM_FLOOR)
    edges = [0, *(edge - first for edge in edges[1:-1]), len(log_sp)]
    energy = log_power(log_sp)
    loud = np.flatnonzero(energy > energy.max() - _DECAY_NEPERS)
    edges[-1] = max(int(loud[-1]) + 1, edges[-2] + 2)
    end = edges[-1]
    nucleus = next(index for index, phone in enumerate(phones) if phone in VOWELS)
    onset, coda = edges[nucleus], edges[nucleus + 1]
    voiced = _voicing(f0[keep][:end] > 0, phones, edges)
    ap = np.where(voiced[:, None], np.minimum(ap[keep][:end], MAX_VOICED_APERIODICITY), 1.0)
    log_sp = warp_bins(levelled(log_sp[:end], onset, coda), warp, fs)
    weights = np.zeros(end - onset)
    vowel = _GLIDING.get(phones[nucleus], "")
    weights[: coda - onset] = stretch_weights(log_sp[onset:coda], vowel, coda - onset)
    return Unit(
        log_sp.astype(np.float32), ap.astype(np.float32), voiced, onset, weights, tuple(edges[:-1])
    )


def _voicing(raw: np.ndarray, phones: Sequence[str], edges: Sequence[int]) -> np.ndarray:
    """Vowels and sonorants are voiced throughout, voiceless consonants not at all."""
    voiced = np.zeros(len(raw), bool)
    for index, phone in enumerate(phones):
        inside = slice(edges[index], edges[index + 1])
        if phone in VOWELS or phone in _SONORANTS:
            voiced[inside] = True
        elif phone in _VOICED_STOPS:
            voiced[inside] = raw[inside]
    return voiced
