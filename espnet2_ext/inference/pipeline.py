"""The steps of a packed model, one after the other: from a score to samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from espnet2_ext.inference.step import Columns, Step


@dataclass(frozen=True)
class Pipeline:
    """Steps in order, each with what those before it have written.

    Args:
        steps: The steps by name.
        given: Streams that are there before the first.

    Raises:
        ValueError: a step reads what nothing before it writes.
    """

    steps: Mapping[str, Step]
    given: tuple[str, ...] = ("score", "prompt")

    def __post_init__(self) -> None:
        known = set(self.given)
        for name, step in self.steps.items():
            missing = [stream for stream in step.reads if stream not in known]
            if missing:
                raise ValueError(f"step {name} reads {', '.join(missing)}, which no step writes")
            known |= set(step.writes)

    def __call__(self, columns: Columns, names: Sequence[str]) -> dict[str, Sequence[Any]]:
        """All that there is of a batch after the last step: given and written."""
        columns = dict(columns)
        for step in self.steps.values():
            wanted = (*step.reads, *filter(step.wants, step.may_read))
            columns |= step({name: columns[name] for name in wanted if name in columns}, names)
        return columns

    def without(self, *names: str) -> "Pipeline":
        """The same without some steps, if it has them."""
        return replace(self, steps={n: s for n, s in self.steps.items() if n not in names})

    def after(self, name: str) -> "Pipeline":
        """The steps behind one, which are given what it and those before it write."""
        names = list(self.steps)
        behind = names.index(name) + 1
        written = [stream for n in names[:behind] for stream in self.steps[n].writes]
        steps = {n: self.steps[n] for n in names[behind:]}
        return Pipeline(steps, (*self.given, *written))

    @property
    def batch_utts(self) -> int | None:
        """Utterances that all its steps compute at once."""
        return min(filter(None, (s.batch_utts for s in self.steps.values())), default=None)

    @property
    def prompt_frames(self) -> int | None:
        """Token frames of a prompt that every step that uses one uses; None: none does."""
        return min(filter(None, (s.prompt_frames for s in self.steps.values())), default=None)

    def with_seed(self, seed: int) -> "Pipeline":
        """The same steps, their draws with another seed."""
        return replace(self, steps={n: step.with_seed(seed) for n, step in self.steps.items()})
