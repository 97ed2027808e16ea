"""What generation is steered by: conditions of three kinds, each of which can be left out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, ClassVar, TypeVar

import torch
from torch import BoolTensor, Tensor, nn
from torch.nn.functional import pad

from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError

FRAMES, SEQUENCE, VECTOR = "frames", "sequence", "vector"
NULL, ZERO, NOISE = STAND_INS = ("null", "zero", "noise")
"""What stands in the place of a condition that guidance leaves out: its learned null, zeros, or a
vector drawn once (MM-Sonate, arXiv 2601.01568, compares zeros and noise)."""
_NULL_STD = 0.02
_CLOCKS = ("latents", "codec_ssl", "score_frames")


@dataclass(frozen=True)
class Condition:
    """A batch's condition.

    Args:
        kind: `FRAMES`, added on the generator's clock; `SEQUENCE`, attended to; or `VECTOR`, which
            modulates.
        value: (B, F, d), (B, S, d) or (B, d).
        mask: True on what is real (B, F) or (B, S); None for a vector.
        null: What stands in the value's place where it is left out (d,); None: it cannot be.
    """

    kind: str
    value: Tensor
    mask: BoolTensor | None
    null: Tensor | None

    def dropped(self, where: Tensor, stand_in: str = NULL) -> "Condition":
        """Left out where `where` (B,) is true; of a sequence one element is left in its place.

        Args:
            where: True for utterances that are to be without it.
            stand_in: What stands in its place, one of `STAND_INS`.

        Raises:
            ValueError: it has no null.
        """
        gone = where.view(-1, *(1,) * (self.value.dim() - 1))
        value = torch.where(gone, self._stand_in(stand_in).to(self.value), self.value)
        if self.kind != SEQUENCE:
            return replace(self, value=value)
        first = torch.arange(self.mask.size(1), device=where.device) == 0
        return replace(self, value=value, mask=torch.where(where[:, None], first, self.mask))

    def everywhere_dropped(self, stand_in: str = NULL) -> "Condition":
        """Left out of every utterance; see `dropped`."""
        return self.dropped(self.value.new_ones(len(self.value)).bool(), stand_in)

    def _stand_in(self, name: str) -> Tensor:
        """What stands in the value's place (d,)."""
        if name == NULL:
            if self.null is None:
                raise ValueError(f"a condition of kind {self.kind} that was never left out")
            return self.null
        zeros = torch.zeros(self.value.size(-1))
        if name == ZERO:
            return zeros
        return torch.randn(zeros.shape, generator=torch.Generator().manual_seed(0))


def total(conditions: Sequence[Condition]) -> Tensor | None:
    """The sum of conditions of one kind; None of none."""
    values = [condition.value for condition in conditions]
    return reduce(torch.add, values) if values else None


def end_to_end(conditions: Sequence[Condition]) -> tuple[Tensor, BoolTensor]:
    """Sequences one after another, and their mask; each utterance's padding is at its end."""
    value, mask = (torch.cat([getattr(c, x) for c in conditions], 1) for x in ("value", "mask"))
    order = (~mask).int().argsort(dim=1, stable=True)[:, : int(mask.sum(1).max())]
    return value.gather(1, order[..., None].expand(-1, -1, value.size(-1))), mask.gather(1, order)


def together(conditions: Sequence[Condition]) -> Condition:
    """Conditions of several batches as of one: the utterances of the first, of the second, ..."""
    first = conditions[0]
    if first.kind == VECTOR:
        return replace(first, value=torch.cat([c.value for c in conditions]))
    size = max(c.mask.size(1) for c in conditions)
    longer = [size - c.mask.size(1) for c in conditions]
    values = [pad(c.value, (0, 0, 0, n)) for c, n in zip(conditions, longer, strict=True)]
    masks = [pad(c.mask, (0, n)) for c, n in zip(conditions, longer, strict=True)]
    return replace(first, value=torch.cat(values), mask=torch.cat(masks))


def clock_mask(batch: Batch) -> BoolTensor:
    """True on the frames that are generated (B, F), or that the score has."""
    return batch.mask(next(name for name in _CLOCKS if name in batch))


