"""Descriptions of an utterance in Chinese and English, drawn from templates by its attributes."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from espnet2_ext.corpora.mini_song.templates import FREE, LABELLED, free, labelled
from espnet2_ext.corpora.mini_song.wording import LANGUAGES, NAMES, key_in, listed

PARAPHRASES = 3  # free descriptions of an utterance in each language


def describe(
    attributes: Mapping[str, Any], set_name: str, rng: np.random.Generator
) -> list[dict[str, str]]:
    """Several descriptions of each language and form: ``lang``, ``form`` and ``text`` of each.

    Args:
        attributes: Of an utterance, as ``attributes.jsonl`` has them.
        set_name: Of `config.SETS`; `test_phrasing` has sentences of its own.
        rng: Draws sentences and names.
    """
    described = []
    for language in LANGUAGES:
        if attributes["kind"] == "song":
            choices = [templates.of(set_name) for templates in labelled(language)]
            sentences = [str(rng.choice(of_label)) for of_label in choices]
            space = " " if language == "en" else ""
            text = _filled(space.join(sentences), attributes, language, rng)
            described.append({"lang": language, "form": LABELLED, "text": text})
        for text in _free(attributes, set_name, language, rng):
            described.append({"lang": language, "form": FREE, "text": text})
    return described


def _free(
    attributes: Mapping[str, Any], set_name: str, language: str, rng: np.random.Generator
) -> list[str]:
    templates = free("song" if attributes["kind"] == "song" else "speech", language).of(set_name)
    if attributes["kind"] != "dialogue":
        chosen = rng.choice(templates, PARAPHRASES, replace=False)
        return [_filled(str(template), attributes, language, rng) for template in chosen]
    texts = []
    for _ in range(PARAPHRASES):
        parts = []
        for speaker in attributes["speakers"]:
            sentence = _filled(str(rng.choice(templates)), speaker, language, rng)
            parts.append(f"{speaker['tag']} {sentence}")
        texts.append(" ".join(parts))
    return texts


def _filled(
    template: str, attributes: Mapping[str, Any], language: str, rng: np.random.Generator
) -> str:
    names = NAMES[language]

    def name(kind: str, value: str) -> str:
        return str(rng.choice(names[kind][value]))

    places = {"person": name("person", f"{attributes['gender']} {attributes['age']}")}
    places["Person"] = places["person"][0].upper() + places["person"][1:]
    for kind in ("emotion", "style", "accent", "genre", "atmosphere", "language"):
        if kind in attributes:
            places[kind] = name(kind, attributes[kind])
    if "rhythm" in attributes:
        places["rhythm"] = name("rhythm", attributes["rhythm"]["word"])
        places["bpm"] = str(attributes["rhythm"]["bpm"])
        places["key"] = key_in(language, attributes["key"])
        instruments = [name("instrument", value) for value in attributes["instruments"]]
        places["instruments"] = listed(language, instruments)
    text = template.format(**places)
    return _with_articles(text) if language == "en" else text


def _with_articles(text: str) -> str:
    """``an`` for ``a`` before the names that begin with a vowel."""
    words = text.split(" ")
    for index, (word, after) in enumerate(itertools.pairwise(words)):
        if word in ("a", "A") and after[:1].lower() in "aeiou":
            words[index] += "n"
    return " ".join(words)
