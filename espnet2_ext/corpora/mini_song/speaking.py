"""A phrase of a turn, said by espeak-ng in its accent, in the speaker's voice and the manner."""

from espnet2_ext.corpora.mini.espeak import Espeak
from espnet2_ext.corpora.mini.jobs import rng_of
from espnet2_ext.corpora.mini.speech import Coloured, colour, say_english, say_mandarin
from espnet2_ext.corpora.mini_song.talks import Turn
from espnet2_ext.corpora.mini_song.values import ACCENTS

_SPAN = 50  # espeak-ng's pitch range, of all speakers: manners move it


def say_phrase(turn: Turn, index: int, fs: int, seed: int, espeak: Espeak) -> Coloured:
    """Say a phrase.

    Args:
        turn: Whose phrase it is.
        index: Of the phrase.
        fs: Sampling rate (Hz).
        seed: What is irregular is drawn by it, and by turn and phrase.
        espeak: Whose state moves on.
    """
    singer, phrase, pace = turn.speaker.singer, turn.phrases[index], turn.words_per_minute
    accent = ACCENTS[turn.language][turn.accent]
    if turn.language == "en":
        spoken = say_english(phrase, singer.variant, pace, _SPAN, espeak, accent.voice)
    else:
        spoken = say_mandarin(phrase, singer.variant, pace, _SPAN, espeak, dict(accent.tones))
    return colour(spoken, singer, fs, turn.manner, rng_of(seed, "turn", turn.name, index))
