"""A voicebank's morae as a voice's units, and the singer who sings them.

Each sample is analysed with WORLD, like espeak-ng's syllables; its own F0 is thrown away, and tells
only where the singer's range is.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from espnet2_ext.audio.channels import mix
from espnet2_ext.audio.pitch import hz_to_midi, midi_to_hz
from espnet2_ext.audio.wav import read_channels
from espnet2_ext.corpora.mini.singers import Habits, Singer
from espnet2_ext.corpora.mini.stretch import FRAME_SEC, stretch_weights
from espnet2_ext.corpora.mini.voice import (
    BREATH_UNIT,
    MAX_VOICED_APERIODICITY,
    SPECTRUM_FLOOR,
    Unit,
    analyse,
    levelled,
    log_power,
    to_rate,
)
from espnet2_ext.corpora.mini.voicebank import Sample, Voicebank
from espnet2_ext.errors import UserError

BANK_VARIANT = "voicebank"
_F0_CEIL_HZ = 1000.0
_MARGIN_SEC = 0.03  # before a sample, so that its first frames are analysed within sound
_MAX_LEAD_SEC = 0.3  # of a consonant
_USUAL_LEAD_SEC = 0.1  # of one after a vowel whose end is not said
_STEADY_SEC = 0.4  # kept of a vowel after what is never stretched
_LEAST_SEC = 0.1  # of a vowel that is stretched
_FIXED_WEIGHT = 0.05  # of frames that UTAU never stretches
_VOICED_SHARE = 0.3  # of a vowel's frames that must have pitch
_BREATH_NEPERS = -10.0  # mean log power of a breath, about that of espeak-ng's /h/
_BREATH_SLOPE = 3.0  # nepers that a made breath's spectrum falls over its band
_RANGE_SEMITONES = (-6, 9)  # around the pitch that the bank was recorded at
_PROBES = 12
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]+|^[-_]+")
_MAX_NAME = 40
_LOWEST_MIDI, _HIGHEST_MIDI = 36, 84
_VOICELESS = ("k", "ky", "kw", "s", "sh", "t", "ty", "ch", "ts", "h", "hy", "p", "py", "f")
_STOPS = ("b", "by", "d", "dy", "g", "gw", "gy", "z", "j")  # voiced as far as WORLD hears it


def bank_singer(bank: Voicebank, like: Singer | None) -> Singer:
    """The singer whose voice the bank is.

    Args:
        bank: Its recordings' pitch is the middle of the singer's range.
        like: Whose habits the singer has; None: those of the small cast.

    Raises:
        UserError: the bank's vowels have no pitch.
    """
    middle = _recorded_midi(bank)
    low, high = (
        int(np.clip(round(middle) + semitones, _LOWEST_MIDI, _HIGHEST_MIDI))
        for semitones in _RANGE_SEMITONES
    )
    return Singer(
        name=_NOT_IN_AN_ID.sub("", bank.name)[:_MAX_NAME] or BANK_VARIANT,
        variant=BANK_VARIANT,
        warp=1.0,
        low_midi=low,
        high_midi=high,
        vibrato_hz=like.vibrato_hz if like else 5.5,
        vibrato_cents=like.vibrato_cents if like else 30.0,
        tilt_db=0.0,
        breathiness=1.0,
        speaking_hz=round(float(midi_to_hz(middle)), 1),
        habits=like.habits if like else Habits(),
    )


def _recorded_midi(bank: Voicebank) -> float:
    names = sorted(bank.samples)
    chosen = names[:: max(1, len(names) // _PROBES)]
    pitches = []
    for name in chosen:
        sample = bank.samples[name]
        wav, fs = _heard(sample)
        f0, _, _ = analyse(wav, fs, _F0_CEIL_HZ)
        if (f0 > 0).any():
            pitches.append(hz_to_midi(np.median(f0[f0 > 0])))
    if not pitches:
        raise UserError(bank.root, "no pitch in its recordings", "a sung voicebank")
    return float(np.median(pitches))


def _heard(sample: Sample) -> tuple[np.ndarray, int]:
    """The samples (N,) of a stretch, from `_MARGIN_SEC` before it, and their rate (Hz).

    Raises:
        UserError: naming the line of ``oto.ini``, where the recording cannot be used.
    """
    steady = max(sample.consonant_sec, sample.preutterance_sec) + _STEADY_SEC
    end = min(sample.end_sec, sample.start_sec + steady)
    try:
        wav, fs = read_channels(sample.path, max(0.0, sample.start_sec - _MARGIN_SEC), end)
        mono, _ = mix(wav, fs, sample.path)
    except UserError as error:
        found = f"{error.place}: {error.found}"
        raise UserError(sample.place, found, error.expected, "audio") from None
    return mono.astype(np.float64), fs


def bank_units(bank: Voicebank, names: Sequence[str], fs: int) -> dict[str, Unit]:
    """Units of a bank by name, and that of the breath.

    Args:
        bank: As it was read.
        names: Of `bank.samples`.
        fs: Sampling rate (Hz) of the corpus.

    Raises:
        UserError: naming the line of ``oto.ini`` whose sample cannot be sung.
    """
    units = {name: _unit(bank.samples[name], fs) for name in names}
    return units | {BREATH_UNIT: _breath(bank, units, fs)}


def _unit(sample: Sample, fs: int) -> Unit:
    f0, log_sp, ap = _analysed(sample, fs)
    onset, fixed = (
        _frame(sample, seconds) for seconds in (sample.preutterance_sec, sample.consonant_sec)
    )
    first = onset
    if len(sample.phones) > 1:
        first = max(_frame(sample, 0), onset - round(_MAX_LEAD_SEC / FRAME_SEC))
        if sample.after_vowel:
            lead = sample.preutterance_sec - sample.overlap_sec
            if not 0 < lead <= _MAX_LEAD_SEC:
                lead = _USUAL_LEAD_SEC
            first = max(first, onset - round(lead / FRAME_SEC))
        first = max(0, min(first, onset - 2))
    least = round(_LEAST_SEC / FRAME_SEC) // 2
    vowel = f0[onset:] > 0
    if len(vowel) < least or vowel.mean() < _VOICED_SHARE:
        found = "a vowel without pitch" if len(vowel) >= least else "a vowel that is too short"
        raise UserError(sample.place, f"{found} in {sample.path.name}", "a sung sample")
    log_sp, ap, raw = log_sp[first:], ap[first:], f0[first:] > 0
    onset, fixed = onset - first, fixed - first
    voiced = np.ones(len(raw), bool)
    if sample.phones[0] in _VOICELESS:
        voiced[:onset] = False
    elif sample.phones[0] in _STOPS:
        voiced[:onset] = raw[:onset]
    weights = stretch_weights(log_sp[onset:], "", len(log_sp) - onset)
    fixed = min(fixed, len(log_sp) - least)
    if fixed > onset:
        weights[: fixed - onset] *= _FIXED_WEIGHT
        weights /= weights.sum()
    return Unit(
        levelled(log_sp, onset, len(log_sp)).astype(np.float32),
        np.where(voiced[:, None], np.minimum(ap, MAX_VOICED_APERIODICITY), 1.0).astype(np.float32),
        voiced,
        onset,
        weights,
    )


def _analysed(sample: Sample, fs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """F0 (T,), log envelope (T, bins) and aperiodicity (T, bins) of a stretch at `fs`."""
    wav, rate = _heard(sample)
    f0, sp, ap = analyse(to_rate(wav, rate, fs), fs, _F0_CEIL_HZ)
    return f0, np.log(sp + SPECTRUM_FLOOR), ap


def _frame(sample: Sample, seconds: float) -> int:
    """The frame of a time (s) after the start of a stretch."""
    return round((min(_MARGIN_SEC, sample.start_sec) + seconds) / FRAME_SEC)


def _breath(bank: Voicebank, units: dict[str, Unit], fs: int) -> Unit:
    """A unit whose initial is a breath: the bank's own, its /h/, or its vowels as noise."""
    hissing = [
        unit for name, unit in units.items() if bank.samples[name].phones[0] == "h" and unit.onset
    ]
    usual = next(iter(units.values()))
    if bank.breath is not None:
        spectrum = _analysed(bank.breath, fs)[1].mean(axis=0)
    elif hissing:
        spectrum = hissing[0].log_sp[: hissing[0].onset].mean(axis=0)
    else:
        spectrum = np.mean([unit.log_sp[unit.onset :].mean(axis=0) for unit in units.values()], 0)
        spectrum = spectrum - np.linspace(0, _BREATH_SLOPE, len(spectrum))
    spectrum = spectrum + (_BREATH_NEPERS - log_power(spectrum[None])[0])
    log_sp = np.tile(spectrum.astype(np.float32), (len(usual.voiced), 1))
    return replace(usual, log_sp=log_sp, onset=len(log_sp))
