"""The written notes as a contour: at their pitch, voiced by the phones, gliding between notes."""

import numpy as np

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.evaluation.written_f0 import written_f0
from espnet2_ext.lint import onset
from espnet2_ext.score.lyrics.languages import LANGUAGES
from espnet2_ext.score.lyrics.voicing import VOICELESS, is_voiced
from espnet2_ext.score.music_score import MusicScore, Note, Phone

FPS = 100


def test_notes_are_held_glide_into_each_other_and_rests_are_silent():
    score = MusicScore(
        (
            Note(0, 0.4, 60, "ma", ("m", "a")), Note(0.4, 0.8, 67, "sa", ("s", "a")),
            Note(0.8, 1.0, 0, "", ("SP",)), Note(1.0, 1.4, 64, "—", ("a",)),
        ),
        (
            Phone(0, 0.1, "m", 0), Phone(0.1, 0.3, "a", 0), Phone(0.3, 0.4, "s", 1),
            Phone(0.4, 0.8, "a", 1), Phone(0.8, 1.0, "SP", 2), Phone(1.0, 1.4, "a", 3),
        ),
    )  # fmt: skip
    times = (np.arange(160) + 0.5) / FPS
    f0 = written_f0(score, times, FPS)
    assert np.allclose(f0[:25], midi_to_hz(60)) and np.allclose(f0[45:80], midi_to_hz(67))
    assert np.allclose(f0[100:140], midi_to_hz(64))  # a rest is not glided through
    assert not f0[30:40].any() and not f0[80:100].any() and not f0[140:].any()
    slurred = MusicScore(
        (Note(0, 0.4, 60, "a", ("a",)), Note(0.4, 0.8, 67, "—", ("a",), slur=True)),
        (Phone(0, 0.4, "a", 0), Phone(0.4, 0.8, "a", 1)),
    )
    glide = written_f0(slurred, times, FPS)[36:44]
    assert (np.diff(glide) >= 0).all() and midi_to_hz(62) < glide[4] < midi_to_hz(65)


def test_consonants_are_voiced_by_their_symbol():
    for language, phones in VOICELESS.items():
        assert phones <= set(LANGUAGES[language].phones) - LANGUAGES[language].carriers
        for noisy in (onset.NOISY, onset.UNASPIRATED, onset.FAINT):
            assert noisy.get(language, frozenset()) <= phones
    told = {phone: is_voiced(phone, "de") for phone in LANGUAGES["de"].phones}
    voiceless = {phone.removeprefix("de:") for phone, voiced in told.items() if not voiced}
    assert voiceless == {"f", "h", "k", "p", "pf", "s", "t", "ts", "tʃ", "x", "ç", "ʃ"}
    assert all(
        is_voiced(vowel, code) for code, lang in LANGUAGES.items() for vowel in lang.carriers
    )
    assert not is_voiced("SP", "zh") and not is_voiced("ko:kʰ", "ko") and is_voiced("ko:m", "ko")
