"""A manner of speaking: what is done to a voice's pitch, loudness, colour and pace."""

from dataclasses import dataclass

import numpy as np

from espnet2_ext.corpora.mini.stretch import FRAME_SEC
from espnet2_ext.corpora.mini.timbre import NEPERS_PER_DB, octaves_above_1k, with_breathiness

TREMOR_HZ = 4.5
_RISE_SHARE = 1 / 3  # of an utterance, at its end, that a rise takes
_WHISPER_HZ, _WHISPER_DB = (300.0, 2500.0), (-26.0, -8.0)  # against the voice, rising between


@dataclass(frozen=True, slots=True)
class Manner:
    """How something is said; the defaults change nothing.

    Args:
        rate: Factor on the pace of syllables.
        pitch: Semitones that the voice is higher.
        span: Factor on how far pitch moves around its median.
        slope: Semitones that pitch rises from beginning to end.
        rise: Semitones that pitch rises over the last third.
        gain_db: Loudness.
        tilt_db: Spectral tilt of voiced sound (dB per octave above 1 kHz).
        jitter_cents: Irregularity of pitch, standard deviation.
        tremor_cents: Depth of a slow tremor of pitch.
        breathiness: Exponent on aperiodicity: below 1 is breathier.
        pause_sec: Silence after every few words.
        whispered: Whether there is no voice at all.
    """

    rate: float = 1.0
    pitch: float = 0.0
    span: float = 1.0
    slope: float = 0.0
    rise: float = 0.0
    gain_db: float = 0.0
    tilt_db: float = 0.0
    jitter_cents: float = 0.0
    tremor_cents: float = 0.0
    breathiness: float = 1.0
    pause_sec: float = 0.0
    whispered: bool = False

    def __add__(self, other: "Manner") -> "Manner":
        """Both together: factors multiply, amounts add up, the longer pause holds."""
        return Manner(
            rate=self.rate * other.rate,
            pitch=self.pitch + other.pitch,
            span=self.span * other.span,
            slope=self.slope + other.slope,
            rise=self.rise + other.rise,
            gain_db=self.gain_db + other.gain_db,
            tilt_db=self.tilt_db + other.tilt_db,
            jitter_cents=self.jitter_cents + other.jitter_cents,
            tremor_cents=self.tremor_cents + other.tremor_cents,
            breathiness=self.breathiness * other.breathiness,
            pause_sec=max(self.pause_sec, other.pause_sec),
            whispered=self.whispered or other.whispered,
        )

    def pitched(self, f0: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """F0 (T,) Hz, 0 where unvoiced, in this manner; a whisper is yet to lose its pitch."""
        voiced = f0 > 0
        middle = np.median(f0[voiced])
        share = np.linspace(0, 1, len(f0))
        late = np.clip((share - 1) / _RISE_SHARE + 1, 0, 1)
        octaves = self.span * np.log2(np.where(voiced, f0, middle) / middle)
        octaves += (self.pitch + self.slope * (share - 0.5) + self.rise * late**2) / 12
        tremor = np.sin(2 * np.pi * TREMOR_HZ * FRAME_SEC * np.arange(len(f0)))
        cents = self.jitter_cents * rng.normal(size=len(f0)) + self.tremor_cents * tremor
        return np.where(voiced, middle * 2 ** (octaves + cents / 1200), 0.0)

    def coloured(self, log_sp: np.ndarray, voiced: np.ndarray, hz: np.ndarray) -> np.ndarray:
        """A log power envelope (T, bins) in this manner.

        Args:
            log_sp: (T, bins).
            voiced: (T,) bool.
            hz: Frequencies (bins,).
        """
        tilt = NEPERS_PER_DB * self.tilt_db * octaves_above_1k(hz)
        if not self.whispered:
            return log_sp + tilt * voiced[:, None]
        quiet = NEPERS_PER_DB * np.interp(
            np.log2(np.maximum(hz, 1)), np.log2(_WHISPER_HZ), _WHISPER_DB
        )
        return log_sp + quiet * voiced[:, None]

    def breathed(self, ap: np.ndarray) -> np.ndarray:
        """Aperiodicity (T, bins) in this manner."""
        return np.ones_like(ap) if self.whispered else with_breathiness(ap, self.breathiness)


PLAIN = Manner()
