"""How long phones last where they are spoken: a mean for each, a length model without a network.

A text without phone times gets them from these means, stretched or shortened to a length that is
asked for.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.duration.features import split_note
from espnet2_ext.duration.timing import time_phones
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, write_json
from espnet2_ext.score.music_score import REST_PHONES, MusicScore


@dataclass(frozen=True)
class PhoneMeans:
    """Mean durations.

    Args:
        seconds: Of each phone (s).
        pause_sec: Between two speakers, and before the first and after the last (s).
    """

    seconds: Mapping[str, float]
    pause_sec: float

    @classmethod
    def of(cls, scores: Iterable[MusicScore]) -> "PhoneMeans":
        """Means over the phones of scores; of rests, the median."""
        found: dict[str, list[float]] = defaultdict(list)
        rests: list[float] = []
        for score in scores:
            for phone in score.phones:
                length = phone.end_sec - phone.start_sec
                (rests if phone.phone in REST_PHONES else found[phone.phone]).append(length)
        if not found:
            raise ValueError("no phones whose durations could be averaged")
        means = {phone: sum(all_) / len(all_) for phone, all_ in sorted(found.items())}
        return cls(means, sorted(rests)[len(rests) // 2] if rests else 0.1)

    @classmethod
    def load(cls, path: str | Path) -> "PhoneMeans":
        """Read what `save` wrote; raises `UserError` where it is something else."""
        values = read_json(path)
        try:
            return cls({p: float(s) for p, s in values["seconds"].items()}, values["pause_sec"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise UserError(path, "no mean durations", "seconds and pause_sec") from None

    def save(self, path: str | Path) -> None:
        """Write JSON."""
        write_json(path, {"seconds": dict(self.seconds), "pause_sec": self.pause_sec})

    def durations(self, phones: Sequence[str], total_sec: float | None = None) -> list[float]:
        """Seconds of each of `phones`; rests get the pause, an unknown phone the mean of all.

        Args:
            phones: With rests where there are to be any.
            total_sec: All together; None: as they are spoken.
        """
        usual = sum(self.seconds.values()) / len(self.seconds)
        found = [
            self.pause_sec if phone in REST_PHONES else self.seconds.get(phone, usual)
            for phone in phones
        ]
        factor = 1.0 if total_sec is None else total_sec / sum(found)
        return [factor * one for one in found]

    def performed(self, score: MusicScore) -> MusicScore:
        """A score with guessed phone times: vowels on the beat, consonants as they are spoken.

        Raises:
            UserError: a note without phones, or with phones that are no syllable.
        """
        initials = []
        for number, note in enumerate(score.notes, 1):
            onset = split_note(note, score.language, f"note {number}").onset
            initials.append(sum(self.durations(onset)) if onset else 0.0)
        return time_phones(score, [0.0] * len(score.notes), initials)
