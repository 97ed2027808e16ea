"""What makes a voice itself: vocal tract and glottal source, and how they follow pitch and effort.

All of it is applied to WORLD's spectral envelope and aperiodicity, sung and spoken alike. What
does not move (formants, resonances) is put into a voice's syllables once; what moves with pitch and
loudness (tilt, open quotient, breathiness, register) is put into every frame.
"""

from dataclasses import dataclass

import numpy as np

from espnet2_ext.audio.pitch import hz_to_midi

NEPERS_PER_DB = np.log(10) / 10  # of power
FORMANT_HZ = (500.0, 1500.0, 2500.0, 3500.0, 4500.0)  # F1 to F5 of a neutral vowel
RESONANCE_HZ = (250.0, 600.0, 1100.0, 1800.0, 2700.0, 3700.0, 4900.0, 6300.0, 8000.0)
MODAL_OPEN_QUOTIENT = 0.55
_FIRST_HARMONIC_OCTAVES = 0.4  # how far the open quotient reaches from F0
_ASPIRATION_HZ = (1500.0, 4000.0)  # noise of the glottis rises between these
_REGISTER_SEMITONES = 0.7  # over which one register passes into the other
_EXPONENTS = (0.35, 2.0)  # of aperiodicity, whatever pitch and loudness
_LEAST_APERIODICITY = 1e-3
_TILT_HZ = (1000.0, 8000.0)


@dataclass(frozen=True, slots=True)
class Timbre:
    """A voice against the espeak-ng variant that it is made from.

    Args:
        formants: Factors on the frequencies of F1 to F5, one each.
        resonance_db: Gain at each of `RESONANCE_HZ`: cavities of nose, throat and mouth.
        open_quotient: Share of a period in which the glottis is open, in the chest register.
        tilt_per_db: Steeper tilt (dB per octave above 1 kHz) for each dB that the voice is softer.
        aspiration: Least aperiodicity at high frequencies, 0 to 1.
        breath_per_octave: Change of log breathiness (above 0: clearer) per octave, none an octave
            below `break_midi`.
        breath_per_db: Change of log breathiness per dB of loudness.
        break_midi: Pitch at which the chest register passes into the head register.
        head_open_quotient: Open quotient of the head register.
        head_tilt_db: Its tilt (dB per octave above 1 kHz) against the chest register's.
        jitter_cents: Irregularity of F0, standard deviation.
        shimmer_db: Irregularity of loudness, standard deviation.
    """

    formants: tuple[float, ...] = (1.0,) * len(FORMANT_HZ)
    resonance_db: tuple[float, ...] = (0.0,) * len(RESONANCE_HZ)
    open_quotient: float = MODAL_OPEN_QUOTIENT
    tilt_per_db: float = 0.0
    aspiration: float = 0.0
    breath_per_octave: float = 0.0
    breath_per_db: float = 0.0
    break_midi: float = 127.0
    head_open_quotient: float = MODAL_OPEN_QUOTIENT
    head_tilt_db: float = 0.0
    jitter_cents: float = 0.0
    shimmer_db: float = 0.0

    def warp(self, hz: np.ndarray) -> np.ndarray:
        """Factor by which formants are moved to frequencies `hz`, of its shape."""
        at = np.array(FORMANT_HZ) * self.formants
        return np.exp(np.interp(hz, at, np.log(self.formants)))

    def resonance(self, hz: np.ndarray) -> np.ndarray:
        """Natural log of the power gain of the fixed resonances at `hz`, of its shape."""
        from scipy.interpolate import PchipInterpolator

        octaves = np.log2(np.clip(hz, RESONANCE_HZ[0], RESONANCE_HZ[-1]))
        curve = PchipInterpolator(np.log2(RESONANCE_HZ), self.resonance_db)
        return NEPERS_PER_DB * curve(octaves)

    def register(self, f0_hz: np.ndarray) -> np.ndarray:
        """Share of the head register at each F0 (K,) Hz, 0 to 1."""
        above = hz_to_midi(np.maximum(f0_hz, 1.0)) - self.break_midi
        return 0.5 + 0.5 * np.tanh(above / _REGISTER_SEMITONES)

    def source_gain(self, f0_hz: np.ndarray, effort_db: np.ndarray, hz: np.ndarray) -> np.ndarray:
        """Natural log of the glottal source's power gain (K, bins) against a modal, loud voice.

        The level of the first harmonic over the second grows with the open quotient as Fant
        (1995) gives it; the tilt grows where the voice is soft, and in the head register.

        Args:
            f0_hz: (K,), as if voiced throughout.
            effort_db: Loudness against the take's loudest (K,).
            hz: Frequencies (bins,).
        """
        head = self.register(f0_hz)
        quotient = self.open_quotient + head * (self.head_open_quotient - self.open_quotient)
        first_db = _first_harmonic_db(quotient) - _first_harmonic_db(MODAL_OPEN_QUOTIENT)
        octaves = np.log2(np.maximum(hz, hz[1]))[None] - np.log2(np.maximum(f0_hz, 1.0))[:, None]
        near = np.exp(-0.5 * (octaves / _FIRST_HARMONIC_OCTAVES) ** 2)
        tilt_db = head * self.head_tilt_db + self.tilt_per_db * effort_db
        return NEPERS_PER_DB * (
            first_db[:, None] * near + tilt_db[:, None] * octaves_above_1k(hz)[None]
        )

    def aperiodicity(
        self, ap: np.ndarray, f0_hz: np.ndarray, effort_db: np.ndarray, hz: np.ndarray
    ) -> np.ndarray:
        """Aperiodicity (K, bins) of the voice singing at `f0_hz` (K,) with `effort_db` (K,)."""
        octaves = (hz_to_midi(np.maximum(f0_hz, 1.0)) - self.break_midi) / 12 + 1
        log_exponent = self.breath_per_octave * octaves + self.breath_per_db * effort_db
        exponent = np.clip(np.exp(log_exponent), *_EXPONENTS)
        low, high = _ASPIRATION_HZ
        least = self.aspiration * np.clip((hz - low) / (high - low), 0, 1)
        return np.maximum(with_breathiness(ap, exponent[:, None]), least[None])


def with_breathiness(ap: np.ndarray, exponent: float | np.ndarray) -> np.ndarray:
    """Aperiodicity in [0, 1] to a power: below 1 is breathier, above 1 is clearer."""
    return np.clip(ap, _LEAST_APERIODICITY, 1.0) ** exponent


def octaves_above_1k(hz: np.ndarray) -> np.ndarray:
    """Octaves above 1 kHz, up to 8 kHz: what a tilt multiplies, of the shape of `hz`."""
    return np.log2(np.clip(hz, *_TILT_HZ) / _TILT_HZ[0])


def bin_hz(bins: int, fs: int) -> np.ndarray:
    """Frequencies (bins,) of a spectral envelope at sampling rate `fs`."""
    return np.arange(bins) * fs / 2 / (bins - 1)


def _first_harmonic_db(open_quotient: float | np.ndarray) -> np.ndarray:
    """H1 - H2 (dB) of the glottal flow: Fant (1995), The LF-model revisited."""
    return -6 + 0.27 * np.exp(5.5 * np.asarray(open_quotient))
