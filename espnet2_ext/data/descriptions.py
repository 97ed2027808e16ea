"""Utterances as they are described: one for each description of an utterance, or one each.

ESPnet knows one value of a stream for each utterance. A recording that is described in several ways
becomes as many utterances, UTT.1, UTT.2 and so on, whose tables point to the same arrays.
"""

import random
from collections.abc import Iterable, Mapping
from pathlib import Path

from espnet2_ext.data.described import INSTRUCTIONS, Described
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table, write_table
from espnet2_ext.score.music_score import REST_PHONES

INSTRUCTION_TEXT, LYRICS_TEXT, ORIGIN = "instruction.txt", "lyrics.txt", "described2utt"


def describe(
    described: Mapping[str, Described],
    texts: Mapping[str, str],
    seed: int | None = None,
    place: str = INSTRUCTIONS,
) -> dict[str, tuple[str, str, str]]:
    """Utterance, instruction and lyrics of each described utterance.

    The first descriptions of all stand before the second ones: a batch of neighbours is not one
    recording several times.

    Args:
        described: Of the utterances.
        texts: Their phones, with tags: the lyrics of those whose attributes have none.
        seed: Draw one description for each, by its id, which stays; None: all of them.
        place: For errors.

    Raises:
        UserError: an utterance without any description.
    """
    rows: list[tuple[int, str, tuple[str, str, str]]] = []
    for utt, item in described.items():
        instructions = [one["text"] for one in item.instructions]
        if not instructions:
            raise UserError(f"{place}: {utt}", "no description", "at least one", "instructions")
        lyrics = item.attributes.get("lyrics") or _phones(texts[utt])
        if seed is not None:
            text = random.Random(f"{seed} {utt}").choice(instructions)
            rows.append((0, utt, (utt, text, lyrics)))
            continue
        for number, text in enumerate(instructions, 1):
            rows.append((number, f"{utt}.{number}", (utt, text, lyrics)))
    return {name: row for _, name, row in sorted(rows, key=lambda one: one[0])}


def _phones(text: str) -> str:
    return " ".join(word for word in text.split() if word not in REST_PHONES)


def write_descriptions(
    out_dir: str | Path, found: Mapping[str, tuple[str, str, str]], tables: Iterable[Path]
) -> None:
    """Write the tables of `describe`'s utterances, and `tables` with a line for each of them.

    Raises:
        UserError: a table lacks an utterance.
    """
    out_dir = Path(out_dir)
    for path in tables:
        values = read_table(path)
        missing = next((utt for utt, *_ in found.values() if utt not in values), None)
        if missing is not None:
            raise UserError(path, f"no {missing}", "every utterance that is described")
        write_table(out_dir / path.name, {name: values[utt] for name, (utt, *_) in found.items()})
    for column, name in enumerate((ORIGIN, INSTRUCTION_TEXT, LYRICS_TEXT)):
        write_table(out_dir / name, {key: row[column] for key, row in found.items()})
