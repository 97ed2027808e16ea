"""Many singers: voices and habits drawn by a seed, until no two are near each other.

How near two singers are is told without any audio: by the spectra of three vowels of a neutral
vocal tract with each singer's timbre, and by where the singer's range lies.
"""

from collections.abc import Sequence

import numpy as np

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.corpora.mini.singers import Habits, Singer
from espnet2_ext.corpora.mini.timbre import (
    FORMANT_HZ,
    NEPERS_PER_DB,
    RESONANCE_HZ,
    Timbre,
    octaves_above_1k,
)

MIN_DISTANCE_DB = 5.0  # between any two singers, as `distance` measures
SPEAKING_HZ = (205, 112)  # usual, of women and men
_SAME_VARIANT = 1.4  # so many times farther apart must singers of one espeak-ng variant be
_TRIES = 400  # for one singer; after them the farthest of all tries is taken
_FEMALE_VARIANTS = ("f2", "f1", "Annie", "f4", "aunty", "f3", "Alicia", "f5", "linda", "steph")
_MALE_VARIANTS = ("m3", "m1", "Michael", "m7", "m4", "Alex", "m5", "m6", "Gene", "ed")
_FEMALE_SCALE = 1.12  # formants of the female variants against the male ones, about
_VOWELS = {  # formants (Hz) of a male neutral voice: a, i, u
    "a": (750.0, 1250.0, 2550.0, 3500.0, 4500.0),
    "i": (300.0, 2250.0, 3000.0, 3600.0, 4500.0),
    "u": (330.0, 750.0, 2350.0, 3400.0, 4500.0),
}
_BANDWIDTH_HZ = 80.0
_MEL_BANDS = 24
_BAND_HZ = (100.0, 9000.0)
_FUNDAMENTAL_HZ = 2000.0  # resonances below are less: else one harmonic drowns the others
_DB_PER_SEMITONE = 0.6  # what the middle of a range adds to a distance


def draw_cast(n_singers: int, seed: int = 0) -> tuple[Singer, ...]:
    """Draw `n_singers`, women and men by turns, no two nearer than `MIN_DISTANCE_DB`, nor two of
    one espeak-ng variant nearer than `_SAME_VARIANT` times that.

    Any of them are like any others: whichever are held out of training are singers of the same
    kind. Where there is no room left, the singer farthest from all others is taken.
    """
    rng = np.random.default_rng([seed, 88])
    singers: list[Singer] = []
    described: list[tuple[str, np.ndarray]] = []
    for index in range(n_singers):
        best: tuple[float, Singer, np.ndarray] | None = None
        for _ in range(_TRIES):
            singer = _draw_singer(index, rng)
            point = describe(singer)
            nearest = min(
                (
                    distance(point, other) / (_SAME_VARIANT if of == singer.variant else 1)
                    for of, other in described
                ),
                default=np.inf,
            )
            if best is None or nearest > best[0]:
                best = nearest, singer, point
            if nearest >= MIN_DISTANCE_DB:
                break
        singers.append(best[1])
        described.append((best[1].variant, best[2]))
    return tuple(singers)


