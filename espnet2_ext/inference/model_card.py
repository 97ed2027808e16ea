"""The README.md of a packed model, in Hugging Face's form: metadata in YAML, then text."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espnet2_ext.audio.mel import MelConfig

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


def model_card(
    about: dict[str, Any],
    mel: MelConfig,
    phones: Sequence[str],
    results: list[dict[str, Any]] | None,
) -> str:
    """Write the card.

    Args:
        about: Manifest: name, corpus, licence, version, commit, command, languages, singers.
        mel: Mel configuration.
        phones: Phone set.
        results: Rows of ``results.json``, or None.
    """
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    licence, corpus = about["licence"], about["corpus"]
    name = licence_id(licence)
    synthetic = "synthetic" in licence.lower()
    non_commercial = bool(re.search(r"-nc-|non-?\s?commercial", f"{name} {licence}", re.I))
    rows = results or []
    other = {"license_name": "see-license", "license_link": "LICENSE.txt"}
    data = ModelCardData(
        language=about["languages"] or None,
        license=name,
        **(other if name == "other" else {}),
        library_name="espnet2-ext",
        pipeline_tag="text-to-audio",
        tags=TAGS + ["synthetic-corpus"] * synthetic + ["non-commercial"] * non_commercial,
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
            if row["system"].startswith("lm")
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
        licence=licence.strip(),
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
