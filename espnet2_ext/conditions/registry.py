"""All conditions by name. A module of this folder that registers one is found by being there."""

import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from torch import nn

from espnet2_ext import conditions as folder
from espnet2_ext.conditions.condition import (
    CONDITIONS,
    NULL,
    Condition,
    ConditionEncoder,
    Sizes,
)
from espnet2_ext.config_types import parse_config
from espnet2_ext.data.batch import Batch
from espnet2_ext.data.streams import STREAMS
from espnet2_ext.errors import UserError

_EVERYWHERE = ("codec_ssl", "score_frames", "prompt")


def conditions() -> Mapping[str, type[ConditionEncoder]]:
    """Name -> class of every condition there is."""
    for module in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}."):
        import_module(module.name)
    return CONDITIONS


def streams_read(
    encoders: Iterable[ConditionEncoder | type[ConditionEncoder]] | None = None,
) -> tuple[str, ...]:
    """Data streams that some of `encoders` reads; None: some condition that there is."""
    encoders = conditions().values() if encoders is None else encoders
    names = (name for encoder in encoders for name in encoder.streams)
    return tuple(name for name in dict.fromkeys(names) if name in STREAMS)


class ConditionSet(nn.ModuleDict):
    """Encoders by name, in the order of the configuration.

    Args:
        conf: Name -> options of its encoder.
        sizes: What they are built for.
        place: Of the configuration, for errors.

    Raises:
        UserError: an unknown name or option.
    """

    def __init__(
        self, conf: Mapping[str, Mapping[str, Any] | None], sizes: Sizes, place: str
    ) -> None:
        super().__init__()
        for name, options in conf.items():
            if name not in CONDITIONS and name not in conditions():
                known = ", ".join(sorted(CONDITIONS))
                raise UserError(place, f"unknown condition {name!r}", f"one of {known}")
            encoder = CONDITIONS[name]
            self[name] = parse_config(encoder, options or {}, f"{place}: {name}", sizes=sizes)

    @property
    def more_streams(self) -> list[str]:
        """Data streams that some condition reads, but for those that every generator is given."""
        return [name for name in streams_read(self.values()) if name not in _EVERYWHERE]

    def of_kind(self, kind: str) -> list[str]:
        """Names of the conditions of a kind."""
        return [name for name, encoder in self.items() if encoder.kind == kind]

    def encode(
        self,
        kind: str,
        batch: Batch,
        without: tuple[str, ...] = (),
        stand_in: str = NULL,
        known: dict[str, Condition] | None = None,
        **options: Any,
    ) -> list[Condition]:
        """The conditions of a kind, in order.

        Args:
            kind: `FRAMES`, `SEQUENCE` or `VECTOR`.
            batch: The streams.
            without: Names of conditions that are left out.
            stand_in: What stands in their place, one of `STAND_INS`.
            known: Conditions of this batch that are encoded already, by name; the others are added.
            options: Of the encoders' forward.
        """
        found = []
        for name in self.of_kind(kind):
            encoder = self[name]
            if encoder.stand_in is None and encoder.optional and encoder.streams[0] not in batch:
                continue
            condition = (known or {}).get(name)
            if condition is None:
                condition = encoder(batch, **options)
                if known is not None:
                    known[name] = condition
            found.append(condition.everywhere_dropped(stand_in) if name in without else condition)
        return found
