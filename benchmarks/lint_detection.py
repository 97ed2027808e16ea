"""What the linter's checks of samples detect and what they cry wolf at, on a corpus at hand.

``python benchmarks/lint_detection.py DATA_DIR...``. The utterances are taken to be clean: what is
found in them, or in copies changed harmlessly, is a false alarm. Then every utterance is spoilt in
each way once, in memory.
Utterances in which a mistake has no place (no long rest, no unvoiced first consonant) are not
counted for it.
"""

import argparse
import dataclasses
import itertools
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.files import read_table
from espnet2_ext.lint import Limits
from espnet2_ext.lint.audio import check_audio
from espnet2_ext.lint.findings import Findings
from espnet2_ext.lint.onset import NOISY, UNASPIRATED
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.score.music_score import MusicScore

LIMITS = Limits()
LONG_REST_SEC, LONG_NOTE_SEC = 0.3, 0.2
Utterance = tuple[np.ndarray, int, MusicScore]
Spoil = Callable[[Utterance, random.Random], Utterance | None]


def _cut(wav: np.ndarray, fs: int, start_sec: float, end_sec: float) -> slice:
    return slice(round(start_sec * fs), round(end_sec * fs))


def _pick(utterance: Utterance, rng: random.Random, rest: bool, min_sec: float) -> slice | None:
    """A phone of some length, a rest or the vowel of a note, as samples."""
    wav, fs, score = utterance
    able = [
        phone
        for phone in score.phones
        if score.notes[phone.note].is_rest == rest and phone.end_sec - phone.start_sec >= min_sec
    ]
    if not able:
        return None
    phone = rng.choice(able)
    return _cut(wav, fs, phone.start_sec, phone.end_sec)


def clipped(utterance: Utterance, rng: random.Random) -> Utterance:
    wav, fs, score = utterance
    return np.clip(3 * wav / np.abs(wav).max(), -1, 1) * 0.7, fs, score


def off_centre(utterance: Utterance, rng: random.Random) -> Utterance:
    return utterance[0] * 0.9 + 0.03, *utterance[1:]


def voice_in_rest(utterance: Utterance, rng: random.Random) -> Utterance | None:
    rest = _pick(utterance, rng, True, LONG_REST_SEC)
    note = _pick(utterance, rng, False, LONG_REST_SEC)
    if rest is None or note is None:
        return None
    wav = utterance[0].copy()
    wav[rest] = np.resize(wav[note], len(wav[rest]))
    return wav, *utterance[1:]


def muted_note(utterance: Utterance, rng: random.Random) -> Utterance | None:
    wav, fs, score = utterance
    able = [
        span
        for _, group in itertools.groupby(score.phones, key=lambda phone: phone.note)
        for span in [list(group)]
        if not score.notes[span[0].note].is_rest
        and span[-1].end_sec - span[0].start_sec >= LONG_NOTE_SEC
    ]
    if not able:
        return None
    note = rng.choice(able)
    wav = wav.copy()
    wav[_cut(wav, fs, note[0].start_sec, note[-1].end_sec)] = 0
    return wav, fs, score


def octave_off(utterance: Utterance, rng: random.Random) -> Utterance | None:
    wav, fs, score = utterance
    able = [
        index
        for index, note in enumerate(score.notes)
        if not note.is_rest and note.end_sec - note.start_sec >= LONG_NOTE_SEC
    ]
    if not able:
        return None
    notes, index = list(score.notes), rng.choice(able)
    midi = notes[index].midi + rng.choice((-12, 12))
    notes[index] = dataclasses.replace(notes[index], midi=midi)
    return wav, fs, dataclasses.replace(score, notes=tuple(notes))


def wrong_rate(utterance: Utterance, rng: random.Random) -> Utterance:
    wav, fs, score = utterance
    return wav, round(fs * 44100 / 48000), score


