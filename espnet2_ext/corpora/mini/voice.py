"""A voice's syllables as WORLD features, cut from espeak-ng's speech.

Every syllable is synthesised once per voice in tone 1, analysed with WORLD at 5 ms, cut at
espeak's own phoneme positions, warped to the voice's formants and levelled. F0 is thrown away:
the performance brings its own. Singers of one espeak-ng variant share its syllables, and each gives
them a timbre of their own.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from espnet2_ext.corpora.mini.consonants import Consonants
from espnet2_ext.corpora.mini.espeak import Espeak, Speech
from espnet2_ext.corpora.mini.stretch import FRAME_SEC, stretch_weights
from espnet2_ext.corpora.mini.timbre import NEPERS_PER_DB, Timbre, bin_hz
from espnet2_ext.files import atomic_path
from espnet2_ext.score.phones import syllable_to_phones

PINYIN_VOICE = "cmn-latn-pinyin"
BREATH_UNIT = "he"  # its initial gives a voice's breath
SYLLABLE_RATE = 115  # words per minute: slow, so that vowels reach their targets
CLOSURE_SEC = 0.045  # silence kept before a stop's burst
LEADING_SILENCE_SEC = 0.03  # espeak leaves this much before a stop, less before other phones
_DECAY_NEPERS = 3.2  # in power; what is softer than this at the end is the decay, cut off
_CODA_DECAY_NEPERS = 1.5  # the same, against the nasal's own level
_EVENNESS = 0.4  # of level differences within a final are evened out
_MAX_LIFT = 4.0  # nepers below the vowel that this reaches
MAX_VOICED_APERIODICITY = 0.9
_NASALS = ("n", "N")
VOICED_INITIALS = ("m", "n", "l", "r", "y", "w")
_FADE_HZ, _FADE_DB_PER_OCTAVE = 12000.0, 12.0  # of drawn voices, in a band that espeak lacks
_BAND_EDGE_HZ = 10000.0  # espeak speaks at 22.05 kHz; above this the envelope is extrapolated
SPECTRUM_FLOOR = 1e-14
# espeak-ng's pinyin voice falls back to English for these: their final is cut from "yong".
SPLICED = {"xiong": ("xi", "yong"), "qiong": ("qi", "yong"), "jiong": ("ji", "yong")}
_REFERENCE_LEVEL = -5.0  # natural log of a vowel's mean power spectrum after levelling


@dataclass(frozen=True)
class Unit:
    """A syllable of a voice.

    Args:
        log_sp: Natural log of WORLD's power spectral envelope (T, bins) float32.
        ap: WORLD's aperiodicity (T, bins) float32 in [0, 1].
        voiced: (T,) bool.
        onset: First frame of the final; 0 where there is no initial.
        weights: Share of a long note's added time for each frame of the final (T - onset,).
        edges: First frame of each of its phones; empty where they are an initial and a final, or a
            final alone.
    """

    log_sp: np.ndarray
    ap: np.ndarray
    voiced: np.ndarray
    onset: int
    weights: np.ndarray
    edges: tuple[int, ...] = ()

    @property
    def initial_sec(self) -> float:
        return self.onset * FRAME_SEC

    @property
    def coda(self) -> int:
        """First frame of the consonants that close it; T where there are none."""
        return next((edge for edge in self.edges if edge > self.onset), len(self.voiced))

    @property
    def consonants(self) -> Consonants:
        """How long each of its consonants lasts."""
        frames = np.diff([*self.edges, len(self.voiced)]) if self.edges else []
        lengths = [float(n) * FRAME_SEC for n in frames]
        nucleus = self.edges.index(self.onset) if self.edges else 0
        return Consonants(tuple(lengths[:nucleus]), tuple(lengths[nucleus + 1 :]))


def say(espeak: Espeak, text: str, voice: str, rate: int, span: int = 50) -> Speech:
    """Speak pinyin; raises `ValueError` where espeak-ng falls back to English."""
    speech = espeak.say(text, voice, rate, span=span)
    if any(name.startswith("(") for _, name in speech.events):
        raise ValueError(f"espeak-ng does not read {text!r} as pinyin")
    return speech


def to_rate(wav: np.ndarray, fs_from: int, fs_to: int) -> np.ndarray:
    """Resample (N,) by a polyphase filter."""
    from scipy.signal import resample_poly

    if fs_from == fs_to:
        return wav
    divisor = int(np.gcd(fs_from, fs_to))
    return resample_poly(wav, fs_to // divisor, fs_from // divisor)


def analyse(
    wav: np.ndarray, fs: int, f0_ceil_hz: float = 450.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """WORLD analysis: f0 (T,) Hz, power envelope (T, bins), aperiodicity (T, bins)."""
    import pyworld

    wav = np.ascontiguousarray(wav, np.float64)
    f0, times = pyworld.dio(wav, fs, f0_floor=60, f0_ceil=f0_ceil_hz, frame_period=FRAME_SEC * 1000)
    f0 = pyworld.stonemask(wav, f0, times, fs)
    sp = pyworld.cheaptrick(wav, f0, times, fs)
    ap = pyworld.d4c(wav, f0, times, fs)
    return f0, sp, ap


def warp_bins(log_sp: np.ndarray, warp: float | np.ndarray, fs: int) -> np.ndarray:
    """Move formants along frequency, (T, bins); fills the band espeak does not have.

    Args:
        log_sp: (T, bins).
        warp: Factor on frequencies: one, or one for each frequency moved to (bins,).
        fs: Sampling rate (Hz).
    """
    bins = log_sp.shape[1]
    edge = min(_BAND_EDGE_HZ / fs * 2, 1.0) * (bins - 1)
    position = np.minimum(np.arange(bins) / warp, edge)
    low = np.minimum(position.astype(int), bins - 2)
    share = (position - low).astype(log_sp.dtype)
    return log_sp[:, low] * (1 - share) + log_sp[:, low + 1] * share


def with_timbre(
    log_sp: np.ndarray, voiced: np.ndarray, warp: float, timbre: Timbre | None, fs: int
) -> np.ndarray:
    """A log power envelope (T, bins) with formants moved by `warp` and by `timbre`, which adds its
    resonances; they colour what hisses, but make it no louder.

    Args:
        log_sp: (T, bins).
        voiced: (T,) bool.
        warp: Factor on frequencies.
        timbre: None for that of the envelope.
        fs: Sampling rate (Hz).
    """
    if timbre is None:
        return warp_bins(log_sp, warp, fs)
    hz = bin_hz(log_sp.shape[1], fs)
    fade_db = _FADE_DB_PER_OCTAVE * np.log2(np.maximum(hz, _FADE_HZ) / _FADE_HZ)
    fixed = timbre.resonance(hz) - NEPERS_PER_DB * fade_db
    moved = warp_bins(log_sp, warp * timbre.warp(hz), fs) + fixed
    louder = np.maximum(log_power(moved) - log_power(log_sp), 0)
    return moved - np.where(voiced, 0, louder)[:, None]


class Voice:
    """The units of one voice, by toneless syllable, and the spectrum of its breath."""

    def __init__(self, units: dict[str, Unit]) -> None:
        self.units = units
        breath = units[BREATH_UNIT]
        self.breath = breath.log_sp[: max(breath.onset - 2, 1)].mean(axis=0)
        self.bins = breath.log_sp.shape[1]

    @classmethod
    def build(
        cls, variant: str, warp: float, syllables: list[str], fs: int, espeak: Espeak
    ) -> "Voice":
        """Synthesise and analyse Mandarin `syllables`.

        Args:
            variant: espeak-ng voice variant.
            warp: Factor on formant frequencies.
            syllables: Without tones.
            fs: Sampling rate (Hz).
            espeak: Fresh, for the same samples every time.
        """
        return cls(mandarin_units(variant, warp, syllables, fs, espeak))

    def of_singer(self, warp: float, timbre: Timbre, fs: int) -> "Voice":
        """The voice of a singer who shares these units: formants moved, resonances added."""
        units = {}
        for name, unit in self.units.items():
            log_sp = with_timbre(unit.log_sp, unit.voiced, warp, timbre, fs)
            units[name] = replace(unit, log_sp=log_sp.astype(np.float32))
        return Voice(units)

    def save(self, path: Path) -> None:
        """Write to npz, atomically."""
        arrays = {}
        for name, unit in self.units.items():
            arrays[f"{name}.log_sp"] = unit.log_sp
            arrays[f"{name}.ap"] = (unit.ap * 255).round().astype(np.uint8)
            arrays[f"{name}.voiced"] = unit.voiced
            arrays[f"{name}.onset"] = np.array(unit.onset)
            arrays[f"{name}.weights"] = unit.weights
            arrays[f"{name}.edges"] = np.array(unit.edges, int)
        with atomic_path(path) as part:
            np.savez(part, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Voice":
        units = {}
        with np.load(path) as arrays:
            for name in dict.fromkeys(key.rpartition(".")[0] for key in arrays.files):
                units[name] = Unit(
                    arrays[f"{name}.log_sp"],
                    arrays[f"{name}.ap"].astype(np.float32) / 255,
                    arrays[f"{name}.voiced"],
                    int(arrays[f"{name}.onset"]),
                    arrays[f"{name}.weights"],
                    tuple(arrays[f"{name}.edges"].tolist()),
                )
        return cls(units)


def mandarin_units(
    variant: str, warp: float, syllables: list[str], fs: int, espeak: Espeak
) -> dict[str, Unit]:
    """Units of Mandarin syllables by name, and that of the breath; arguments as `Voice.build`."""
    wanted = dict.fromkeys([*syllables, BREATH_UNIT])
    return {syllable: _unit(syllable, variant, warp, fs, espeak) for syllable in wanted}


def levelled(log_sp: np.ndarray, onset: int, end: int) -> np.ndarray:
    """A syllable's log envelope (T, bins) at the usual level of what is sung from `onset` to `end`.

    Close vowels, glides and nasals are softer than open vowels; a singer evens that out, in part.
    """
    energy = log_power(log_sp[onset:end])
    loud = np.percentile(energy, 75)
    log_sp = log_sp.copy()
    log_sp[onset:end] += _EVENNESS * np.clip(loud - energy, 0, _MAX_LIFT)[:, None]
    return log_sp + (_REFERENCE_LEVEL - loud)


def log_power(log_sp: np.ndarray) -> np.ndarray:
    """Natural log of the mean power (T,) of a log envelope (T, bins)."""
    return np.log(np.exp(log_sp).mean(axis=1))


def _unit(syllable: str, variant: str, warp: float, fs: int, espeak: Espeak) -> Unit:
    voice = f"{PINYIN_VOICE}+{variant}"
    text = " ".join(f"{part}1" for part in SPLICED.get(syllable, (syllable,)))
    speech = say(espeak, text, voice, SYLLABLE_RATE, span=0)
    named = [(sample, name) for sample, name in speech.events if not name.startswith("_")]
    starts = [sample for sample, _ in named]
    last = [sample for sample, name in speech.events if name.startswith("_|")][-1]
    if syllable in SPLICED:  # x i | y ong: the final starts in the end of y
        initial_end, final_start = starts[1], starts[3] - round(0.05 * speech.fs)
    else:
        has_initial = len(syllable_to_phones(syllable)) == 2
        initial_end = final_start = starts[1] if has_initial else starts[0]
    vowels = [name for _, name in named if name not in _NASALS][-1].lstrip("'")
    coda_start = starts[-1] if named[-1][1] in _NASALS else None

    f0, sp, ap = analyse(to_rate(speech.wav, speech.fs, fs), fs)

    def frame(sample: int) -> int:
        return round(sample / speech.fs / FRAME_SEC)

    first = frame(starts[0])
    if starts[0] / speech.fs > LEADING_SILENCE_SEC:
        first = max(first - round(CLOSURE_SEC / FRAME_SEC), 0)
    skipped = frame(final_start) - frame(initial_end)
    keep = np.r_[first : frame(initial_end), frame(final_start) : min(frame(last), len(f0))]
    onset = frame(initial_end) - first
    log_sp = np.log(sp[keep] + SPECTRUM_FLOOR)
    voiced = _voicing(f0[keep] > 0, onset, syllable)
    ap = np.where(voiced[:, None], np.minimum(ap[keep], MAX_VOICED_APERIODICITY), 1.0)

    end = len(log_sp)
    coda = end if coda_start is None else frame(coda_start) - first - skipped
    energy = log_power(log_sp)
    closing = energy[coda:] if coda < end else energy[onset:]
    decay = _CODA_DECAY_NEPERS if coda < end else _DECAY_NEPERS
    end -= len(closing) - 1 - int(np.flatnonzero(closing > closing.max() - decay)[-1])
    coda = min(coda, end)
    log_sp = warp_bins(levelled(log_sp[:end], onset, end), warp, fs)
    return Unit(
        log_sp.astype(np.float32),
        ap[:end].astype(np.float32),
        voiced[:end],
        onset,
        stretch_weights(log_sp[onset:], vowels, coda - onset),
    )


def _voicing(raw: np.ndarray, onset: int, syllable: str) -> np.ndarray:
    """Finals are voiced throughout; voiced initials too; others are not until the onset."""
    voiced = np.ones(len(raw), bool)
    phones = syllable_to_phones(syllable)
    if len(phones) == 2 and phones[0] not in VOICED_INITIALS:
        # WORLD hears the voice a few frames after a burst: believe it within 30 ms.
        late = np.flatnonzero(raw[onset : onset + 6])
        voiced[: onset + (int(late[0]) if len(late) else 0)] = False
    return voiced
