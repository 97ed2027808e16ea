"""Which listener hears which samples, in which order: trials under blinded ids, and their key.

A page's design is a list of sections, one for each kind of rating. A section holds `parts` (a
listener does one of them) with `groups` (rows of a Latin square; a listener is in one of them) of
`blocks`: the page shuffles the blocks for each listener, and inside a block marked `shuffle` also
the trials and the samples of each. `extra` trials (attention) go to places that the page draws.
"""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from espnet2_ext.listening.latin import williams

KINDS = ("mos", "ab", "abx", "mushra")
HIDDEN, LOW_ANCHOR, MID_ANCHOR, SPOILED = "hidden_reference", "low_anchor", "mid_anchor", "spoiled"
RESERVED = (HIDDEN, LOW_ANCHOR, MID_ANCHOR, SPOILED)
REFERENCE = "reference"
N_SPOILED = 2
"""Spoiled samples on an attention screen of MUSHRA."""


@dataclass(frozen=True)
class Sample:
    """What a blinded id stands for.

    Attributes:
        system: A system's name, or the reference's, an anchor's or a spoiled sample's.
        utt: Utterance.
        source: System whose audio it is made of.
        copy: Tells apart several of the same.
    """

    system: str
    utt: str
    source: str
    copy: str = ""


@dataclass
class Design:
    """Everything that page and key are made of, except the audio."""

    samples: dict[str, Sample] = field(default_factory=dict)
    trials: dict[str, dict[str, Any]] = field(default_factory=dict)
    sections: list[dict[str, Any]] = field(default_factory=list)


