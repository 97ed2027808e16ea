"""The options of the embedded corpus of songs and speech."""

import math
from dataclasses import asdict, dataclass
from typing import Any

SETS = ("train", "dev", "test", "test_phrasing", "test_combination")
LANGUAGES = ("zh", "en")
_SHARES = {"dev": 0.07, "test": 0.08, "test_phrasing": 0.05, "test_combination": 0.08}


def share_of(set_name: str) -> float:
    """The share of the minutes that a set has; what the others leave is train's."""
    return _SHARES.get(set_name, 1 - sum(_SHARES.values()))


@dataclass(frozen=True)
class SongConfig:
    """What determines the corpus.

    Args:
        song_minutes: Songs in all sets together (min), about.
        speech_minutes: Speech and dialogues in all sets together (min), about.
        speakers: Speakers, who sing too: so many, of every gender and age by turns.
        seed: Any non-negative integer.
        fs: Sampling rate (Hz).
        soundfont: SoundFont file whose instruments play; None: the toolkit's own.

    Raises:
        ValueError: a value that is out of range.
    """

    song_minutes: float = 60.0
    speech_minutes: float = 30.0
    speakers: int = 24
    seed: int = 0
    fs: int = 24000
    soundfont: str | None = None

    def __post_init__(self) -> None:
        for name in ("song_minutes", "speech_minutes"):
            minutes = getattr(self, name)
            if not (math.isfinite(minutes) and minutes > 0):
                raise ValueError(f"{name} {minutes}: needs more than 0")
        if self.speakers < 2:
            raise ValueError(f"speakers {self.speakers}: needs at least 2, as dialogues have two")
        if self.seed < 0:
            raise ValueError(f"seed {self.seed}: needs 0 or more")
        if not 16000 <= self.fs <= 48000:
            raise ValueError(f"fs {self.fs}: needs 16000-48000 Hz")

    def recorded(self) -> dict[str, Any]:
        """The options as corpus.json states them; the soundfont is recorded by who reads it."""
        return {name: value for name, value in asdict(self).items() if name != "soundfont"}
