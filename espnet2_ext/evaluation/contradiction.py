"""Does a description that says the opposite change what is generated?

Each utterance is generated twice, with the same words, score and noise: described as a woman's
and as a man's. A judge of attributes hears which it is.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from espnet2_ext.judges.attributes import AttributeJudge, listen
from espnet2_ext.judges.f0 import Extractor

GENDERS = ("female", "male")


def contradictions(
    utterances: Iterable[tuple[str, Mapping[str, Any]]],
    generate: Callable[[str, Mapping[str, Any]], tuple[np.ndarray, int]],
    judge: AttributeJudge,
    extractor: Extractor,
) -> dict[str, Any]:
    """How often what is described is heard, and how often it follows the change.

    Args:
        utterances: Ids and attributes, a gender among them.
        generate: Id and attributes, as they are to be described, to samples and rate.
        judge: Hears the gender.
        extractor: Of the judge's F0.

    Returns:
        ``utts``: of each, whether it was heard rightly as it was described (``own``) and with the
        other gender (``other``); and the shares over all, ``follows`` being that of both.
    """
    rows = []
    for utt, attributes in utterances:
        right = {}
        for gender in GENDERS:
            described = {**attributes, "gender": gender}
            heard = listen(*generate(utt, described), extractor)
            own = "own" if gender == attributes["gender"] else "other"
            right[own] = judge.right(heard, {"kind": "speech", "gender": gender})["gender"]
        rows.append({"utt": utt, **right})
    shares = {name: float(np.mean([row[name] for row in rows])) for name in ("own", "other")}
    shares["follows"] = float(np.mean([row["own"] * row["other"] for row in rows]))
    return {"n_utt": len(rows), **shares, "utts": rows}