def shifted_label(utterance: Utterance, rng: random.Random) -> Utterance:
    wav, fs, score = utterance
    return np.concatenate([wav[round(0.5 * fs) :], np.zeros(fs // 2, wav.dtype)]), fs, score


def other_song(utterance: Utterance, rng: random.Random) -> Utterance:
    return utterance  # `spoilt` gives it the audio of another


def at_first_consonant(utterance: Utterance, mute: bool, lost: float) -> Utterance | None:
    """The utterance from its first consonant on, `lost` of which is cut off (or muted)."""
    wav, fs, score = utterance
    first = next(p for p in score.phones if not score.notes[p.note].is_rest)
    length = first.end_sec - first.start_sec
    noisy = first.phone in NOISY["zh"]
    unaspirated = first.phone in UNASPIRATED["zh"] and not mute  # may be nothing but closure
    if not (noisy or unaspirated) or length < LIMITS.onset_min_sec:
        return None
    start = first.start_sec
    notes = tuple(
        dataclasses.replace(n, start_sec=max(0.0, n.start_sec - start), end_sec=n.end_sec - start)
        for n in score.notes[first.note :]
    )
    phones = tuple(
        dataclasses.replace(
            p, start_sec=p.start_sec - start, end_sec=p.end_sec - start, note=p.note - first.note
        )
        for p in score.phones
        if p.start_sec >= start
    )
    wav = wav[round(start * fs) :].copy()
    if mute:
        wav[: round(lost * length * fs)] = 0
    else:
        wav = wav[round(lost * length * fs) :]
    return wav, fs, dataclasses.replace(score, notes=notes, phones=phones)


def reverberant(t60_sec: float) -> Spoil:
    """A room: exponentially decaying noise, 10 dB below the direct sound."""

    def spoil(utterance: Utterance, rng: random.Random) -> Utterance:
        from scipy.signal import fftconvolve

        wav, fs, score = utterance
        times = np.arange(round(t60_sec * fs)) / fs
        tail = np.random.default_rng(rng.randrange(2**32)).standard_normal(len(times))
        tail *= 10 ** (-3 * times / t60_sec)
        tail *= 10 ** (-10 / 20) / np.sqrt(np.sum(tail**2))
        return wav + fftconvolve(wav, tail)[: len(wav)], fs, score

    return spoil


def noisy(snr_db: float) -> Spoil:
    """White noise so far below the utterance's RMS."""

    def spoil(utterance: Utterance, rng: random.Random) -> Utterance:
        wav, fs, score = utterance
        noise = np.random.default_rng(rng.randrange(2**32)).standard_normal(len(wav))
        return wav + noise * np.sqrt(np.mean(wav**2)) * 10 ** (-snr_db / 20), fs, score

    return spoil


def inexact_label(utterance: Utterance, rng: random.Random) -> Utterance:
    """Boundaries between phones move by up to 30 ms, as annotators' do."""
    wav, fs, score = utterance
    phones = list(score.phones)
    for index in range(len(phones) - 1):
        before, after = phones[index : index + 2]
        room = min(0.03, 0.45 * (before.end_sec - before.start_sec),
                   0.45 * (after.end_sec - after.start_sec))  # fmt: skip
        at = before.end_sec + rng.uniform(-room, room)
        phones[index] = dataclasses.replace(before, end_sec=at)
        phones[index + 1] = dataclasses.replace(after, start_sec=at)
    return wav, fs, dataclasses.replace(score, phones=tuple(phones))


def in_turn(*spoils: Spoil) -> Spoil:
    def spoil(utterance: Utterance, rng: random.Random) -> Utterance | None:
        for one in spoils:
            changed = one(utterance, rng)
            if changed is None:
                return None
            utterance = changed
        return utterance

    return spoil


def from_first_consonant(lost: float, mute: bool = False) -> Spoil:
    return lambda utterance, _: at_first_consonant(utterance, mute, lost)


HARMLESS: dict[str, Spoil] = {
    "as it is": lambda utterance, _: utterance,
    "begins at its first consonant": from_first_consonant(0.0),
    "reverberation, 0.5 s": reverberant(0.5),
    "reverberation, 1 s": reverberant(1.0),
    "noise, 40 dB": noisy(40.0),
    "noise, 20 dB": noisy(20.0),
    "label inexact by 30 ms": inexact_label,
    "all of them": in_turn(from_first_consonant(0.0), reverberant(0.5), noisy(30.0), inexact_label),
}
"""What leaves an utterance good: findings in it are false alarms."""

SPOILS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "clipped": (clipped, ("clipped",)),
    "dc": (off_centre, ("dc",)),
    "rest_energy": (voice_in_rest, ("rest_energy",)),
    "silent_note": (muted_note, ("silent_note",)),
    "octave": (octave_off, ("octave",)),
    "melody: 48 kHz said to be 44.1": (wrong_rate, ("melody",)),
    "cut_onset: all cut off": (from_first_consonant(1.0), ("cut_onset",)),
    "cut_onset: 0.7 cut off": (from_first_consonant(0.7), ("cut_onset",)),
    "cut_onset: muted": (from_first_consonant(0.9, True), ("cut_onset",)),
    "cut_onset: all cut off, in a room, noise, inexact label": (
        in_turn(from_first_consonant(1.0), reverberant(0.5), noisy(30.0), inexact_label),
        ("cut_onset",),
    ),
    "label 0.5 s late": (shifted_label, ()),
    "melody: audio of another utterance": (other_song, ("melody",)),
}  # fmt: skip
"""Mistake: how it is made, and the kinds that name it; none: any kind will do."""


def kinds_of(utterance: Utterance) -> set[str]:
    findings = Findings()
    wav, fs, score = utterance
    check_audio(findings, "", np.asarray(wav, np.float32)[:, None], fs, score, LIMITS)
    return {finding.kind for finding in findings.items}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data_dirs", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    rng = random.Random(args.seed)
    utterances: list[Utterance] = []
    for data_dir in args.data_dirs:
        wavs = read_table(data_dir / "wav.scp")
        for utt, score in read_scores(data_dir).items():
            utterances.append((*read_wav(wavs[utt]), score))
    for name, change in HARMLESS.items():
        changed = [c for utterance in utterances if (c := change(utterance, rng)) is not None]
        alarms = [kinds_of(utterance) for utterance in changed]
        by_kind = Counter(kind for kinds in alarms for kind in kinds)
        number = sum(map(bool, alarms))
        print(f"harmless: {name}: false alarms in {number} of {len(changed)}; {dict(by_kind)}")
    for name, (spoil, kinds) in SPOILS.items():
        tried, found, by_kind = 0, 0, Counter()
        for index, utterance in enumerate(utterances):
            spoilt = spoil(utterance, rng)
            if spoil is other_song:
                spoilt = (utterances[index - 1][0], *utterance[1:])
            if spoilt is None:
                continue
            heard = kinds_of(spoilt)
            tried += 1
            found += bool(heard & set(kinds) if kinds else heard)
            by_kind.update(heard)
        print(f"{name}: {found} of {tried} ({found / max(1, tried):.1%}); {dict(by_kind)}")


if __name__ == "__main__":
    main()
