"""Phone error rate.

Rests are no phones here, and a slur sings on the final of the note before it, so it adds none:
what is compared is what a listener hears as separate sounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espnet2_ext.score.music_score import REST_PHONES, MusicScore


@dataclass(frozen=True)
class PhoneErrors:
    """Edit distance (substitutions, deletions, insertions together) and reference length."""

    errors: int
    n_ref: int

    @property
    def rate(self) -> float:
        """Errors a reference phone; above 1 when there are many insertions."""
        return self.errors / self.n_ref if self.n_ref else float("nan")


def sung_phones(score: MusicScore) -> list[str]:
    """The phones that a recogniser should hear: without rests, slurs folded into their vowel."""
    heard = zip(score.phones, score.sounded, strict=True)
    return [phone.phone for phone, sounded in heard if sounded]


def edit_distance(hyp: Sequence[str], ref: Sequence[str]) -> int:
    """Levenshtein distance with unit costs."""
    row = np.arange(len(hyp) + 1)
    symbols = np.array(list(hyp), dtype=object)
    for index, symbol in enumerate(ref, 1):
        candidate = np.empty_like(row)
        candidate[0] = index
        candidate[1:] = np.minimum(row[1:] + 1, row[:-1] + (symbols != symbol))
        # Insertions run along the row: a running minimum once the slope is taken out.
        steps = np.arange(len(row))
        row = np.minimum.accumulate(candidate - steps) + steps
    return int(row[-1])


def phone_errors(hyp: Sequence[str], ref: Sequence[str]) -> PhoneErrors:
    """Count the errors of a hypothesis; rests (SP, AP) are ignored on both sides."""
    hyp, ref = ([p for p in phones if p not in REST_PHONES] for phones in (hyp, ref))
    return PhoneErrors(edit_distance(hyp, ref), len(ref))
