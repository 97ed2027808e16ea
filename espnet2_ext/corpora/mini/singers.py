"""The singers of the embedded corpus: espeak-ng voice variants, warped and trained to sing."""

from dataclasses import dataclass

import numpy as np


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

    @property
    def is_female(self) -> bool:
        return self.speaking_hz > 160


# The last singer of a corpus is held out of training, and stands between the others in timbre
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
