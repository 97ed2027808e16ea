"""svs_lb: per frame the pair ``svs_<phone>``, ``svs_<midi>``; duration is repetition.

SLM-SVS paper, section 3.1. Upstream's checkpoints put ``<svs_placeholder>`` between phones and
round each phone's duration by itself; both are options here, cumulative rounding is the default.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.score.frames import ROUNDINGS

PREFIX, PLACEHOLDER = "svs_", "<svs_placeholder>"
N_MIDI = 128


@dataclass(frozen=True)
class SvsLabelConfig:
    """How the svs_lb text is written.

    Args:
        placeholder: Put ``<svs_placeholder>`` between consecutive phones, as upstream.
        rounding: "cumulative" (boundaries; no drift) or "per_phone" (durations; as upstream).
    """

    placeholder: bool = False
    rounding: str = "cumulative"

    def __post_init__(self) -> None:
        if self.rounding not in ROUNDINGS:
            raise ValueError(f"rounding {self.rounding!r} is none of {', '.join(ROUNDINGS)}")


def read_label_config(path: str | Path) -> SvsLabelConfig:
    """The ``svs_lb`` section of a tokenizer's YAML.

    Raises:
        UserError: it is no mapping, or has an unknown key or value.
    """
    section = read_yaml(path).get("svs_lb") or {}
    if not isinstance(section, dict):
        raise UserError(path, f"{section!r}", "a mapping", "svs_lb")
    return parse_config(SvsLabelConfig, section, path)


@dataclass(frozen=True)
class LabelFrames:
    """Frames read back from svs_lb: int arrays (F,)."""

    phone_id: np.ndarray
    midi: np.ndarray
    phone_index: np.ndarray


def svs_tokens(phones: Iterable[str]) -> list[str]:
    """Every svs_lb token of a phone set: placeholder, phones, MIDI numbers 0-127."""
    return [
        PLACEHOLDER,
        *(f"{PREFIX}{p}" for p in phones),
        *(f"{PREFIX}{m}" for m in range(N_MIDI)),
    ]


def frames_to_tokens(
    phone_id: Sequence[int],
    midi: Sequence[int],
    phone_index: Sequence[int],
    phones: Sequence[str],
    placeholder: bool = False,
) -> list[str]:
    """Frames (F,) to 2F tokens, and a placeholder between phones if asked.

    Args:
        phone_id: Index into `phones` per frame.
        midi: MIDI number per frame, 0 at rests.
        phone_index: Position of the frame's phone in the score; tells two equal phones apart.
        phones: Phone set.
        placeholder: Separate consecutive phones.
    """
    tokens: list[str] = []
    previous = None
    for phone, note, index in zip(phone_id, midi, phone_index, strict=True):
        if placeholder and previous is not None and index != previous:
            tokens.append(PLACEHOLDER)
        tokens += (f"{PREFIX}{phones[phone]}", f"{PREFIX}{int(note)}")
        previous = index
    return tokens


def tokens_to_frames(tokens: Sequence[str], phones: Sequence[str]) -> LabelFrames:
    """The inverse of `frames_to_tokens`.

    Without placeholders a new phone begins where phone or MIDI number changes, so a phone that is
    sung twice on one pitch in a row reads back as one.

    Raises:
        ValueError: naming the first token that is not of the form.
    """
    ids = {phone: i for i, phone in enumerate(phones)}
    separated = PLACEHOLDER in tokens
    rows: list[tuple[int, int, int]] = []
    index, position, fresh = -1, 0, True
    while position < len(tokens):
        if tokens[position] == PLACEHOLDER:
            position, fresh = position + 1, True
            continue
        pair = tokens[position : position + 2]
        phone = ids.get(pair[0].removeprefix(PREFIX))
        note = pair[1].removeprefix(PREFIX) if len(pair) == 2 else ""
        if phone is None or not pair[0].startswith(PREFIX):
            raise ValueError(f"token {position} {pair[0]!r} is not svs_<phone>")
        if not note.isdigit() or int(note) >= N_MIDI:
            raise ValueError(f"token {position + 1} is not svs_<midi>")
        changed = not rows or (phone, int(note)) != rows[-1][:2]
        if fresh or (changed and not separated):
            index += 1
        rows.append((phone, int(note), index))
        position, fresh = position + 2, False
    columns = np.array(rows, np.int32).reshape(-1, 3)
    return LabelFrames(*columns.T)
