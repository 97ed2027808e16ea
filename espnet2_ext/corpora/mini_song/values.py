"""What each value of an attribute is in sound: one table for voices, speech and songs.

`docs/mini_song.md` shows this table; `genres` has what is played, `wording` how values are named in
descriptions.
"""

from dataclasses import dataclass

from espnet2_ext.corpora.mini.english_voice import ENGLISH_VOICE
from espnet2_ext.corpora.mini.manner import PLAIN, Manner

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
    "child": Age((9, 14), (1.26, 1.32), rate=1.15, tilt_db=1.5, vibrato_cents=0.2),
    "young": Age(),
    "middle-aged": Age((-4, -4), (0.9, 0.9), rate=0.88, tilt_db=-5, vibrato_cents=1.2),
    "elderly": Age(
        (-1, 2), (0.97, 0.97), rate=0.7, tilt_db=-2, breathiness=0.45,
        jitter_cents=50, shimmer_db=2, tremor_cents=110, vibrato_hz=0.65, vibrato_cents=2.6,
    ),
}  # fmt: skip
GENDER_FORMANTS = (1.05, 0.94)
"""Of women and men, besides what the drawn voices differ by."""

EMOTIONS = {
    "neutral": Manner(),
    "happy": Manner(pitch=4, span=2.2, rate=1.2, gain_db=3, tilt_db=1.5),
    "sad": Manner(
        pitch=-3, span=0.35, rate=0.7, gain_db=-9, tilt_db=-3, slope=-2, breathiness=0.5
    ),
    "angry": Manner(
        pitch=1, span=1.2, rate=1.25, gain_db=8, tilt_db=5, slope=-2, jitter_cents=40
    ),
    "surprised": Manner(pitch=5, span=1.2, rate=0.95, gain_db=1, rise=12),
}  # fmt: skip

STYLES = {
    "conversational": Manner(),
    "news": Manner(rate=1.3, span=0.6, slope=-5, tilt_db=3),
    "storytelling": Manner(rate=0.65, span=1.5, pause_sec=0.9),
    "whispered": Manner(rate=0.92, gain_db=-8, whispered=True),
}


@dataclass(frozen=True, slots=True)
class Accent:
    """How a language is pronounced.

    Args:
        tones: In Mandarin, pairs of a standard tone and the tone that it is said in.
        voice: In English, espeak-ng's voice.
        manner: Its melody and pace.
    """

    tones: tuple[tuple[str, str], ...] = ()
    voice: str = ENGLISH_VOICE
    manner: Manner = PLAIN


ACCENTS = {
    "zh": {
        "standard": Accent(),
        "sichuan": Accent((("2", "5"), ("3", "4"), ("4", "3")), manner=Manner(slope=9, rate=0.85)),
        "tianjin": Accent((("1", "5"),), manner=Manner(slope=-9, rate=1.18)),
    },
    "en": {
        "american": Accent(),
        "british": Accent(voice="en-gb-x-rp", manner=Manner(slope=-9, rate=0.85)),
        "scottish": Accent(voice="en-gb-scotland", manner=Manner(slope=9, rate=1.18)),
    },
}
"""Sichuan's tones fall where the standard ones dip and dip where they fall, and the second is low;
Tianjin's first is low. Pitch rises over a phrase in Sichuan's and the Scottish accent, and falls in
Tianjin's and the British one. Phones are those of the standard language."""


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
    "cheerful": Atmosphere("major", (0.6, 1.0), 0.7, 0.0, 1.0, 0.75),
    "melancholy": Atmosphere("minor", (0.0, 0.35), 0.15, -4.0, -1.0, 0.4),
    "peaceful": Atmosphere("major pentatonic", (0.0, 0.3), 0.85, -10.0, -6.0, 0.15),
    "passionate": Atmosphere("minor", (0.65, 1.0), 1.0, 3.0, 2.5, 1.0),
    "solemn": Atmosphere("minor pentatonic", (0.0, 0.3), 0.0, 0.0, 0.5, 0.9),
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


def heard_together(values: dict[str, str]) -> bool:
    """Whether each of the values of a manner is heard beside the others."""
    whispered = STYLES[values["style"]].whispered
    return not (whispered and EMOTIONS[values["emotion"]].rise)  # a whisper has no pitch to rise


def kept_apart(values: dict[str, str]) -> bool:
    """Whether values by attribute hold a pair that only `test_combination` may have."""
    return any(
        (values.get(one), values.get(other)) in pairs for (one, other), pairs in KEPT_APART.items()
    )
