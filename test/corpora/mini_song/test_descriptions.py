"""Descriptions: every name and template is there and filled; test_phrasing's are its own."""

import itertools
import re
import string

import numpy as np
import pytest

from espnet2_ext.corpora.mini_song.descriptions import PARAPHRASES, describe
from espnet2_ext.corpora.mini_song.genres import CHORDAL, GENRES
from espnet2_ext.corpora.mini_song.templates import FREE, LABELLED, free, labelled
from espnet2_ext.corpora.mini_song.values import (
    ACCENTS,
    AGES,
    ATMOSPHERES,
    EMOTIONS,
    GENDERS,
    STYLES,
)
from espnet2_ext.corpora.mini_song.wording import LANGUAGES, NAMES

SONG = {
    "kind": "song", "language": "zh", "gender": "female", "age": "elderly", "genre": "electronic",
    "instruments": ["synthesizer", "bass", "drums"], "rhythm": {"bpm": 121, "word": "fast"},
    "metre": "4/4", "key": "A minor", "atmosphere": "passionate",
}  # fmt: skip
SPEECH = {
    "kind": "speech", "language": "en", "gender": "male", "age": "child", "emotion": "angry",
    "style": "news", "accent": "scottish",
}  # fmt: skip
TAGS = [{"tag": f"[S{k}]", "speaker": "x", **SPEECH} for k in (0, 1)]
DIALOGUE = {"kind": "dialogue", "language": "en", "speakers": TAGS}
VALUES = {
    "person": {" ".join(pair) for pair in itertools.product(GENDERS, AGES)},
    "emotion": set(EMOTIONS), "style": set(STYLES), "genre": set(GENRES),
    "accent": {name for of_language in ACCENTS.values() for name in of_language},
    "instrument": {*CHORDAL, "bass", "drums"}, "atmosphere": set(ATMOSPHERES),
    "rhythm": {"slow", "moderate", "fast"}, "language": {"zh", "en"},
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_value_has_names(language):
    assert {kind: set(names) for kind, names in NAMES[language].items()} == VALUES
    assert all(names for of_kind in NAMES[language].values() for names in of_kind.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_templates_name_everything_and_none_is_held_out_and_trained(language):
    wanted = {
        "speech": {"person", "emotion", "style", "accent"},
        "song": {"person", "genre", "instruments", "rhythm", "bpm", "atmosphere", "language"},
    }
    for kind, places in wanted.items():
        templates = free(kind, language)
        assert not set(templates.train) & set(templates.held_out)
        for text in (*templates.train, *templates.held_out):
            fields = {name.lower() for _, name, _, _ in string.Formatter().parse(text) if name}
            assert fields == places, text
    assert len(labelled(language)) == 5


@pytest.mark.parametrize("attributes", [SONG, SPEECH, DIALOGUE], ids=lambda a: a["kind"])
@pytest.mark.parametrize("set_name", ["train", "test_phrasing"])
def test_descriptions_of_both_languages(attributes, set_name):
    described = describe(attributes, set_name, np.random.default_rng(0))
    for language in LANGUAGES:
        texts = [d["text"] for d in described if d["lang"] == language and d["form"] == FREE]
        assert len(texts) == PARAPHRASES
        assert not any(re.search(r"[{}]|\ba [aeiou]", text) for text in texts)
        named = NAMES[language]
        for text in texts:
            if attributes["kind"] == "song":
                assert "121" in text
                assert any(name in text for name in named["atmosphere"]["passionate"])
            else:
                lower = text.lower()
                assert any(name in lower for name in named["person"]["male child"])
            if attributes["kind"] == "dialogue":
                assert text.startswith("[S0]") and text.count("[S1]") == 1
    forms = [d["form"] for d in described]
    assert forms.count(LABELLED) == (2 if attributes["kind"] == "song" else 0)
    other = "train" if set_name == "test_phrasing" else "test_phrasing"
    others = describe(attributes, other, np.random.default_rng(0))
    assert not {d["text"] for d in described} & {d["text"] for d in others}


def test_five_labels_in_their_order():
    described = describe(SONG, "train", np.random.default_rng(3))
    (text,) = [d["text"] for d in described if (d["lang"], d["form"]) == ("en", LABELLED)]
    labels = ("Genre:", "Instrumentation:", "Singer:", "Rhythm and melody:", "Mood and atmosphere:")
    assert [text.index(label) for label in labels] == sorted(text.index(label) for label in labels)
    assert "A minor" in text
