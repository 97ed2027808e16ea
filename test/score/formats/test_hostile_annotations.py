"""Annotations in JSON with anything in them: a score, or one line that names the mistake."""

import copy
import random

import pytest
from corpora.singer_layouts import M4SINGER_LISTS, gtsinger_words

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats import gtsinger_metadata, m4singer
from espnet2_ext.score.formats.gtsinger import parse_words

JUNK = (None, True, -1, 0, 1, 1e308, 1e400, float("nan"), 10**400, 128, 0.5, "", "x", "1", "<SP>")
JUNK += ("a b", "_", "²", " ", "\u0301", [], {}, [1])
WORDS = gtsinger_words("English")
ITEM = gtsinger_metadata.format_item("English#a", parse_words(WORDS, "t", "en").score)
READERS = {
    "m4singer": ({"item_name": "Alto-1#a#0"} | M4SINGER_LISTS[0], m4singer.parse_item),
    "words": (WORDS, lambda loaded, place: parse_words(loaded, place, "en")),
    "metadata": (ITEM, gtsinger_metadata.parse_item),
}


def damaged(value, rng):
    """The value with up to three of its parts replaced, removed or doubled."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        node = value
        while node:
            key = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
            if isinstance(node[key], dict | list) and rng.random() < 0.8:
                node = node[key]
                continue
            action = rng.random()
            if action < 0.6:
                node[key] = copy.deepcopy(rng.choice(JUNK))
            elif action < 0.8:
                del node[key]
            elif isinstance(node, list):
                node.insert(key, copy.deepcopy(rng.choice(JUNK)))
            break
    return value


@pytest.mark.parametrize("name", READERS)
def test_damage_is_named_or_harmless(name):
    value, read = READERS[name]
    rng = random.Random(0)
    refused = 0
    for _ in range(1000):
        try:
            read(damaged(value, rng), "file.json")
        except UserError as error:
            assert str(error).startswith("file.json") and "\n" not in str(error)
            refused += 1
    assert refused > 250
