"""Whether the first consonant of an utterance is in its audio.

Cutting songs at note boundaries loses consonants that lead the beat (espnet issue 6094, on
ACE-Opencpop): the audio then begins in the middle of a vowel, while the label begins with a
consonant. An unvoiced consonant takes its time before the voice sets in, as closure or as noise;
where the voice sets in at once, or nothing but silence comes before a consonant that is always
heard, the consonant is gone. Of others, silence says nothing.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from espnet2_ext.lint.limits import Limits
from espnet2_ext.lint.sound import FRAME_SEC, SILENCE_DB, Sound, levels_db
from espnet2_ext.score.music_score import MusicScore

UNASPIRATED = {
    "zh": frozenset("bdg"),
    "yue": frozenset({"b", "d", "g", "gw"}),
    "ja": frozenset({"p", "py", "t", "k", "ky", "kw"}),
}
"""Unvoiced plosives, by language, that may be all closure: silence is no sign of loss.

Japanese labels begin with the closure: in the two songs of NIT SONG070, noise fills less than a
quarter of all 10 /p/, of 6 of 15 /t/ and of 3 of 20 /k/.
"""
FAINT = {
    "yue": frozenset({"h"}),
    "ja": frozenset({"h", "hy", "f"}),
    "en": frozenset({"HH"}),
}
"""Fricatives, by language, without a narrow passage: their noise may drown in that of the room.

Japanese /h/ lies 45 to 50 dB under its vowel in those songs, at times under `onset_noise_db`.
"""
NOISY = {
    language: frozenset(phones.split())
    for language, phones in {
        "zh": "p t k f h j q x zh ch sh z c s",
        "yue": "p t k kw f z c s",
        "ja": "ts s sh ch",
        "en": "P T K F TH S SH CH",
    }.items()
}
"""Consonants, by language, whose noise is heard before the voice sets in."""
VOICE_BELOW_DB = 15.0
"""The voice has set in where it is periodic and this close to the vowel's level."""
NOISE_HZ = (1500.0, 3500.0)
"""Noise is what lies above; between the two it counts in part."""
TRANSITION_SEC = 0.02
"""Before the voice's onset; what sounds there may be the vowel's own first period."""


@dataclass(frozen=True)
class Onset:
    """The first consonants as heard.

    Args:
        phone: The first of them.
        noisy: Whether noise belongs to it.
        start_sec: Where the label has it.
        end_sec: And ends it.
        voiced_after_sec: When the voice sets in, from `start_sec`.
        noise_sec: How long there is noise before that.
    """

    phone: str
    noisy: bool
    start_sec: float
    end_sec: float
    voiced_after_sec: float
    noise_sec: float

    def badness(self, limits: Limits) -> float:
        """At least 1 where the consonant is missing, 0 where it is there."""
        length_sec = self.end_sec - self.start_sec
        earliest_sec = min(limits.onset_share * length_sec, length_sec - limits.onset_slack_sec)
        if self.voiced_after_sec < earliest_sec:
            return 2.0 - self.voiced_after_sec / earliest_sec
        return 1.0 if self.noisy and self.noise_sec < limits.onset_noise_share * length_sec else 0.0


def first_onset(sound: Sound, score: MusicScore, limits: Limits) -> Onset | None:
    """Listen to the first sung phone; None where it is no unvoiced consonant, or too short."""
    noisy = NOISY.get(score.language, frozenset())
    unvoiced = noisy.union(*(kind.get(score.language, ()) for kind in (UNASPIRATED, FAINT)))
    sung = [phone for phone in score.phones if not score.notes[phone.note].is_rest]
    onset = list(itertools.takewhile(lambda phone: phone.phone in unvoiced, sung))
    if not onset or len(onset) == len(sung):
        return None
    vowel = sung[len(onset)]
    start, end = onset[0].start_sec, vowel.start_sec
    if end - start < limits.onset_min_sec or sound.duration_sec < end + 2 * TRANSITION_SEC:
        return None
    within = sound.frames(start, vowel.end_sec)
    vowel_db = sound.level_db[sound.frames(end, vowel.end_sec)].max(initial=SILENCE_DB)
    clarity = sound.pitch[1][within]
    voiced = (clarity > limits.clarity) & (sound.level_db[within] > vowel_db - VOICE_BELOW_DB)
    lasting = np.flatnonzero(voiced[:-1] & voiced[1:])
    if not lasting.size:
        return None  # the vowel is missing too: another finding
    after_sec = float(lasting[0]) * FRAME_SEC
    noise_db = _noise_db(sound, vowel.end_sec)
    before = noise_db[sound.frames(start, min(end, start + after_sec) - TRANSITION_SEC)]
    heard = np.count_nonzero(before > vowel_db - limits.onset_noise_db)
    return Onset(onset[0].phone, onset[0].phone in noisy, start, end, after_sec, heard * FRAME_SEC)


def _noise_db(sound: Sound, end_sec: float) -> np.ndarray:
    """Level of what lies above `NOISE_HZ` (T,), without the ringing of a steep filter."""
    from scipy import fft

    wav = sound.wav[: round(end_sec * sound.fs)]
    size = fft.next_fast_len(len(wav) + round(TRANSITION_SEC * sound.fs))
    hz = fft.rfftfreq(size, 1 / sound.fs)
    slope = np.clip((hz - NOISE_HZ[0]) / (NOISE_HZ[1] - NOISE_HZ[0]), 0, 1)
    high = fft.irfft(fft.rfft(wav, size) * np.sin(slope * np.pi / 2) ** 2, size)
    return levels_db(high[: len(wav)], sound.fs)
