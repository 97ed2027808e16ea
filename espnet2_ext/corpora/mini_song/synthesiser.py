"""The toolkit's own instruments: additive and wavetable tones, plucked strings, shaped noise.

A note is made once for each pitch and strength, as long as it may be held, and cut where it ends.
Plucked strings are those of Karplus and Strong (1983, Digital Synthesis of Plucked-String and Drum
Timbres); the piano's partials are stretched as those of stiff strings (Fletcher 1964).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.corpora.mini_song.playing import DRUMS, PlayedNote

LONGEST_SEC = 5.0
_STRENGTHS = 4  # a note's velocity is rounded to so many
_RELEASE_SEC = {"piano": 0.12, "guitar": 0.1, "electric guitar": 0.06, "strings": 0.25,
                "synthesizer": 0.1, "bass": 0.05}  # fmt: skip
_GAIN = {"piano": 1.0, "guitar": 0.9, "electric guitar": 0.55, "strings": 0.5, "synthesizer": 0.42,
         "bass": 1.3, "kick": 1.5, "snare": 0.8, "clap": 0.6, "hat": 0.3, "pedal": 0.35,
         "shaker": 0.3, "ride": 0.35}  # fmt: skip
_DECLICK_SEC = 0.003
_EXPONENT = 1.2  # of loudness in velocity
_TABLE = 2048


class Synthesiser:
    """A `playing.Band` whose instruments are all computed.

    Args:
        fs: Sampling rate (Hz).
    """

    def __init__(self, fs: int) -> None:
        self._fs = fs

    def play(self, notes: Sequence[PlayedNote], seconds: float) -> np.ndarray:
        """The sound of notes (N,) float64, `seconds` long; what rings longer is faded out."""
        fs = self._fs
        wav = np.zeros(round(seconds * fs))
        for note in notes:
            start = round(note.start_sec * fs)
            strength = max(1, round(note.velocity * _STRENGTHS))
            if note.instrument in DRUMS:
                tone = _drum(note.instrument, fs)
            else:
                tone = _tone(note.instrument, note.midi, strength, fs)
                tone = _held(tone, note.seconds, _RELEASE_SEC[note.instrument], fs)
            tone = tone[: max(0, len(wav) - start)]
            wav[start : start + len(tone)] += (
                _GAIN[note.instrument] * note.velocity**_EXPONENT * tone
            )
        fade = min(len(wav), round(0.05 * fs))
        wav[len(wav) - fade :] *= np.linspace(1, 0, fade)
        return wav


def _held(tone: np.ndarray, seconds: float, release_sec: float, fs: int) -> np.ndarray:
    """The beginning of a tone (N,), released after `seconds`."""
    end, release = round(seconds * fs), round(release_sec * fs)
    tone = tone[: end + release]
    falling = max(0, len(tone) - end)
    if not falling:
        return tone
    return np.concatenate([tone[:end], tone[end:] * np.linspace(1, 0, falling) ** 2])


@lru_cache(maxsize=600)
def _tone(instrument: str, midi: int, strength: int, fs: int) -> np.ndarray:
    """A note (N,) float32 of `LONGEST_SEC`, of level about 0.1 (RMS of its first half second)."""
    rng = np.random.default_rng(midi)  # the same string, however hard it is plucked
    tone = _MAKERS[instrument](float(midi_to_hz(midi)), strength / _STRENGTHS, fs, rng)
    rise = round(_DECLICK_SEC * fs)
    tone[:rise] *= np.linspace(0, 1, rise)
    head = tone[: fs // 2]
    return (0.1 * tone / np.sqrt(np.mean(head**2))).astype(np.float32)


def _times(fs: int) -> np.ndarray:
    return np.arange(round(LONGEST_SEC * fs)) / fs


def _piano(hz: float, strength: float, fs: int, rng: np.random.Generator) -> np.ndarray:
    times = _times(fs)
    stiffness = 7e-5 * (hz / 131) ** 1.3
    number = np.arange(1, 33)
    partials = number * hz * np.sqrt(1 + stiffness * number**2)
    number, partials = number[partials < 0.45 * fs], partials[partials < 0.45 * fs]
    # A harder hammer excites more of the upper partials.
    level = number ** -(1.9 - 1.1 * strength) * np.abs(np.sin(np.pi * number / 8.3)) ** 0.5
    tone = np.zeros(len(times))
    for partial, amplitude, phase in zip(
        partials, level, rng.uniform(0, 2 * np.pi, len(partials)), strict=True
    ):
        slow = 0.35 + 0.0009 * partial
        fall = 0.7 * np.exp(-3.5 * slow * times) + 0.3 * np.exp(-slow * times)
        tone += amplitude * fall * np.sin(2 * np.pi * partial * times + phase)
    knock = rng.normal(size=len(times)) * np.exp(-times / 0.008)
    return tone + 0.08 * strength * knock


def _plucked(
    hz: float, fs: int, rng: np.random.Generator, brightness: float, ring: float
) -> np.ndarray:
    """A string that rings for about `ring` seconds at low pitches, plucked with noise."""
    from scipy.signal import lfilter

    delay = fs / hz - 0.5  # the averaging of two samples delays by half of one
    whole = int(delay)
    share = delay - whole
    length = round(LONGEST_SEC * fs)
    pluck = np.zeros(length)
    burst = lfilter([brightness], [1, brightness - 1], rng.uniform(-1, 1, whole + 1))
    comb = burst - 0.6 * np.roll(burst, max(1, whole // 5))  # plucked at a fifth of the string
    pluck[: whole + 1] = comb - comb.mean()
    loss = 10 ** (-3 * whole / fs / ring)
    # The fractional delay and the average of two samples, in one.
    taps = loss * 0.5 * np.convolve([1 - share, share], [1, 1])
    feedback = np.concatenate([[1.0], np.zeros(whole - 1), -taps])
    return lfilter([1.0], feedback, pluck)


def _guitar(hz: float, strength: float, fs: int, rng: np.random.Generator) -> np.ndarray:
    return _plucked(hz, fs, rng, 0.25 + 0.6 * strength, ring=3.5)


def _electric_guitar(hz: float, strength: float, fs: int, rng: np.random.Generator) -> np.ndarray:
    string = _plucked(hz, fs, rng, 0.4 + 0.4 * strength, ring=8.0)
    string /= np.abs(string).max()
    driven = np.tanh((6 + 8 * strength) * string)
    return _lowpassed(driven - driven.mean(), 2000 + 3000 * strength, fs)


def _bass(hz: float, strength: float, fs: int, rng: np.random.Generator) -> np.ndarray:
    string = _plucked(hz, fs, rng, 0.15 + 0.35 * strength, ring=3.0)
    return _lowpassed(string, 400 + 700 * strength, fs)


def _strings(hz: float, strength: float, fs: int, rng: np.random.Generator) -> np.ndarray:
    times = _times(fs)
    tone = np.zeros(len(times))
    for _ in range(4):  # players, none quite in tune
        cents = rng.normal(0, 6) + rng.uniform(8, 16) * np.sin(
            2 * np.pi * rng.uniform(5, 6.2) * times + rng.uniform(0, 6)
        )
        turns = np.cumsum(hz * 2 ** (cents / 1200)) / fs + rng.uniform()
        tone += _wavetable(hz, 1.5 - 0.5 * strength, fs)[(turns % 1 * _TABLE).astype(int)]
    return tone * np.clip(times / (0.16 - 0.1 * strength), 0, 1)


def _synthesizer(hz: float, strength: float, fs: int, rng: np.random.Generator) -> np.ndarray:
    times = _times(fs)
    turns = [hz * 2 ** (cents / 1200) * times + rng.uniform() for cents in (-7, 0, 7)]
    bright = 0.15 + 0.85 * strength * np.exp(-times / 0.25)  # a filter that closes
    tone = np.zeros(len(times))
    for turn in turns:
        index = (turn % 1 * _TABLE).astype(int)
        tone += bright * _wavetable(hz, 0.9, fs)[index]
        tone += (1 - bright) * _wavetable(hz, 2.2, fs)[index]
    return tone * (0.35 + 0.65 * np.exp(-times / 0.6))


@lru_cache(maxsize=256)
def _wavetable(hz: float, slope: float, fs: int) -> np.ndarray:
    """A period (`_TABLE`,) of a sound whose harmonics fall by `slope`, up to half the rate."""
    number = np.arange(1, max(2, int(0.4 * fs / hz)))
    phase = 2 * np.pi * np.arange(_TABLE) / _TABLE
    return (number**-slope) @ np.sin(number[:, None] * phase)


def _lowpassed(wav: np.ndarray, hz: float, fs: int) -> np.ndarray:
    from scipy.signal import butter, sosfilt

    return sosfilt(butter(2, hz, fs=fs, output="sos"), wav)


_MAKERS: dict[str, Callable[[float, float, int, np.random.Generator], np.ndarray]] = {
    "piano": _piano,
    "guitar": _guitar,
    "electric guitar": _electric_guitar,
    "strings": _strings,
    "synthesizer": _synthesizer,
    "bass": _bass,
}


@lru_cache(maxsize=32)
def _drum(name: str, fs: int) -> np.ndarray:
    """A drum's stroke (N,) float32, of peak 0.5."""
    rng = np.random.default_rng([len(name), DRUMS[name]])
    times = np.arange(round((0.8 if name == "ride" else 0.4) * fs)) / fs
    noise = rng.normal(size=len(times))
    if name == "kick":
        turns = np.cumsum(48 + 110 * np.exp(-times / 0.03)) / fs
        stroke = np.sin(2 * np.pi * turns) * np.exp(-times / 0.11)
    elif name == "snare":
        body = np.sin(2 * np.pi * 185 * times) * np.exp(-times / 0.06)
        stroke = body + 0.7 * _band(noise, 1200, 7500, fs) * np.exp(-times / 0.09)
    elif name == "clap":
        bursts = sum(np.exp(-np.abs(times - at) / 0.004) for at in (0.004, 0.015, 0.026))
        tail = 0.6 * np.exp(-times / 0.07)
        stroke = _band(noise, 900, 5000, fs) * (bursts + tail)
    elif name == "shaker":
        envelope = np.clip(times / 0.03, 0, 1) * np.exp(-times / 0.04)
        stroke = _band(noise, 4000, 9000, fs) * envelope
    else:  # cymbals: noise with some metallic partials
        ring = {"hat": 0.035, "pedal": 0.07, "ride": 0.3}[name]
        metal = sum(np.sin(2 * np.pi * hz * times) for hz in (3267, 4123, 5209, 6311, 7417))
        stroke = (_band(noise, 5000, 10500, fs) + 0.12 * metal) * np.exp(-times / ring)
    rise = round(0.001 * fs)
    stroke[:rise] *= np.linspace(0, 1, rise)
    fall = round(0.02 * fs)
    stroke[-fall:] *= np.linspace(1, 0, fall)
    return (0.5 * stroke / np.abs(stroke).max()).astype(np.float32)


def _band(noise: np.ndarray, low_hz: float, high_hz: float, fs: int) -> np.ndarray:
    from scipy.signal import butter, sosfilt

    high_hz = min(high_hz, 0.45 * fs)
    return sosfilt(butter(2, (min(low_hz, 0.4 * fs), high_hz), "band", fs=fs, output="sos"), noise)
