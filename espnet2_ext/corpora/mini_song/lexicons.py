"""The words that the corpus sings and speaks, those of mini_singing, and how they are written."""

from collections.abc import Sequence

from espnet2_ext.corpora.mini.english import english
from espnet2_ext.corpora.mini.lexicon import MANDARIN, Word
from espnet2_ext.corpora.mini.words import Lyrics, SungWord


def lyrics_of(language: str) -> Lyrics:
    """The words of a language, ``zh`` or ``en``."""
    return english() if language == "en" else MANDARIN


def written(words: Sequence[SungWord], language: str) -> str:
    """Words as a sentence, without punctuation."""
    texts = [word.hanzi if isinstance(word, Word) else word.text for word in words]
    return (" " if language == "en" else "").join(texts)
