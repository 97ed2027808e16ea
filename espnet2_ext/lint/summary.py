"""Findings added up: by kind, worst utterances first, and what to leave out of training."""

import heapq
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import write_table
from espnet2_ext.lint.findings import KINDS, Finding
from espnet2_ext.lint.run import Counts

N_WORST = 10
EXCLUDED_BY_DEFAULT = tuple(name for name, kind in KINDS.items() if kind.excludes)


def check_kinds(names: Sequence[str] | None) -> tuple[str, ...]:
    """Kinds that exclude; those of `KINDS` by default.

    Raises:
        UserError: a name is no kind.
    """
    for name in names or ():
        if name not in KINDS:
            raise UserError("--exclude_kinds", repr(name), f"of {', '.join(KINDS)}")
    return tuple(names) if names is not None else EXCLUDED_BY_DEFAULT


class Summary:
    """Findings by kind and by utterance; holds one number per utterance and kind, no texts.

    Attributes:
        number: Findings.
        by_kind: Findings of each kind.
        utts_by_kind: Utterances with findings of each kind.
    """

    def __init__(self) -> None:
        self.number = 0
        self.by_kind: Counter[str] = Counter()
        self.utts_by_kind: Counter[str] = Counter()
        self._badness: dict[tuple[Path, str], dict[str, float]] = {}

    def add(self, path: Path, finding: Finding) -> None:
        """Count a finding of the directory or file at `path`."""
        self.number += 1
        self.by_kind[finding.kind] += 1
        if not finding.utt:
            return
        kinds = self._badness.setdefault((path, finding.utt), {})
        if finding.kind not in kinds:
            self.utts_by_kind[finding.kind] += 1
        kinds[finding.kind] = max(finding.badness, kinds.get(finding.kind, 0.0))

    def worst(self, number: int = N_WORST) -> list[tuple[Path, str, dict[str, float]]]:
        """The worst utterances: path, id, badness by kind; by the sum of badness."""
        keyed = ((-sum(kinds.values()), key) for key, kinds in self._badness.items())
        return [(*key, self._badness[key]) for _, key in heapq.nsmallest(number, keyed)]

    def excluded(self, kinds: Collection[str]) -> list[tuple[str, list[str]]]:
        """Utterances with findings of these kinds, worst first, with those kinds."""
        chosen = []
        for _, utt, found in self.worst(len(self._badness)):
            if names := sorted(found.keys() & set(kinds)):
                chosen.append((utt, names))
        return chosen

    def write_exclude(self, path: Path, kinds: Collection[str]) -> int:
        """Write ``utt kind,kind`` lines, worst first; their number."""
        chosen = {utt: ",".join(names) for utt, names in reversed(self.excluded(kinds))}
        write_table(path, reversed(chosen.items()))
        return len(chosen)

    def rows(self) -> list[tuple[str, str, int, int, str]]:
        """Kind, severity, findings, utterances, meaning; errors first, then by number."""
        order = sorted(self.by_kind, key=lambda k: (KINDS[k].severity, -self.by_kind[k], k))
        return [
            (k, KINDS[k].severity, self.by_kind[k], self.utts_by_kind[k], KINDS[k].meaning)
            for k in order
        ]

    def text(self, counts: Counts) -> str:
        """The tables as text, and a last line that says what was done."""
        lines = []
        if self.number:
            lines.append(f"{'kind':<12} {'severity':<8} {'findings':>8} {'utts':>7}  meaning")
            lines += [f"{k:<12} {s:<8} {n:>8} {u:>7}  {m}" for k, s, n, u, m in self.rows()]
        if worst := self.worst():
            lines.append("worst utterances")
            for _, utt, kinds in worst:
                shown = ", ".join(sorted(kinds, key=lambda kind: -kinds[kind]))
                lines.append(f"  {utt}  {sum(kinds.values()):.1f}  {shown}")
        return "\n".join([*lines, self.last_line(counts)])

    def last_line(self, counts: Counts) -> str:
        """What was looked at, how long it took, and how many findings there are."""
        where = f"{self.number} findings" if self.number else "all is well"
        line = f"{counts.utts} checked: {where}"
        if counts.read:
            rtf = counts.wall_sec / max(counts.audio_sec, 1e-9)
            line += f"; read {counts.audio_sec / 60:.1f} min of audio at {rtf:.4f} x real time"
        return line