def describe(singer: Singer) -> np.ndarray:
    """Where a singer stands among others: a vector (n,) in dB.

    Mel-scaled spectra of three vowels at the middle of the singer's range, each without its mean,
    and the middle of the range.
    """
    middle = (singer.low_midi + singer.high_midi) / 2
    bands = 700 * (np.exp(np.linspace(*np.log1p(np.array(_BAND_HZ) / 700), _MEL_BANDS)) - 1)
    hz = np.concatenate([[0.0], bands])
    timbre = singer.timbre or Timbre()
    source = timbre.source_gain(np.array([midi_to_hz(middle)]), np.zeros(1), hz)[0]
    fixed = timbre.resonance(hz) + source + NEPERS_PER_DB * singer.tilt_db * octaves_above_1k(hz)
    scale = singer.warp * (_FEMALE_SCALE if singer.is_female else 1.0)
    tract = hz / (scale * timbre.warp(hz))
    spectra = []
    for formants in _VOWELS.values():
        db = (fixed + _resonator(tract, formants))[1:] / NEPERS_PER_DB
        spectra.append(db - db.mean())
    level = _DB_PER_SEMITONE * middle * np.sqrt(len(_VOWELS) * _MEL_BANDS)
    return np.append(np.concatenate(spectra), level)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Distance (dB) of two descriptions: root mean square over the bands of the vowels."""
    return float(np.linalg.norm(one - other) / np.sqrt(len(_VOWELS) * _MEL_BANDS))


def _resonator(hz: np.ndarray, formants: Sequence[float]) -> np.ndarray:
    """Natural log of the power response of a cascade of formants."""
    f = np.asarray(formants)[:, None]
    response = ((f**2 - hz**2) ** 2 + (_BANDWIDTH_HZ * hz) ** 2) / f**4
    return -np.log(response).sum(axis=0)


def _draw_singer(index: int, rng: np.random.Generator) -> Singer:
    female = index % 2 == 0
    variants = _FEMALE_VARIANTS if female else _MALE_VARIANTS
    size = float(np.clip(rng.normal(), -2, 2))  # large bodies have long tracts and low voices
    low = round((56.5 if female else 45.5) - 1.6 * size + rng.normal(0, 1.2))
    low = int(np.clip(low, 53 if female else 41, 60 if female else 50))
    speaking = SPEAKING_HZ[0 if female else 1] * np.exp(-0.06 * size + rng.normal(0, 0.06))
    return Singer(
        name=f"singer{index + 1:02d}",
        variant=variants[index // 2 % len(variants)],
        warp=_rounded(np.exp(-0.055 * size + rng.normal(0, 0.03))),
        low_midi=low,
        high_midi=min(low + int(rng.integers(14, 19)), 77),
        vibrato_hz=_rounded(rng.uniform(4.6, 6.8)),
        vibrato_cents=_rounded(rng.uniform(30, 110)),
        tilt_db=_rounded(rng.uniform(-3.5, 1.0) + (0.0 if female else 0.5)),
        breathiness=_rounded(np.exp(rng.uniform(-0.6, 0.45))),
        speaking_hz=_rounded(speaking),
        habits=_draw_habits(rng),
        timbre=_draw_timbre(low, rng),
    )


def _draw_timbre(low_midi: int, rng: np.random.Generator) -> Timbre:
    formants = np.exp(np.clip(rng.normal(0, 0.055, len(FORMANT_HZ)), -0.11, 0.11))
    resonance = np.clip(rng.normal(0, 4.5, len(RESONANCE_HZ)), -8, 8)
    resonance *= np.where(np.array(RESONANCE_HZ) < _FUNDAMENTAL_HZ, 0.4, 1.0)
    quotient = rng.uniform(0.5, 0.76)
    return Timbre(
        formants=tuple(map(_rounded, formants)),
        resonance_db=tuple(map(_rounded, resonance - resonance.mean())),
        open_quotient=_rounded(quotient),
        tilt_per_db=_rounded(rng.uniform(0.05, 0.3)),
        aspiration=_rounded(max(0.0, rng.uniform(-0.15, 0.45))),
        breath_per_octave=_rounded(rng.uniform(-0.4, 0.25)),
        breath_per_db=_rounded(rng.uniform(0.0, 0.05)),
        break_midi=_rounded(low_midi + rng.uniform(8, 18)),
        head_open_quotient=_rounded(min(0.8, quotient + rng.uniform(0.05, 0.2))),
        head_tilt_db=_rounded(-rng.uniform(0.3, 2.5)),
        jitter_cents=_rounded(rng.uniform(2, 9)),
        shimmer_db=_rounded(rng.uniform(0.1, 0.5)),
    )


def _draw_habits(rng: np.random.Generator) -> Habits:
    """Rates and sizes of what a singer does; docs/mini_singing.md states their ranges."""

    def share(most: float) -> float:
        return _rounded(most * rng.beta(1.2, 1.8))

    scoop = rng.uniform(0.8, 1.8)
    fall = rng.uniform(1.2, 3.0)
    arc = rng.uniform(1.0, 5.0)
    peak = rng.uniform(0.25, 0.6)
    return Habits(
        initial_rate=_rounded(rng.uniform(0.65, 1.1)),
        timing_sec=_rounded(rng.uniform(0.010, 0.022)),
        tuning_cents=_rounded(rng.uniform(7, 17)),
        drift_cents=_rounded(rng.uniform(6, 16)),
        glide_sec=_rounded(rng.uniform(0.07, 0.2)),
        overshoot=_rounded(rng.uniform(0.04, 0.3)),
        preparation=_rounded(rng.uniform(0.0, 0.2)),
        scoop_rate=_rounded(rng.uniform(0.15, 0.8)),
        note_scoop_rate=share(0.8),
        scoop_semitones=(_rounded(0.5 * scoop), _rounded(1.6 * scoop)),
        scoop_sec=_rounded(rng.uniform(0.025, 0.06)),
        fall_rate=share(0.8),
        fall_semitones=(_rounded(0.5 * fall), _rounded(1.8 * fall)),
        vibrato_delay_sec=_rounded(rng.uniform(0.06, 0.32)),
        vibrato_rise_sec=_rounded(rng.uniform(0.08, 0.3)),
        max_vibrato_cents=130.0,
        creak_rate=share(0.5),
        release_rate=share(0.6),
        aspirate_rate=share(0.5),
        glottal_rate=share(0.4),
        arc_db=(_rounded(arc), _rounded(arc + 4)),
        arc_peak=(_rounded(peak), _rounded(peak + 0.25)),
        accent_db=_rounded(rng.uniform(0.5, 1.6)),
        speaking_rate=_rounded(rng.uniform(0.85, 1.2)),
        speaking_span=int(rng.integers(25, 76)),
    )


def _rounded(value: float) -> float:
    return round(float(value), 3)
