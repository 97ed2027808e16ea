"""The English words that the embedded corpus sings: a small lexicon that covers ARPAbet.

The held-out words occur in the `test_words` songs alone, as in `lexicon`. A hyphen parts what
stands under one note from the next. Phones are those that the toolkit reads from such lyrics
(`score.lyrics.english`).
"""

from functools import lru_cache

from espnet2_ext.corpora.mini.words import Lyrics, SpelledWord, SungSyllable
from espnet2_ext.score.lyrics.languages import LANGUAGES

_TRAIN_WORDS = """
morn-ing eve-ning sun-shine moon-light riv-er wa-ter win-ter sum-mer moun-tain val-ley mea-sure
trea-sure plea-sure a-gain to-day to-night be-yond re-turn for-ev-er to-geth-er danc-ing sing-ing
sail-ing dream-ing noth-ing some-thing fath-er moth-er broth-er voic-es beau-ty jour-ney gen-tle
hap-py ver-y sea-son free-dom ech-o rain-bow thun-der whis-per voy-age boy joy choice year young you
yes good look would full choose true blue house down cloud sound child each beach bridge heart star
far path both with breath breathe fly world bird earth hush wish wing gold home cat hand fall dawn
cold
"""
_HELD_OUT_WORDS = """
sun-light moon-shine sun-down rain-fall wa-ter-fall spring-time birth-day heav-en lov-er gar-den
sev-en star-light boat light night rain snow sing dance hope wild road
"""


@lru_cache(maxsize=1)
def english() -> Lyrics:
    """The words with their phones; raises `UserError` without ``espeakng-loader``."""
    return Lyrics("en", _words(_TRAIN_WORDS), _words(_HELD_OUT_WORDS))


def _words(table: str) -> tuple[SpelledWord, ...]:
    words = []
    for entry in table.split():
        parts = entry.split("-")
        read = LANGUAGES["en"].read("".join(parts), f"lexicon entry {entry!r}")
        if len(read) != len(parts):
            raise ValueError(f"lexicon entry {entry!r}: {len(read)} syllables, {len(parts)} parts")
        written = [f"{part}-" for part in parts[:-1]] + parts[-1:]
        syllables = zip(written, read, strict=True)
        words.append(
            SpelledWord(
                tuple(
                    SungSyllable(" ".join(syllable.phones), syllable.phones, part)
                    for part, syllable in syllables
                )
            )
        )
    return tuple(words)
