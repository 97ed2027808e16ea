"""Instruments of our own: in tune, without clicks or NaN, louder and brighter when played hard."""

import numpy as np
import pytest

from espnet2_ext.audio.pitch import hz_to_midi
from espnet2_ext.corpora.mini_song.genres import CHORDAL
from espnet2_ext.corpora.mini_song.playing import DRUMS, PlayedNote
from espnet2_ext.corpora.mini_song.synthesiser import Synthesiser

FS = 16000
BAND = Synthesiser(FS)


def played(instrument, midi=60, velocity=0.7, seconds=1.0):
    return BAND.play([PlayedNote(instrument, 0.1, seconds, midi, velocity)], 2.0)


def pitch_of(wav, low_hz=50.0, high_hz=800.0):
    """MIDI number, with fractions, of a steady tone, by its autocorrelation."""
    tone = wav[int(0.3 * FS) : int(0.8 * FS)]
    power = np.abs(np.fft.rfft(tone * np.hanning(len(tone)), 8 * len(tone))) ** 2
    similar = np.fft.irfft(power)
    lags = np.arange(int(FS / high_hz), int(FS / low_hz))
    peak = lags[np.argmax(similar[lags])]
    left, top, right = similar[peak - 1 : peak + 2]
    return hz_to_midi(FS / (peak + (left - right) / (2 * (left - 2 * top + right))))


def centroid(wav):
    power = np.abs(np.fft.rfft(wav)) ** 2
    return float((np.arange(len(power)) * power).sum() / power.sum() * FS / len(wav))


@pytest.mark.parametrize("instrument", [*CHORDAL, "bass"])
def test_a_tone_is_in_tune_and_ends(instrument):
    midi = 40 if instrument == "bass" else 60
    wav = played(instrument, midi)
    assert np.isfinite(wav).all() and len(wav) == 2 * FS
    assert pitch_of(wav) == pytest.approx(midi, abs=0.2)
    assert np.abs(wav[: int(0.1 * FS)]).max() == 0
    assert np.abs(wav[int(1.5 * FS) :]).max() < 0.01 * np.abs(wav).max()


@pytest.mark.parametrize("instrument", [*CHORDAL, "bass"])
def test_hard_is_louder_and_not_duller(instrument):
    soft, hard = (played(instrument, 48, velocity) for velocity in (0.25, 1.0))
    assert np.std(hard) > 2 * np.std(soft)
    assert centroid(hard) > 0.98 * centroid(soft)


@pytest.mark.parametrize("instrument", [*CHORDAL, "bass", *DRUMS])
def test_a_tone_begins_and_ends_without_a_step(instrument):
    wav = np.abs(played(instrument, 48))
    begin, end = int(0.1 * FS), int(np.flatnonzero(wav)[-1])
    assert wav[begin : begin + 2].max() < 0.1 * wav.max()
    assert wav[end - 2 : end + 1].max() < 0.01 * wav.max()


def test_instruments_differ_in_spectrum():
    centroids = {name: centroid(played(name, 60)) for name in CHORDAL}
    assert len({round(value, -1) for value in centroids.values()}) == len(CHORDAL)
    assert centroid(played("kick")) < 300 < centroid(played("snare")) < centroid(played("hat"))
