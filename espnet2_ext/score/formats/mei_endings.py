"""The endings of an MEI, which its MusicXML lacks: converter21 leaves them out in silence."""

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

_PASSES = re.compile(r"[0-9]{1,2}([ ,.&-]+[0-9]{1,2})*\.?")


@dataclass(frozen=True)
class Ending:
    """An ending: its passes (``1``, ``1, 2``), and the indices of its first and last measure."""

    passes: str
    first: int
    last: int


def endings_of(body: Element) -> tuple[list[Ending], int]:
    """The endings of a body, in order, and how many measures the body has."""
    measures = {id(measure): i for i, measure in enumerate(body.iter("measure"))}
    endings: list[Ending] = []
    for element in body.iter("ending"):
        inside = [measures[id(measure)] for measure in element.iter("measure")]
        if not inside:
            continue
        follows = bool(endings) and endings[-1].last == inside[0] - 1
        nth = int(re.findall("[0-9]+", endings[-1].passes)[-1]) + 1 if follows else 1
        said = (element.get("n") or element.get("label") or "").strip()
        passes = said.rstrip(".") if _PASSES.fullmatch(said) else str(nth)
        endings.append(Ending(passes, inside[0], inside[-1]))
    return endings, len(measures)


def add_endings(root: Element, endings: list[Ending], n_measures: int) -> bool:
    """Write endings to the parts of a MusicXML; False where its measures are not the MEI's."""
    parts = [part.findall("measure") for part in root.findall("part")]
    if any(len(measures) != n_measures for measures in parts):
        return False
    for measures in parts:
        for ending in endings:
            start = {"number": ending.passes, "type": "start"}
            SubElement(_barline(measures[ending.first], "left"), "ending", start)
            stop = {"number": ending.passes, "type": "stop"}
            SubElement(_barline(measures[ending.last], "right"), "ending", stop)
    return True


def _barline(measure: Element, location: str) -> Element:
    """The barline of a side, a new one where the measure has none."""
    for barline in measure.findall("barline"):
        if barline.get("location", "right") == location:
            return barline
    barline = Element("barline", {"location": location})
    measure.insert(0 if location == "left" else len(measure), barline)
    return barline
