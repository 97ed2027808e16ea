"""The singers of the embedded corpus: espeak-ng voice variants, warped and trained to sing."""

from dataclasses import dataclass

import numpy as np

from espnet2_ext.corpora.mini.timbre import Timbre


@dataclass(frozen=True, slots=True)
class Habits:
    """How a singer sings. The defaults are those of all singers of the small cast.

    Args:
        initial_rate: Length of sung initials against espeak-ng's slow speech.
        timing_sec: Standard deviation of vowel onsets around the beat.
        tuning_cents: Standard deviation of notes around the score.
        drift_cents: Standard deviation of slow wander within a note.
        glide_sec: Usual time from one note to the next.
        overshoot: How far a leap goes beyond its note, as a share of the leap.
        preparation: How far the note before bends away from the leap, as a share of it.
        scoop_rate: Share of phrase beginnings that are reached from below.
        note_scoop_rate: Share of other notes that are.
        scoop_semitones: Least and greatest depth of a scoop.
        scoop_sec: Time constant of a scoop.
        fall_rate: Share of phrase ends that fall from the note.
        fall_semitones: Least and greatest depth of a fall.
        vibrato_delay_sec: Time on a note before vibrato.
        vibrato_rise_sec: Time in which it reaches its depth.
        max_vibrato_cents: Greatest depth.
        creak_rate: Share of phrase ends that creak.
        release_rate: Share of phrase ends whose voice stops before the breath does.
        aspirate_rate: Share of phrase beginnings whose breath comes before the voice.
        glottal_rate: Share of syllables without a voiceless initial that begin with a glottal stop.
        arc_db: Least and greatest loss of loudness from the height of a phrase to its ends.
        arc_peak: Where in a phrase that height is, least and greatest share.
        accent_db: Standard deviation of loudness from syllable to syllable.
        speaking_rate: Factor on the pace of speech.
        speaking_span: espeak-ng's pitch range of speech (0 to 100).
    """

    initial_rate: float = 0.85
    timing_sec: float = 0.012
    tuning_cents: float = 6.0
    drift_cents: float = 4.0
    glide_sec: float = 0.04
    overshoot: float = 0.0
    preparation: float = 0.0
    scoop_rate: float = 0.35
    note_scoop_rate: float = 0.0
    scoop_semitones: tuple[float, float] = (0.4, 1.2)
    scoop_sec: float = 0.03
    fall_rate: float = 0.0
    fall_semitones: tuple[float, float] = (1.0, 3.0)
    vibrato_delay_sec: float = 0.18
    vibrato_rise_sec: float = 0.2
    max_vibrato_cents: float = 45.0
    creak_rate: float = 0.0
    release_rate: float = 0.0
    aspirate_rate: float = 0.0
    glottal_rate: float = 0.0
    arc_db: tuple[float, float] = (1.0, 4.0)
    arc_peak: tuple[float, float] = (0.3, 0.75)
    accent_db: float = 0.8
    speaking_rate: float = 1.0
    speaking_span: int = 50


@dataclass(frozen=True, slots=True)
class Singer:
    """A synthetic singer.

    Args:
        name: Speaker id.
        variant: espeak-ng voice variant that gives the timbre.
        warp: Formant frequencies are multiplied by this.
        low_midi: Lowest note of the singer's range.
        high_midi: Highest note.
        vibrato_hz: Usual vibrato rate.
        vibrato_cents: Usual vibrato depth (amplitude, not peak to peak).
        tilt_db: Spectral tilt (dB per octave above 1 kHz) against the espeak voice.
        breathiness: Exponent below 1 raises the voice's aperiodicity, above 1 lowers it.
        speaking_hz: Median F0 when speaking.
        habits: How the singer sings.
        timbre: What the voice adds to the variant beside the above; None for nothing.
    """

    name: str
    variant: str
    warp: float
    low_midi: int
    high_midi: int
    vibrato_hz: float
    vibrato_cents: float
    tilt_db: float
    breathiness: float
    speaking_hz: float
    habits: Habits = Habits()
    timbre: Timbre | None = None

    @property
    def is_female(self) -> bool:
        return self.speaking_hz > 160


# The small cast: its last singer is held out of training, and stands between the others in timbre
# and range; she is kept last whatever the number of singers.
_TRAINING = (
    Singer("lan", "f2", 1.00, 57, 74, 5.6, 30, 0.0, 1.0, 205),
    Singer("shan", "m3", 1.00, 46, 63, 5.2, 26, 0.5, 1.1, 112),
    Singer("mei", "Annie", 1.05, 59, 76, 6.1, 34, -0.8, 0.9, 225),
    Singer("song", "Andy", 0.95, 45, 61, 4.9, 30, -0.5, 1.0, 100),
    Singer("yun", "f4", 0.96, 55, 71, 5.3, 22, -1.5, 0.75, 190),
    Singer("he", "m7", 1.05, 48, 64, 5.9, 36, 0.8, 1.2, 125),
    Singer("xue", "linda", 1.02, 58, 75, 5.8, 26, 0.6, 1.15, 215),
)
_HELD_OUT = Singer("feng", "f3", 0.99, 57, 73, 5.5, 28, -0.4, 0.95, 205)


def roster(n_singers: int, seed: int = 0) -> tuple[Singer, ...]:
    """Return `n_singers` singers, the held-out one last; beyond eight they are drawn by `seed`."""
    if n_singers < 2:
        raise ValueError(f"{n_singers} singers: needs at least one for training and one held out")
    training = list(_TRAINING[: n_singers - 1])
    rng = np.random.default_rng([seed, 77])
    for index in range(len(training), n_singers - 1):
        female = index % 2 == 1
        low = int(rng.integers(55, 60) if female else rng.integers(45, 49))
        training.append(
            Singer(
                name=f"singer{index + 1:02d}",
                variant=str(
                    rng.choice(
                        ["f2", "f3", "f4", "Annie", "linda"]
                        if female
                        else ["m1", "m3", "m7", "Andy"]
                    )
                ),
                warp=round(float(rng.uniform(0.93, 1.07)), 3),
                low_midi=low,
                high_midi=low + 16,
                vibrato_hz=round(float(rng.uniform(4.8, 6.3)), 2),
                vibrato_cents=round(float(rng.uniform(20, 38)), 1),
                tilt_db=round(float(rng.uniform(-1.5, 1.0)), 2),
                breathiness=round(float(rng.uniform(0.75, 1.25)), 2),
                speaking_hz=round(float(rng.uniform(185, 230) if female else rng.uniform(95, 130))),
            )
        )
    return (*training, _HELD_OUT)
