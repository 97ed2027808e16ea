"""A check that headphones are worn: which of three tones is the quietest?

One tone is 6 dB quieter; another has its channels in opposite phase, which loudspeakers cancel in
the room and headphones don't (Woods et al. 2017, Headphone screening to facilitate web-based
auditory experiments).
"""

import random
from pathlib import Path

import numpy as np
import soundfile

from espnet2_ext.files import atomic_path

N_CHECKS, N_TONES = 6, 3
PASSED = 5
"""Right answers out of six that count as headphones."""
FS, TONE_HZ, TONE_SEC, GAP_SEC, RAMP_SEC = 44100, 200.0, 1.0, 0.5, 0.1
LEVEL, QUIETER_DB = 0.1, 6.0


def _tone(gain: float, antiphase: bool) -> np.ndarray:
    """Stereo tone (N, 2) with ramps, and the pause after it."""
    t = np.arange(int(TONE_SEC * FS)) / FS
    ramp = np.minimum(1, np.minimum(t, TONE_SEC - t) / RAMP_SEC)
    mono = gain * np.sin(np.pi / 2 * ramp) ** 2 * np.sin(2 * np.pi * TONE_HZ * t)
    pair = np.stack([mono, -mono if antiphase else mono], axis=1)
    return np.concatenate([pair, np.zeros((int(GAP_SEC * FS), 2))])


def make_checks(folder: Path, seed: int) -> dict[str, int]:
    """Write the checks' audio; returns the quietest tone (1, 2 or 3) by blinded id."""
    rng = random.Random(f"{seed} headphones")
    checks = {}
    for number in range(N_CHECKS):
        quiet = number % N_TONES
        opposite = rng.choice([i for i in range(N_TONES) if i != quiet])
        gains = [LEVEL * 10 ** (-QUIETER_DB / 20) if i == quiet else LEVEL for i in range(N_TONES)]
        wav = np.concatenate([_tone(g, i == opposite) for i, g in enumerate(gains)])
        name = f"{rng.getrandbits(40):010x}"
        with atomic_path(folder / f"{name}.wav") as part:
            soundfile.write(part, wav, FS, subtype="PCM_16", format="WAV")
        checks[name] = quiet + 1
    return dict(sorted(checks.items()))
