"""Where `SCORE_COLUMNS` once stood."""

from espnet2_ext.score.frames import SCORE_COLUMNS

__all__ = ["SCORE_COLUMNS"]
