"""Training curves, from the log that ESPnet's trainer writes."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from espnet2_ext.files import read_text

_RESULTS = re.compile(r"(\d+)epoch results: \[train\] (.*?)(?:, \[valid\] (.*))?$")
_VALUE = re.compile(r"(\w+)=(-?[\d.]+(?:e[+-]?\d+)?|nan|inf)(?![\w.])")
LOGS = "train*.log"


@dataclass
class Curves:
    """What a training reported after each epoch.

    Args:
        train: Name of a figure to its value by epoch, on the training split.
        valid: The same on the validation split.
    """

    train: dict[str, dict[int, float]] = field(default_factory=dict)
    valid: dict[str, dict[int, float]] = field(default_factory=dict)

    @property
    def n_epochs(self) -> int:
        return max((max(curve) for curve in self.train.values()), default=0)


def parse_log(text: str, curves: Curves) -> None:
    """Add the epochs that a training log reports; an epoch trained again replaces the first."""
    for line in text.splitlines():
        match = _RESULTS.search(line)
        if not match:
            continue
        for split, values in ((curves.train, match[2]), (curves.valid, match[3] or "")):
            for name, value in _VALUE.findall(values):
                split.setdefault(name, {})[int(match[1])] = float(value)


def read_curves(exp_dir: str | Path) -> Curves:
    """Read all training logs of an experiment, oldest first; empty when there is none.

    Their names tell which is older: ``train.DATE-TIME.log``, and ``train.log`` the newest.
    """
    curves = Curves()
    for path in sorted(Path(exp_dir).glob(LOGS)):
        parse_log(read_text(path), curves)
    return curves
