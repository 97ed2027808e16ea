"""Words for a voicebank: drawn from the morae that it has, and meaning nothing."""

from collections.abc import Iterator, Sequence

import numpy as np

from espnet2_ext.corpora.mini.voicebank import LANGUAGE, Voicebank
from espnet2_ext.corpora.mini.words import Lyrics, SpelledWord, SungSyllable

_ROUNDS = 3  # in each, every mora is in one word of training
_LENGTHS = (2, 3)
_NASAL = ("N",)  # ん, which begins no word


def bank_lyrics(bank: Voicebank, seed: int) -> Lyrics:
    """Words of one to three morae, every mora in several; deterministic in the seed."""
    rng = np.random.default_rng([seed, 66])
    morae = bank.syllables
    train = [word for _ in range(_ROUNDS) for word in _round(morae, rng)]
    held_out = [word for word in _round(morae, rng) if word not in train]
    alone = [(mora,) for mora in morae if mora.phones != _NASAL]  # to fill what is left of a phrase
    words = [_spelled([*train, *alone[::2]]), _spelled([*held_out, *alone[1::2]])]
    return Lyrics(LANGUAGE, *words, bank.unit_of)


def _round(
    morae: Sequence[SungSyllable], rng: np.random.Generator
) -> Iterator[tuple[SungSyllable, ...]]:
    shuffled = [morae[index] for index in rng.permutation(len(morae))]
    while len(shuffled) > 1:
        length = int(rng.choice(_LENGTHS)) if len(shuffled) > _LENGTHS[-1] + 1 else len(shuffled)
        word, shuffled = shuffled[:length], shuffled[length:]
        if word[0].phones == _NASAL:
            word.append(word.pop(0))
        yield tuple(word)


def _spelled(words: Sequence[tuple[SungSyllable, ...]]) -> tuple[SpelledWord, ...]:
    return tuple(SpelledWord(word) for word in dict.fromkeys(words))