@dataclass(frozen=True)
class Sizes:
    """What encoders are built for.

    Args:
        width: Of the conditions: d.
        codes: Codes of each stream of ``codec_ssl``, SSL first (nq,).
        embed_dim: Size of the codec's frame embedding; 0 where the generator gives none.
        n_phones: Size of the phone set.
    """

    width: int
    codes: Sequence[int] = ()
    embed_dim: int = 0
    n_phones: int = 0


class ConditionEncoder(nn.Module, ABC):
    """Encodes streams of a batch as one condition; a subclass says how in `encode`.

    Args:
        width: d.
        drop: Probability, in training, of leaving the condition out of an utterance.
        null: Learn what stands in its place. Without it the condition can be left out only with all
            others, which is the generator's business.

    Attributes:
        kind: Of the condition.
        streams: That it reads. Where the first is not there, the null stands in.
        optional: Where neither is there, the condition is left to the generator, not refused.
    """

    kind: ClassVar[str]
    streams: ClassVar[tuple[str, ...]]
    optional: ClassVar[bool] = False

    def __init__(self, width: int, drop: float = 0.0, null: bool = True) -> None:
        super().__init__()
        if not 0 <= drop <= 1:
            raise ValueError(f"drop {drop} is not 0 to 1")
        self.width, self.dropout = width, drop
        learned = nn.Parameter(_NULL_STD * torch.randn(width)) if null or drop else None
        self.register_parameter("null", learned)

    @property
    def stand_in(self) -> Tensor | None:
        """The null (d,), if there is one."""
        return self.null

    @abstractmethod
    def encode(self, batch: Batch, vector: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Value and mask as `Condition` has them; `vector` (B, d) is what vectors add up to."""

    def absent(self, batch: Batch) -> BoolTensor | None:
        """Utterances (B,) that have nothing to encode; None where all have."""
        return None

    def forward(self, batch: Batch, vector: Tensor | None = None, **options: Any) -> Condition:
        """The condition of a batch; left out where there is none, and in training where drawn.

        Raises:
            UserError: the stream is not there, and the condition cannot be left out.
        """
        if self.stand_in is not None and self.streams[0] not in batch:
            return self._null_condition(batch, self.stand_in)
        value, mask = self.encode(batch, vector, **options)
        condition = Condition(self.kind, value, mask, self.stand_in)
        gone = self.absent(batch)
        if self.training and self.dropout > 0:
            drawn = torch.rand(len(value), device=value.device) < self.dropout
            gone = drawn if gone is None else gone | drawn
        return condition if gone is None else condition.dropped(gone)

    def _null_condition(self, batch: Batch, null: Tensor) -> Condition:
        B = batch.size
        if self.kind == VECTOR:
            return Condition(VECTOR, null.expand(B, -1), None, null)
        if self.kind == SEQUENCE:
            mask = torch.ones(B, 1, dtype=torch.bool, device=null.device)
            return Condition(SEQUENCE, null.expand(B, 1, -1), mask, null)
        mask = clock_mask(batch)
        return Condition(FRAMES, null.expand(*mask.shape, -1), mask, null)


CONDITIONS: dict[str, type[ConditionEncoder]] = {}
"""Those of the modules that were imported; `registry.conditions` has them all."""

_Encoder = TypeVar("_Encoder", bound=type[ConditionEncoder])


def register_condition(name: str) -> Callable[[_Encoder], _Encoder]:
    """Class decorator: the name by which a YAML asks for a condition.

    Raises:
        ValueError: the name is another's.
    """

    def register(encoder: _Encoder) -> _Encoder:
        taken = CONDITIONS.setdefault(name, encoder)
        if (taken.__module__, taken.__qualname__) != (encoder.__module__, encoder.__qualname__):
            raise ValueError(f"condition {name} is {taken.__qualname__} of {taken.__module__}")
        return encoder

    return register


def require(size: int, name: str, what: str) -> int:
    """`size`; a `UserError` where a generator has none."""
    if size < 1:
        raise UserError("conditions", f"none to build {name} for", what, name)
    return size