class Designer:
    """Builds the sections of a test.

    Args:
        systems: Names, in the order given.
        parts: Utterances of each part.
        practice: Utterance of the practice trials.
        seed: Of ids, draws and orders.
        latin: Balanced orders; otherwise the page shuffles everything.
        once: MOS: a listener hears each utterance by one system alone.
        catch: Attention trials in each section of each part.
        mid_anchor: MUSHRA with a 7 kHz anchor too.
        pairs: Of A/B and ABX; empty takes all.
        not_in_mushra: Systems that are the reference itself.
    """

    def __init__(
        self,
        systems: Sequence[str],
        parts: Sequence[Sequence[str]],
        practice: str,
        seed: int,
        latin: bool = True,
        once: bool = False,
        catch: int = 0,
        mid_anchor: bool = False,
        pairs: Sequence[tuple[str, str]] = (),
        not_in_mushra: Sequence[str] = (),
    ) -> None:
        self.systems, self.practice, self.latin, self.once = list(systems), practice, latin, once
        self.catch, self.mid_anchor = catch, mid_anchor
        self.pairs = list(pairs) or list(itertools.combinations(self.systems, 2))
        self.in_mushra = [name for name in self.systems if name not in not_in_mushra]
        self.rng = random.Random(f"{seed} design")
        self.design = Design()
        self._ids: dict[Any, str] = {}
        self.parts = [list(part) for part in parts]
        for part in self.parts:
            self.rng.shuffle(part)

    def build(self, kinds: Sequence[str]) -> Design:
        """Design with one section for each kind, in that order."""
        make = {"mos": self._mos, "ab": self._ab, "abx": self._abx, "mushra": self._mushra}
        for kind in kinds:
            parts = []
            for utts in self.parts:
                groups = make[kind](utts)
                extra = [self._attention(kind, utts[i % len(utts)], i) for i in range(self.catch)]
                parts.append({"groups": groups, "extra": extra})
            practice = make[kind]([self.practice])[0][0]["trials"][:1]
            practice = [self._as_practice(entry) for entry in practice]
            self.design.sections.append({"kind": kind, "practice": practice, "parts": parts})
        # What is listed in the order of its making would tell the systems apart.
        used = self._used()
        self.design.trials = {key: self.design.trials[key] for key in sorted(used)}
        heard = {s for t in self.design.trials.values() for s in self._heard(t)}
        self.design.samples = {key: self.design.samples[key] for key in sorted(heard)}
        return self.design

    @staticmethod
    def _heard(trial: dict[str, Any]) -> list[str]:
        return [*trial["samples"], *(trial[k] for k in ("reference", "x") if k in trial)]

    def _used(self) -> set[str]:
        used = set()
        for section in self.design.sections:
            entries = list(section["practice"])
            for part in section["parts"]:
                entries += part["extra"]
                entries += [e for g in part["groups"] for block in g for e in block["trials"]]
            used.update(entry["trial"] for entry in entries)
        return used

    def _new_id(self) -> str:
        return f"{self.rng.getrandbits(40):010x}"

    def _sample(self, system: str, utt: str, source: str = "", copy: str = "") -> str:
        sample = Sample(system, utt, source or system, copy)
        if sample not in self._ids:
            self._ids[sample] = self._new_id()
            self.design.samples[self._ids[sample]] = sample
        return self._ids[sample]

    def _entry(self, kind: str, utt: str, samples: Sequence[str], **facts: Any) -> dict[str, Any]:
        """A trial with its samples in the order to show; the same samples are the same trial."""
        key = (kind, utt, frozenset(samples), *sorted(facts.items()))
        if key not in self._ids:
            self._ids[key] = self._new_id()
            trial = {"kind": kind, "utt": utt, "samples": sorted(samples), **facts}
            self.design.trials[self._ids[key]] = trial
        return {"trial": self._ids[key], "samples": list(samples)}

    def _as_practice(self, entry: dict[str, Any]) -> dict[str, Any]:
        """The same under an id of its own, never analysed."""
        trial = {**self.design.trials[entry["trial"]], "practice": True}
        new = self._new_id()
        self.design.trials[new] = trial
        return {"trial": new, "samples": entry["samples"]}

    def _blocks(self, ordered: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """Blocks kept in order, or all trials in one block to be shuffled."""
        if self.latin:
            return [{"shuffle": False, "trials": trials} for trials in ordered if trials]
        flat = [entry for trials in ordered for entry in trials]
        self.rng.shuffle(flat)
        for entry in flat:
            self.rng.shuffle(entry["samples"])
        return [{"shuffle": True, "trials": flat}]

    def _mos(self, utts: Sequence[str]) -> list[list[dict[str, Any]]]:
        n, rows = len(self.systems), williams(len(self.systems))
        n_groups = len(rows) if self.latin else n if self.once else 1
        groups = []
        for group in range(n_groups):
            blocks = []
            for block in range(-(-len(utts) // n) if self.once else len(utts)):
                pairs = []
                for s in rows[(block + group) % len(rows)]:
                    if self.once:  # utterance i of this block is sung by system i + group
                        at = block * n + (s - group) % n
                        if at >= len(utts):
                            continue
                    else:  # every system with another utterance, every pair once over the blocks
                        at = (block + s) % len(utts)
                    pairs.append((utts[at], self.systems[s]))
                blocks.append([self._entry("mos", u, [self._sample(s, u)]) for u, s in pairs])
            groups.append(self._blocks(blocks))
        return groups

    def _ab(self, utts: Sequence[str]) -> list[list[dict[str, Any]]]:
        groups = []
        for group in range(2 if self.latin else 1):
            blocks = []
            for (i, utt), (j, pair) in itertools.product(enumerate(utts), enumerate(self.pairs)):
                sides = [self._sample(system, utt) for system in pair]
                if (i + j + group) % 2:
                    sides.reverse()
                blocks.append([self._entry("ab", utt, sides)])
            groups.append(self._blocks(blocks))
        return groups

    def _abx(self, utts: Sequence[str]) -> list[list[dict[str, Any]]]:
        groups = []
        for group in range(4 if self.latin else 1):
            blocks = []
            for (i, utt), (j, pair) in itertools.product(enumerate(utts), enumerate(self.pairs)):
                turn = (i + j + group) % 4 if self.latin else self.rng.randrange(4)
                sides = [self._sample(system, utt) for system in pair]
                answer = sides[turn // 2]
                # An id of its own: the same as A's or B's would tell.
                x = self._sample(pair[turn // 2], utt, copy="x")
                if turn % 2:
                    sides.reverse()
                blocks.append([self._entry("abx", utt, sides, x=x, answer=answer)])
            groups.append(self._blocks(blocks))
        return groups

    def _mushra(self, utts: Sequence[str]) -> list[list[dict[str, Any]]]:
        made = [HIDDEN, LOW_ANCHOR] + [MID_ANCHOR] * self.mid_anchor
        rows = williams(len(self.in_mushra) + len(made))
        groups = []
        for group in range(len(rows) if self.latin else 1):
            blocks = []
            for i, utt in enumerate(utts):
                samples = [self._sample(system, utt) for system in self.in_mushra]
                samples += [self._sample(name, utt, REFERENCE) for name in made]
                order = rows[(i + group) % len(rows)]
                reference = self._sample(REFERENCE, utt, REFERENCE)
                blocks.append([self._entry("mushra", utt, [samples[k] for k in order],
                                           reference=reference)])  # fmt: skip
            groups.append(self._blocks(blocks))
        return groups

    def _attention(self, kind: str, utt: str, number: int) -> dict[str, Any]:
        """A trial that whoever listens gets right; `good` in the key names what is not spoiled."""
        if kind == "mushra":
            good = self._sample(HIDDEN, utt, REFERENCE)
            bad = [self._sample(SPOILED, utt, REFERENCE, f"{number}.{i}") for i in range(N_SPOILED)]
            facts = {"reference": self._sample(REFERENCE, utt, REFERENCE), "good": good}
            samples = [good, *bad]
        else:
            system = self.rng.choice(self.systems)
            bad = [self._sample(SPOILED, utt, system, str(number))]
            if kind == "mos":
                return self._entry(kind, utt, bad, catch=True)
            good = self._sample(system, utt)
            facts = {"good": good}
            if kind == "abx":
                facts = {"x": self._sample(system, utt, copy="x"), "answer": good, "good": good}
            samples = [good, *bad]
        self.rng.shuffle(samples)
        return self._entry(kind, utt, samples, catch=True, **facts)
