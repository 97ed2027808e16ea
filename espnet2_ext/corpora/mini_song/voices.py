"""The speakers of the corpus, who sing as well: drawn singers of each gender and age."""

from dataclasses import dataclass, replace

from espnet2_ext.corpora.mini.cast import SPEAKING_HZ, draw_cast
from espnet2_ext.corpora.mini.manner import Manner
from espnet2_ext.corpora.mini.singers import Singer
from espnet2_ext.corpora.mini_song.values import AGES, GENDER_FORMANTS, GENDERS

_HIGHEST_MIDI = 77  # above, harmonics are too far apart for vowels


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks and sings: the voice at its age, of `GENDERS` and `AGES`."""

    singer: Singer
    gender: str
    age: str

    @property
    def name(self) -> str:
        """Speaker id."""
        return self.singer.name

    @property
    def manner(self) -> Manner:
        """What the age does to speech beside the voice itself."""
        age = AGES[self.age]
        return Manner(rate=age.rate, jitter_cents=age.jitter_cents, tremor_cents=age.tremor_cents)


def draw_speakers(number: int, seed: int) -> tuple[Speaker, ...]:
    """Draw speakers, women and men by turns, and of each the ages by turns."""
    speakers = []
    for index, singer in enumerate(draw_cast(number, seed)):
        gender = GENDERS[0 if singer.is_female else 1]
        age = tuple(AGES)[index // len(GENDERS) % len(AGES)]
        speakers.append(Speaker(aged(singer, gender, age), gender, age))
    return tuple(speakers)


def aged(singer: Singer, gender: str, age_name: str) -> Singer:
    """A drawn singer's voice at an age of `AGES`.

    Speaking pitches and formants lie nearer together than those of singers, so that genders and
    ages can be told apart.
    """
    age, sex = AGES[age_name], GENDERS.index(gender)
    semitones = age.semitones[sex]
    speaking_hz = (singer.speaking_hz * SPEAKING_HZ[sex]) ** 0.5
    timbre = replace(
        singer.timbre,
        jitter_cents=singer.timbre.jitter_cents + age.jitter_cents,
        shimmer_db=singer.timbre.shimmer_db + age.shimmer_db,
        break_midi=singer.timbre.break_midi + semitones,
    )
    high = min(singer.high_midi + round(semitones), _HIGHEST_MIDI)
    return replace(
        singer,
        warp=singer.warp**0.5 * GENDER_FORMANTS[sex] * age.formants[sex],
        low_midi=min(singer.low_midi + round(semitones), high - 12),
        high_midi=high,
        vibrato_hz=singer.vibrato_hz * age.vibrato_hz,
        vibrato_cents=singer.vibrato_cents * age.vibrato_cents,
        tilt_db=singer.tilt_db + age.tilt_db,
        breathiness=singer.breathiness * age.breathiness,
        speaking_hz=speaking_hz * 2 ** (semitones / 12),
        timbre=timbre,
    )
