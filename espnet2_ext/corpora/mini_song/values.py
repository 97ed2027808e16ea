"""What each value of an attribute is in sound: one table for voices, speech and songs.

`docs/mini_song.md` shows this table; `genres` has what is played, `wording` how values are named in
descriptions.
"""

from dataclasses import dataclass

from espnet2_ext.corpora.mini.english_voice import ENGLISH_VOICE
from espnet2_ext.corpora.mini.manner import Manner

GENDERS = ("female", "male")


@dataclass(frozen=True, slots=True)
class Age:
    """An age, against the singer who is drawn (a young adult).

    Args:
        semitones: How much higher a voice of each gender is, speaking and singing.
        formants: Factor on formant frequencies for each gender.
        rate: Factor on the pace of speech.
        tilt_db: Spectral tilt (dB per octave above 1 kHz).
        breathiness: Exponent on aperiodicity: below 1 is breathier.
        jitter_cents: Irregularity of pitch.
        shimmer_db: Irregularity of loudness.
        tremor_cents: Depth of a slow tremor of speech.
        vibrato_hz: Factor on the rate of vibrato.
        vibrato_cents: Factor on its depth.
    """

    semitones: tuple[float, float] = (0.0, 0.0)
    formants: tuple[float, float] = (1.0, 1.0)
    rate: float = 1.0
    tilt_db: float = 0.0
    breathiness: float = 1.0
    jitter_cents: float = 0.0
    shimmer_db: float = 0.0
    tremor_cents: float = 0.0
    vibrato_hz: float = 1.0
    vibrato_cents: float = 1.0


AGES = {
    "child": Age((6, 13), (1.17, 1.26), rate=1.05, tilt_db=0.8, vibrato_cents=0.35),
    "young": Age(),
    "middle-aged": Age((-3, -2), (0.94, 0.94), rate=0.9, tilt_db=-1.5, vibrato_cents=1.1),
    "elderly": Age(
        (-1, 2), (0.97, 0.97), rate=0.76, tilt_db=-2.5, breathiness=0.6,
        jitter_cents=22, shimmer_db=1.2, tremor_cents=45, vibrato_hz=0.8, vibrato_cents=1.8,
    ),
}  # fmt: skip

EMOTIONS = {
    "neutral": Manner(),
    "happy": Manner(pitch=3, span=1.7, rate=1.1, gain_db=2, tilt_db=0.8),
    "sad": Manner(
        pitch=-2, span=0.5, rate=0.82, gain_db=-5, tilt_db=-1.8, slope=-1, breathiness=0.7
    ),
    "angry": Manner(
        pitch=1, span=1.3, rate=1.12, gain_db=5, tilt_db=2.8, slope=-1, jitter_cents=12
    ),
    "surprised": Manner(pitch=3, span=1.4, rate=0.95, gain_db=1, rise=8),
}  # fmt: skip

STYLES = {
    "conversational": Manner(),
    "news": Manner(rate=1.25, span=0.85, slope=-3, tilt_db=0.5),
    "storytelling": Manner(rate=0.8, span=1.35, pause_sec=0.55),
    "whispered": Manner(rate=0.92, gain_db=-8, whispered=True),
}


@dataclass(frozen=True, slots=True)
class Accent:
    """How a language is pronounced.

    Args:
        tones: In Mandarin, pairs of a standard tone and the tone that it is said in.
        voice: In English, espeak-ng's voice.
    """

    tones: tuple[tuple[str, str], ...] = ()
    voice: str = ENGLISH_VOICE


ACCENTS = {
    "zh": {
        "standard": Accent(),
        "sichuan": Accent(tones=(("2", "5"), ("3", "4"), ("4", "3"))),
        "tianjin": Accent(tones=(("1", "5"),)),
    },
    "en": {
        "american": Accent(),
        "british": Accent(voice="en-gb-x-rp"),
        "scottish": Accent(voice="en-gb-scotland"),
    },
}
"""Sichuan's tones fall where the standard ones dip and dip where they fall, and the second is low;
Tianjin's first is low. Phones are those of the standard language."""


@dataclass(frozen=True, slots=True)
class Atmosphere:
    """The mood of a song.

    Args:
        scale: Of the melody, of `composer.SCALES`.
        tempo: Share of the genre's range of tempi, from and to.
        register: Share of the singer's range at which the melody's lies: 0 lowest, 1 highest.
        gain_db: Loudness.
        tilt_db: Spectral tilt of the voice (dB per octave above 1 kHz).
        velocity: How hard instruments are played, 0 to 1.
    """

    scale: str
    tempo: tuple[float, float]
    register: float
    gain_db: float
    tilt_db: float
    velocity: float


ATMOSPHERES = {
    "cheerful": Atmosphere("major", (0.6, 1.0), 0.7, 0.0, 0.5, 0.75),
    "melancholy": Atmosphere("minor", (0.0, 0.35), 0.3, -4.0, -1.2, 0.4),
    "peaceful": Atmosphere("major pentatonic", (0.0, 0.3), 0.5, -6.0, -1.8, 0.25),
    "passionate": Atmosphere("minor", (0.65, 1.0), 1.0, 1.5, 1.5, 1.0),
    "solemn": Atmosphere("minor pentatonic", (0.0, 0.3), 0.0, 0.0, 0.3, 0.85),
}

SLOW_BPM, FAST_BPM = 88, 112


def rhythm_word(bpm: float) -> str:
    """What a tempo (quarters per minute) is called."""
    return "slow" if bpm < SLOW_BPM else "fast" if bpm > FAST_BPM else "moderate"


KEPT_APART = {
    ("genre", "atmosphere"): (
        ("pop", "solemn"), ("rock", "peaceful"), ("folk", "passionate"), ("jazz", "cheerful"),
        ("electronic", "melancholy"),
    ),
    ("age", "genre"): (("child", "jazz"), ("elderly", "pop"), ("young", "folk")),
    ("emotion", "style"): (
        ("happy", "news"), ("sad", "conversational"), ("angry", "whispered"),
        ("surprised", "storytelling"),
    ),
    ("age", "emotion"): (("child", "sad"), ("elderly", "angry"), ("middle-aged", "surprised")),
}  # fmt: skip
"""Pairs of values that stand together in `test_combination` alone."""


def kept_apart(values: dict[str, str]) -> bool:
    """Whether values by attribute hold a pair that only `test_combination` may have."""
    return any(
        (values.get(one), values.get(other)) in pairs for (one, other), pairs in KEPT_APART.items()
    )
