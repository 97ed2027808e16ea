"""The options of the embedded corpus."""

import math
from dataclasses import asdict, dataclass
from typing import Any

MAX_FREEDOM = 4.0  # beyond it notes lose their pitch
CASTS = {"few": (8, 1), "many": (40, 8)}  # usual numbers of singers, and of them unseen ones
# Options that came later, at the values that leave the corpus as it was: corpus.json does not
# name them then.
_AS_BEFORE = {"freedom": 1.0, "takes": 1, "cast": "few", "unseen": 1, "languages": "zh"}
LANGUAGES = ("zh", "en")  # that espeak-ng sings


@dataclass(frozen=True)
class CorpusConfig:
    """What determines the corpus.

    Args:
        minutes: Singing in all splits together (min), about.
        speech_minutes: Speech of all singers together (min), about; 0 for none.
        singers: Singers, of which the last are held out of training; None for the cast's usual.
        seed: Any non-negative integer.
        fs: Sampling rate (Hz).
        freedom: How far takes of a score may differ: factor on the spread of timing, pitch,
            vibrato, loudness and voice quality that each take draws.
        takes: Takes of every phrase of `test`; the second and later ones are the split
            `test_takes`, on top of `minutes`.
        cast: "few" singers of eight timbres, or "many" whose voices and habits are drawn.
        unseen: Singers held out of training; None for the cast's usual. One of few.
        languages: ISO 639 codes with commas between them, of `LANGUAGES`; each singer sings and
            speaks all of them.

    Raises:
        ValueError: a value that is out of range.
    """

    minutes: float = 50.0
    speech_minutes: float = 10.0
    singers: int | None = None
    seed: int = 0
    fs: int = 24000
    freedom: float = 1.0
    takes: int = 1
    cast: str = "few"
    unseen: int | None = None
    languages: str = "zh"

    def __post_init__(self) -> None:
        if self.cast not in CASTS:
            raise ValueError(f"cast {self.cast!r}: needs one of {', '.join(CASTS)}")
        usual_singers, usual_unseen = CASTS[self.cast]
        if self.singers is None:
            object.__setattr__(self, "singers", usual_singers)
        if self.unseen is None:
            object.__setattr__(self, "unseen", min(usual_unseen, max(1, self.singers // 2)))
        if not (math.isfinite(self.minutes) and self.minutes > 0):
            raise ValueError(f"minutes {self.minutes}: needs more than 0")
        if not (math.isfinite(self.speech_minutes) and self.speech_minutes >= 0):
            raise ValueError(f"speech_minutes {self.speech_minutes}: needs 0 or more")
        if self.singers < 2:
            raise ValueError(f"singers {self.singers}: needs at least 2, one of them held out")
        if not 1 <= self.unseen < self.singers:
            found = f"unseen {self.unseen} of {self.singers} singers"
            raise ValueError(f"{found}: needs at least 1, and at least 1 left for training")
        if self.cast == "few" and self.unseen != 1:
            raise ValueError(f"unseen {self.unseen}: needs 1, or --cast many")
        if self.seed < 0:
            raise ValueError(f"seed {self.seed}: needs 0 or more")
        if not 16000 <= self.fs <= 48000:
            raise ValueError(f"fs {self.fs}: needs 16000-48000 Hz")
        if not 0 <= self.freedom <= MAX_FREEDOM:
            raise ValueError(f"freedom {self.freedom}: needs 0 to {MAX_FREEDOM:g}")
        if self.takes < 1:
            raise ValueError(f"takes {self.takes}: needs 1 or more")
        codes = self.codes
        if set(codes) - set(LANGUAGES) or len(set(codes)) < len(codes):
            wanted = " and ".join(LANGUAGES)
            raise ValueError(f"languages {self.languages!r}: needs {wanted}, with commas")

    @property
    def codes(self) -> tuple[str, ...]:
        """The languages, each as its code."""
        return tuple(self.languages.split(","))

    @property
    def opencpop(self) -> bool:
        """Whether the corpus is in Opencpop's layout, which holds Mandarin alone."""
        return self.codes == ("zh",)

    def recorded(self) -> dict[str, Any]:
        """The options as corpus.json states them: those added later only where they are set."""
        before = dict(_AS_BEFORE)
        if self.cast != "few":  # then the number of unseen singers is no longer a matter of course
            del before["unseen"]
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in before or value != before[name]
        }
