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
BANK_LANGUAGE = "ja"
_USUAL_SPEECH_MINUTES = 10.0


@dataclass(frozen=True)
class CorpusConfig:
    """What determines the corpus.

    Args:
        minutes: Singing in all splits together (min), about.
        speech_minutes: Speech of all singers together (min), about; 0 for none; None for the usual.
            A voicebank does not speak.
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
            speaks all of them. None for Mandarin, or a voicebank's.
        voicebank: Folder of the UTAU voicebank whose voice sings instead of espeak-ng's; it is the
            one singer.

    Raises:
        ValueError: a value that is out of range.
    """

    minutes: float = 50.0
    speech_minutes: float | None = None
    singers: int | None = None
    seed: int = 0
    fs: int = 24000
    freedom: float = 1.0
    takes: int = 1
    cast: str = "few"
    unseen: int | None = None
    languages: str | None = None
    voicebank: str | None = None

    def __post_init__(self) -> None:
        if self.cast not in CASTS:
            raise ValueError(f"cast {self.cast!r}: needs one of {', '.join(CASTS)}")
        usual_singers, usual_unseen = CASTS[self.cast]
        if self.voicebank is not None:
            usual_singers, usual_unseen = 1, 0
        if self.speech_minutes is None:
            usual = _USUAL_SPEECH_MINUTES if self.voicebank is None else 0.0
            object.__setattr__(self, "speech_minutes", usual)
        if self.languages is None:
            usual = LANGUAGES[0] if self.voicebank is None else BANK_LANGUAGE
            object.__setattr__(self, "languages", usual)
        if self.singers is None:
            object.__setattr__(self, "singers", usual_singers)
        if self.unseen is None:
            least = min(1, usual_unseen)
            object.__setattr__(self, "unseen", min(usual_unseen, max(least, self.singers // 2)))
        if not (math.isfinite(self.minutes) and self.minutes > 0):
            raise ValueError(f"minutes {self.minutes}: needs more than 0")
        if not (math.isfinite(self.speech_minutes) and self.speech_minutes >= 0):
            raise ValueError(f"speech_minutes {self.speech_minutes}: needs 0 or more")
        if self.voicebank is not None:
            self._check_voicebank()
        elif self.singers < 2:
            raise ValueError(f"singers {self.singers}: needs at least 2, one of them held out")
        elif not 1 <= self.unseen < self.singers:
            found = f"unseen {self.unseen} of {self.singers} singers"
            raise ValueError(f"{found}: needs at least 1, and at least 1 left for training")
        elif self.cast == "few" and self.unseen != 1:
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
        known = self.voicebank is not None or not set(codes) - set(LANGUAGES)
        if not known or len(set(codes)) < len(codes):
            wanted = " and ".join(LANGUAGES)
            raise ValueError(f"languages {self.languages!r}: needs {wanted}, with commas")

    def _check_voicebank(self) -> None:
        if (self.singers, self.unseen) != (1, 0):
            found = f"{self.singers} singers, {self.unseen} of them unseen"
            raise ValueError(f"{found}: needs 1 and 0, as a voicebank is one singer")
        if self.speech_minutes:
            raise ValueError(f"speech_minutes {self.speech_minutes}: needs 0 with a voicebank")
        if self.languages != BANK_LANGUAGE:
            raise ValueError(f"languages {self.languages!r}: needs {BANK_LANGUAGE} of a voicebank")

    @property
    def codes(self) -> tuple[str, ...]:
        """The languages, each as its code."""
        return tuple(self.languages.split(","))

    @property
    def opencpop(self) -> bool:
        """Whether the corpus is in Opencpop's layout, which holds Mandarin alone."""
        return self.codes == ("zh",)

    def recorded(self) -> dict[str, Any]:
        """The options as corpus.json states them: those added later only where they are set.

        A voicebank is recorded by whoever has read it.
        """
        before: dict[str, Any] = _AS_BEFORE | {"voicebank": self.voicebank}
        if self.cast != "few":  # then the number of unseen singers is no longer a matter of course
            del before["unseen"]
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in before or value != before[name]
        }
