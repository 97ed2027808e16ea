"""A generator's own length and the score's: one named policy joins them, and the join is counted.

The score says how many frames are sung. A speech LM that decodes until its end token may stop
before or after that. What reads score and tokens frame by frame then works on the frames that both
have, from the first; `LengthCount` tells how often, and how badly, they differed.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from espnet2_ext.errors import UserError

EXACT, PAD, TRIM = POLICIES = ("exact", "pad", "trim")
"""What becomes of tokens that are not as many as the score's frames.

==========  ====================  ==============================================================
policy      more than the score   fewer than the score
==========  ====================  ==============================================================
``exact``   refused               refused
``pad``     the rest is cut       sung as far as they go, then silence: the score's length
``trim``    the rest is cut       sung as far as they go: what is generated ends there
==========  ====================  ==============================================================
"""

FAR = 0.25
"""Share of the score by which a length may differ before it is named: words are lost by then."""

_NAMES_SHOWN = 5


def check_policy(name: str) -> None:
    """Raise `ValueError` for a name that is no policy."""
    if name not in POLICIES:
        raise ValueError(f"length_policy {name!r} is none of {', '.join(POLICIES)}")


def shared_frames(
    policy: str,
    n_frames: int,
    n_score: int,
    place: str,
    field: str = "tokens",
    of: str = "the score",
) -> int:
    """How many frames, from the first, generator and score have in common.

    Args:
        policy: One of `POLICIES`.
        n_frames: Frames that were generated.
        n_score: Frames of the score.
        place: The utterance, for the error.
        field: What was generated, for the error.
        of: What has the right length, for the error.

    Raises:
        UserError: they differ, and the policy is ``exact``.
    """
    if policy == EXACT and n_frames != n_score:
        expected = f"{n_score} as {of}, or length_policy {PAD} or {TRIM}"
        raise UserError(place, f"{n_frames} frames", expected, field)
    return min(n_frames, n_score)


@dataclass(frozen=True)
class LengthCount:
    """How the lengths of utterances compare with their scores'.

    Args:
        equal: Utterances as long as their score.
        longer: Utterances with more frames.
        shorter: Utterances with fewer.
        missing_frames: Frames of scores that nothing was generated for.
        score_frames: Frames of all scores.
        far: Utterances that differ by more than `FAR` of the score: name, frames, score's frames.
    """

    equal: int
    longer: int
    shorter: int
    missing_frames: int
    score_frames: int
    far: list[tuple[str, int, int]]

    @classmethod
    def of(cls, lengths: Iterable[tuple[str, int, int]]) -> "LengthCount":
        """Count (name, frames, score's frames) of utterances."""
        rows = list(lengths)
        return cls(
            equal=sum(n == score for _, n, score in rows),
            longer=sum(n > score for _, n, score in rows),
            shorter=sum(n < score for _, n, score in rows),
            missing_frames=sum(max(0, score - n) for _, n, score in rows),
            score_frames=sum(score for _, _, score in rows),
            far=[row for row in rows if abs(row[1] - row[2]) > FAR * row[2]],
        )

    def log(self, place: str) -> None:
        """One line with the counts, and a warning that names what is far from its score."""
        logging.info("%s", f"lengths of {place}: {self.text()}")
        if self.far:
            named = ", ".join(
                f"{name} ({n} frames for {s})" for name, n, s in self.far[:_NAMES_SHOWN]
            )
            more = len(self.far) - _NAMES_SHOWN
            logging.warning(
                "%s",
                f"lengths of {place}: {len(self.far)} of {self.equal + self.longer + self.shorter} "
                f"differ from the score by more than {FAR:.0%}, so that words are lost: {named}"
                + (f" and {more} more" if more > 0 else ""),
            )

    def text(self) -> str:
        """The counts in words."""
        share = self.missing_frames / max(1, self.score_frames)
        return (
            f"{self.equal} as their score, {self.longer} longer, {self.shorter} shorter "
            f"({self.missing_frames} of {self.score_frames} frames of the scores, {share:.1%}, "
            "are not sung)"
        )
