"""Changes of tempo that MusicXML gives as two equal notes, such as quarter = dotted quarter."""

import logging
from fractions import Fraction

from espnet2_ext.score.formats.xml_measures import Measure


def apply_relations(measures: list[Measure], bpm: float) -> None:
    """Turn marks of equal notes into tempos (quarters per minute).

    Which note is of the tempo before and which of the one after is written in either order. It is
    plain where notes are the beats of the measures before and after, or of one length; otherwise a
    warning says that the mark is not read.

    Args:
        measures: With all marks of tempo that hold for the part.
        bpm: The tempo before the first mark.
    """
    beat = measures[0].beat if measures else Fraction(0)
    for measure in measures:
        relations = {at: (left, right) for at, left, right in measure.relations}
        bpms = dict(measure.bpms)
        for at in sorted({*relations, *bpms}):
            if at not in bpms:
                left, right = relations[at]
                before = measure.beat if at else beat
                ratio = _ratio(left, right, before, measure.beat)
                if ratio is None:
                    found = "which of two equal notes is of the tempo before is not plain"
                    logging.warning("%s: %s, the tempo stays", measure.place, found)
                    continue
                bpms[at] = bpm * float(ratio)
            bpm = bpms[at]
        measure.bpms = sorted(bpms.items())
        beat = measure.beat


def _ratio(left: Fraction, right: Fraction, before: Fraction, after: Fraction) -> Fraction | None:
    """The new tempo over the old one; None where the beats do not say which note is which."""
    if left == right:
        return Fraction(1)
    if (left, right) == (before, after):
        return right / left
    if (right, left) == (before, after):
        return left / right
    return None
