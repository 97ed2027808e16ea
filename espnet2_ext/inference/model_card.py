"""The README.md of a packed model, in Hugging Face's form: metadata in YAML, then text."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.data.licence import says_synthetic
from espnet2_ext.files import LICENCE_FILE

TEMPLATE = Path(__file__).with_name("model_card.md.j2")
TAGS = ["espnet", "espnet2-ext", "singing-voice-synthesis", "audio"]
# Metrics of results.json that a card shows: key, and decimals.
METRICS = {"f0_corr": 3, "note_acc": 3, "per": 3, "mcd_db": 2, "singer_acc": 2}
_ABBREVIATIONS = (
    ("CREATIVE COMMONS", "CC"),
    ("ATTRIBUTION", "BY"),
    ("NON ?COMMERCIAL", "NC"),
    ("SHARE ?ALIKE", "SA"),
    ("NO ?DERIV(ATIVE)?S", "ND"),
)
_PLAIN_LICENCES = (
    (r"CC0", "cc0-1.0"),
    (r"APACHE[ A-Z,]*2\.0", "apache-2.0"),
    (r"\bMIT\b", "mit"),
)


def licence_id(text: str) -> str:
    """Hugging Face's name of the licence that a corpus' licence text states; else ``other``."""
    words = re.sub(r"[\s_-]+", " ", text.upper())
    for long, short in _ABBREVIATIONS:
        words = re.sub(long, short, words)
    match = re.search(
        r"(?:\bCC |LICENSES/)BY((?: (?:NC|SA|ND))*)(?: INTERNATIONAL)?[ /](\d\.\d)", words
    )
    if match:
        return f"cc-by{match[1].replace(' ', '-').lower()}-{match[2]}"
    for pattern, name in _PLAIN_LICENCES:
        if re.search(pattern, words):
            return name
    return "other"


def licence_of_all(texts: Iterable[str]) -> str:
    """Hugging Face's name of the one licence that all parts have; else ``other``."""
    names = {licence_id(text) for text in texts}
    return names.pop() if len(names) == 1 else "other"


def forbids_commerce(text: str) -> bool:
    """Whether a licence text forbids commercial use."""
    named = f"{licence_id(text)} {text}"
    return bool(re.search(r"-nc-|non-?\s?commercial", named, re.I))


def model_card(
    about: dict[str, Any],
    steps: Mapping[str, str],
    mel: MelConfig,
    phones: Sequence[str],
    results: list[dict[str, Any]] | None,
    own_rows: str,
) -> str:
    """Write the card.

    Args:
        about: Manifest: name, corpus, licence, licences of parts that have their own, version,
            commit, command, languages, singers.
        steps: Name of each step, in order, and what it does.
        mel: Mel configuration.
        phones: Phone set.
        results: Rows of ``results.json``, or None.
        own_rows: How the names of the model's own rows begin; what stands in brackets behind is
            another way of decoding.
    """
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    licence, corpus, of_parts = about["licence"], about["corpus"], about.get("licences", {})
    name = licence_of_all([licence, *of_parts.values()])
    synthetic = says_synthetic(licence)
    bound = {"the corpus": licence, **{f"`{part}/`": text for part, text in of_parts.items()}}
    non_commercial = [part for part, text in bound.items() if forbids_commerce(text)]
    rows = results or []
    other = {"license_name": "see-license", "license_link": LICENCE_FILE}
    data = ModelCardData(
        language=about["languages"] or None,
        license=name,
        **(other if name == "other" else {}),
        library_name="espnet2-ext",
        pipeline_tag="text-to-audio",
        tags=TAGS + ["synthetic-corpus"] * synthetic + ["non-commercial"] * bool(non_commercial),
        datasets=[corpus],
        metrics=[key for key in METRICS if any(key in row["metrics"] for row in rows)] or None,
        model_name=about["name"],
        eval_results=[
            EvalResult(
                task_type="text-to-audio",
                task_name="Singing voice synthesis",
                dataset_type=corpus,
                dataset_name=corpus,
                dataset_split=row["split"],
                metric_type=key,
                metric_value=row["metrics"][key],
            )
            for row in rows
            if row["system"].startswith(own_rows) and "(" not in row["system"]
            for key in METRICS
            if row["metrics"].get(key) is not None
        ]
        or None,
    )
    shown = [
        {"split": row["split"], "system": row["system"],
         "cells": [_cell(row["metrics"].get(key), places) for key, places in METRICS.items()]}
        for row in rows
    ]  # fmt: skip
    card = ModelCard.from_template(
        data,
        template_str=TEMPLATE.read_text(encoding="utf-8"),
        **{key: about.get(key, "") for key in ("name", "corpus", "version", "commit", "command")},
        model=f"{about['name']}.zip",
        steps=steps,
        licence=licence.strip(),
        licences={part: text.strip() for part, text in of_parts.items()},
        synthetic=synthetic,
        non_commercial=non_commercial,
        languages=about["languages"],
        singers=sorted(about["singers"]),
        phones=phones,
        mel=mel,
        metrics=list(METRICS),
        rows=shown,
    )
    return str(card)


def _cell(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:.{places}f}"
