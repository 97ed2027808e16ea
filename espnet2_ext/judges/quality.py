"""What the judges are worth, as fitting measured it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json
from espnet2_ext.judges.f0 import REQUIRED_CORRELATION

QUALITY = "judges.json"


def read_quality(folder: str | Path) -> dict[str, Any]:
    """What fitting found the judges to be worth; empty when it has not been measured."""
    path = Path(folder) / QUALITY
    return read_json(path) if path.is_file() else {}


def require_qualified(quality: Mapping[str, Any], extractor: str, place: str | Path) -> None:
    """Refuse an F0 extractor that failed on recordings whose F0 is known."""
    measured = quality.get("f0", {}).get(extractor)
    if measured and not measured["qualifies"]:
        found = f"correlation {measured['corr']:.3f} with the true F0"
        expected = f"{REQUIRED_CORRELATION} or more"
        raise UserError(place, found, expected, f"F0 extractor {extractor}")
