"""Phone times for a score that has none, by a rule: for formats that cannot do without."""

from dataclasses import replace

from espnet2_ext.score.lyrics.languages import language_of
from espnet2_ext.score.music_score import MusicScore, Phone

CONSONANT_SEC = 0.06
MADE_UP = "phone times: none in the score; a rule made them up"


def with_even_phones(score: MusicScore) -> MusicScore:
    """Perform every note within its own time, its vowel as long as there is room.

    The phones around the vowel last `CONSONANT_SEC` each, or an equal share of a short note. This
    is no performance, as consonants begin on the beat: the duration model makes one.
    """
    language = language_of(score.language)
    phones: list[Phone] = []
    for index, note in enumerate(score.notes):
        names = note.phones or ("SP",)
        vowel = language.nucleus(names)
        length = note.end_sec - note.start_sec
        short = min(CONSONANT_SEC, length / len(names))
        start = note.start_sec
        for position, name in enumerate(names):
            after = len(names) - 1 - position
            is_vowel = position == vowel
            end = note.end_sec - after * short if is_vowel else start + short
            phones.append(Phone(start, end, name, index))
            start = end
    return replace(score, phones=tuple(phones))
