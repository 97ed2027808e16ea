"""The order in which the measures of a MusicXML part are played: repeats, endings and jumps."""

import logging
from collections import Counter

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.xml_measures import MAX_PASSES, Measure

MAX_MEASURES = 20_000


def _ending_runs(measures: list[Measure]) -> list[list[int]]:
    """For each measure the indices of the row of endings it stands in; empty outside endings."""
    runs: list[list[int]] = []
    for index, measure in enumerate(measures):
        follows = bool(runs and runs[-1] and measure.passes)
        run = runs[-1] if follows else []
        if measure.passes:
            run.append(index)
        runs.append(run)
    return runs


def _last_pass(measures: list[Measure], run: list[int]) -> int:
    """The pass that leaves a row of endings; one more where the last of them repeats too."""
    return max(max(measures[i].passes) for i in run) + bool(measures[run[-1]].backward)


def _target(measures: list[Measure], sign: str, label: str, after: int) -> int | None:
    """The measure that a jump leads to: its label, or else the first sign after `after`."""
    marked = [i for i, measure in enumerate(measures) if sign in measure.signs]
    same = [i for i in marked if measures[i].signs[sign] == label]
    later = [i for i in same or marked if i > after]
    return next(iter(later or same or marked), None)


def unfold(measures: list[Measure]) -> list[tuple[int, int]]:
    """Order of play: (index of a measure, how many times it has been played, from 1).

    Repeats with endings are played; nested repeats are not a thing in MusicXML. Da capo and dal
    segno are followed once each. After one, what was heard before is played without its repeats
    (but those said to be played after jumps), with its last ending; Fine ends the piece and To Coda
    leads to the coda.
    """
    order: list[tuple[int, int]] = []
    runs = _ending_runs(measures)
    codas = [i for i, measure in enumerate(measures) if "coda" in measure.signs]
    if len(codas) > 1 and not any("tocoda" in measure.signs for measure in measures):
        measures[codas[0]].signs["tocoda"] = measures[codas[0]].signs.pop("coda")
    plays: Counter[int] = Counter()
    first_pass: dict[int, int] = {}  # a last ending is first played in the last pass
    heard: frozenset[int] = frozenset()  # when the latest jump was taken
    jumped: set[int] = set()
    index = start = 0
    times = 1
    while index < len(measures):
        if len(order) > MAX_MEASURES:
            place = measures[index].place
            raise UserError(place, "repeats without end", f"{MAX_MEASURES} measures")
        measure = measures[index]
        if measure.forward and index != start:
            start, times = index, 1
        again = index in heard
        if measure.passes:
            once = heard and not any(measures[i].after_jump for i in runs[index])
            leaving = once and bool(heard.intersection(runs[index]))
            wanted = _last_pass(measures, runs[index]) if leaving else times
            if wanted not in measure.passes:
                index += 1
                continue
        plays[index] += 1
        first_pass.setdefault(index, times)
        order.append((index, first_pass[index] + plays[index] - 1 if again else times))
        if measure.backward and (not again or measure.after_jump):
            following = measures[index + 1].passes if index + 1 < len(measures) else frozenset()
            total = max(measure.passes | following) if measure.passes else measure.backward
            if measure.passes and not following:
                total = max(measure.passes) + 1
            if times < min(total, MAX_PASSES):
                index, times = start, times + 1
                continue
        if measure.backward or measure.ending_stops:
            start, times = index + 1, 1
        following_index = _jump(measures, index, jumped)
        if following_index is None:
            break
        if following_index != index + 1:
            heard = frozenset(plays)
            start, times = following_index, 1
        index = following_index
    return order


def _jump(measures: list[Measure], index: int, jumped: set[int]) -> int | None:
    """The measure after `index`, whose repeats are done; None at Fine."""
    signs = measures[index].signs
    if jumped and "fine" in signs:
        return None
    for sign, mark in (("tocoda", "coda"), ("dalsegno", "segno"), ("dacapo", "")):
        if sign not in signs or index in jumped or (sign == "tocoda" and not jumped):
            continue
        after = index if sign == "tocoda" else -1
        target = _target(measures, mark, signs[sign], after) if mark else 0
        if target is None:
            logging.warning("%s: %s without a %s, played on", measures[index].place, sign, mark)
            continue
        jumped.add(index)
        return target
    return index + 1
