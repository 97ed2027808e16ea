"""What attributes of speech say can be measured: pace, pitch, its range, loudness, colour."""

from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("espeakng_loader")

from espnet2_ext.corpora.mini.cast import draw_cast
from espnet2_ext.corpora.mini.espeak import Espeak
from espnet2_ext.corpora.mini.voice import analyse
from espnet2_ext.corpora.mini_song.lexicons import lyrics_of
from espnet2_ext.corpora.mini_song.speaking import say_phrase
from espnet2_ext.corpora.mini_song.talks import Turn
from espnet2_ext.corpora.mini_song.values import ACCENTS, AGES, GENDERS
from espnet2_ext.corpora.mini_song.voices import Speaker, aged

FS = 16000
SPEAKERS = {
    (gender, age): Speaker(aged(singer, gender, age), gender, age)
    for gender, singer in zip(GENDERS, draw_cast(2, 0), strict=True)
    for age in AGES
}
PLAIN = {"emotion": "neutral", "style": "conversational", "accent": "standard"}


@dataclass(frozen=True)
class Heard:
    """Simple measures of a phrase."""

    hz: float  # median F0; nan where nothing is voiced
    octaves: float  # from the lowest tenth of voiced frames to the highest
    rise: float  # octaves from the first half to the last tenth of the voiced frames
    jitter: float  # octaves, from frame to frame
    seconds: float
    db: float
    tilt_db: float  # above 2 kHz against below
    voiced: float  # share of frames


@pytest.fixture(scope="module")
def espeak():
    return Espeak()


def said(espeak, speaker=("female", "young"), language="zh", **values):
    words = lyrics_of(language).train
    phrase = tuple(words[k] for k in (0, 3, 6, 8))
    values = {**PLAIN, "accent": next(iter(ACCENTS[language])), **values}
    turn = Turn("turn", SPEAKERS[speaker], language, phrases=(phrase,), **values)
    return say_phrase(turn, 0, FS, 0, espeak)


def heard(espeak, **values):
    coloured = said(espeak, **values)
    wav = coloured.wav
    f0, _, _ = analyse(wav, FS, 600.0)
    log_f0 = np.log2(f0[f0 > 0])
    power = np.abs(np.fft.rfft(wav)) ** 2
    edge = round(2000 * len(wav) / FS)
    return Heard(
        hz=float(2 ** np.median(log_f0)) if len(log_f0) else np.nan,
        octaves=float(np.ptp(np.percentile(log_f0, (10, 90)))) if len(log_f0) else np.nan,
        rise=float(np.mean(log_f0[-len(log_f0) // 10 :]) - np.mean(log_f0[: len(log_f0) // 2])),
        jitter=float(np.median(np.abs(np.diff(log_f0, 2)))),
        seconds=coloured.score.phones[-1].start_sec,
        db=float(10 * np.log10(np.mean(wav**2))),
        tilt_db=float(10 * np.log10(power[edge:].sum() / power[:edge].sum())),
        voiced=float((f0 > 0).mean()),
    )


@pytest.fixture(scope="module")
def plain(espeak):
    return heard(espeak)


def test_emotions(espeak, plain):
    of = {name: heard(espeak, emotion=name) for name in ("happy", "sad", "angry", "surprised")}
    assert of["happy"].hz > 1.1 * plain.hz and of["happy"].octaves > 1.3 * plain.octaves
    assert of["sad"].hz < 0.95 * plain.hz and of["sad"].octaves < 0.8 * plain.octaves
    assert of["sad"].seconds > 1.1 * plain.seconds > 1.1 * of["angry"].seconds
    assert of["angry"].db - plain.db > 3 and plain.db - of["sad"].db > 3
    assert of["angry"].tilt_db > plain.tilt_db + 1 and plain.tilt_db > of["sad"].tilt_db
    assert of["surprised"].rise > plain.rise + 0.2


def test_styles(espeak, plain):
    of = {name: heard(espeak, style=name) for name in ("news", "storytelling", "whispered")}
    assert of["news"].seconds < 0.9 * plain.seconds < 0.8 * of["storytelling"].seconds
    assert of["whispered"].voiced < 0.1 < 0.5 * plain.voiced
    assert of["storytelling"].octaves > plain.octaves


def test_genders_and_ages(espeak):
    of = {who: heard(espeak, speaker=who) for who in SPEAKERS}
    for age in AGES:
        assert of["female", age].hz > 1.1 * of["male", age].hz
    for gender in ("female", "male"):
        child, young, middle, elderly = (of[gender, age] for age in AGES)
        assert child.hz > 1.25 * young.hz > 1.25 * 1.08 * middle.hz
        assert elderly.seconds > 1.1 * max(child.seconds, young.seconds, middle.seconds)
        assert elderly.jitter > 1.5 * young.jitter


def test_accents_are_tones_or_vowels_of_their_own(espeak):
    pitches = {}
    for name in ACCENTS["zh"]:
        coloured = said(espeak, accent=name)
        pitches[name] = [note.midi for note in coloured.score.notes if not note.is_rest]
    assert len({tuple(row) for row in pitches.values()}) == len(pitches)
    spectra = []
    for name in ACCENTS["en"]:
        wav = said(espeak, language="en", accent=name).wav
        _, sp, _ = analyse(wav, FS)
        spectra.append(10 * np.log10(sp.mean(axis=0) + 1e-12))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.std(spectra[one] - spectra[other]) > 0.5


def test_phones_are_those_of_the_text_whatever_the_accent(espeak):
    for language, accents in ACCENTS.items():
        phones = [
            [phone.phone for phone in said(espeak, language=language, accent=name).score.phones]
            for name in accents
        ]
        assert all(row == phones[0] for row in phones)
