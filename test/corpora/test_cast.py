"""Many singers: apart from one another, by description and by ear; songs enough for tests."""

import itertools
from dataclasses import fields

import numpy as np
import pytest

from espnet2_ext.corpora.mini.cast import MIN_DISTANCE_DB, describe, distance, draw_cast
from espnet2_ext.corpora.mini.config import CorpusConfig
from espnet2_ext.corpora.mini.singers import Habits
from espnet2_ext.corpora.mini.songs import cast_of, compose_corpus
from espnet2_ext.corpora.mini.timbre import FORMANT_HZ, Timbre

MANY = CorpusConfig(minutes=75, cast="many")


@pytest.fixture(scope="module")
def cast():
    return draw_cast(40)


@pytest.fixture(scope="module")
def songs():
    return compose_corpus(MANY)


def test_no_two_singers_are_near(cast):
    assert draw_cast(40) == cast and draw_cast(40, seed=1) != cast
    described = [(singer.variant, describe(singer)) for singer in cast]
    for (variant, a), (other, b) in itertools.combinations(described, 2):
        assert distance(a, b) >= MIN_DISTANCE_DB * (1.4 if variant == other else 1)


def test_singers_differ_in_every_trait(cast):
    for of, kind in (("timbre", Timbre), ("habits", Habits)):
        for field in fields(kind):
            if field.name != "max_vibrato_cents":  # a bound, not a trait
                assert len({getattr(getattr(s, of), field.name) for s in cast}) > 9, field.name
    assert {singer.is_female for singer in cast[:32]} == {True, False}
    assert {singer.is_female for singer in cast[32:]} == {True, False}


def test_formants_stay_in_order(cast):
    hz = np.linspace(50, 12000, 500)
    for singer in cast:
        assert (np.diff(hz / singer.timbre.warp(hz)) > 0).all()
        moved = np.array(FORMANT_HZ) * singer.timbre.formants
        assert moved / singer.timbre.warp(moved) == pytest.approx(FORMANT_HZ)


def test_songs_suffice_for_tests_by_song(songs):
    def singers(split):
        return [song.singer.name for song in songs[split]]

    cast = cast_of(MANY)
    assert len(cast.training) == 32 and len(cast.unseen) == 8
    assert set(singers("train")) == {singer.name for singer in cast.training}
    for split in ("test", "test_singer"):
        assert len(singers(split)) == 24 and len(set(singers(split))) == 8
        assert all(singers(split).count(name) == 3 for name in singers(split))
        assert sum(len(song.phrases) for song in songs[split]) == 72
    assert len(set(singers("dev"))) == len(singers("dev")) == 12
    assert set(singers("test_singer")) == {singer.name for singer in cast.unseen}
    for split in ("train", "dev", "test", "test_words"):
        assert not set(singers(split)) & set(singers("test_singer"))
    minutes = sum(p.score.duration_sec for of in songs.values() for s in of for p in s.phrases) / 60
    assert 74 < minutes < 77


def test_songs_of_many_singers_are_new(songs):
    def rhythms(splits):
        return {
            tuple((note.end_sec, note.is_rest) for note in phrase.score.notes)
            for split in ("dev", "test", "test_singer")
            for song in splits[split]
            for phrase in song.phrases
        }

    assert not rhythms(songs) & rhythms(compose_corpus(CorpusConfig(minutes=50)))


def test_small_corpora_hear_every_singer():
    config = CorpusConfig(minutes=1, cast="many", singers=6, unseen=2)
    songs = compose_corpus(config)
    heard = {song.singer for of_split in songs.values() for song in of_split}
    assert heard == set(cast_of(config).singers)


def test_the_cast_is_recorded_where_it_is_set():
    assert {"cast": "many", "unseen": 8, "singers": 40}.items() <= MANY.recorded().items()
    assert CorpusConfig(cast="many", singers=3, unseen=1).recorded()["unseen"] == 1
    assert not {"cast", "unseen"} & CorpusConfig().recorded().keys()
    assert CorpusConfig().singers == 8


@pytest.mark.parametrize(
    "options",
    [{"cast": "all"}, {"cast": "many", "singers": 4, "unseen": 4}, {"unseen": 2}, {"singers": 1}],
)
def test_impossible_casts_are_refused(options):
    with pytest.raises(ValueError, match="needs"):
        CorpusConfig(**options)


def vowel_spectra(singer, voice, score, seeds, fs):
    """Mean log spectrum (bands,) dB of the voiced frames of each take, without its level."""
    import pyworld

    from espnet2_ext.corpora.mini.performance import perform
    from espnet2_ext.corpora.mini.render import render

    lengths = {name: unit.initial_sec for name, unit in voice.units.items()}
    spectra = []
    for seed in seeds:
        take = perform(score, singer, lengths, np.random.default_rng(seed))
        sung = render(take, voice, fs)
        f0 = sung.f0_hz
        envelope = pyworld.cheaptrick(sung.wav, f0, np.arange(len(f0)) * 0.005, fs)[f0 > 0]
        bands = np.array_split(envelope[:, 4:420], 24, axis=1)
        db = 10 * np.log10(np.stack([band.mean(1) for band in bands], 1)).mean(0)
        spectra.append(db - db.mean())
    return np.array(spectra)


def test_takes_are_nearer_to_their_singer_than_singers_to_each_other(songs, cast):
    pytest.importorskip("espeakng_loader")
    from espnet2_ext.corpora.mini.espeak import Espeak
    from espnet2_ext.corpora.mini.voice import Voice

    fs = 16000
    phrase = songs["dev"][0].phrases[0].score
    syllables = sorted({n.lyric for n in phrase.notes if n.phones and not n.slur and not n.is_rest})
    base = Voice.build("f2", 1.0, syllables, fs, Espeak())
    heard = []
    for singer in cast[:16:2]:  # of one variant: what differs is drawn
        voice = base.of_singer(singer.warp, singer.timbre, fs)
        heard.append(vowel_spectra(singer, voice, phrase, (1, 2), fs))
    heard = np.array(heard)
    own = np.sqrt(((heard[:, 0] - heard[:, 1]) ** 2).mean(-1))
    means = heard.mean(1)
    others = [np.sqrt(((a - b) ** 2).mean()) for a, b in itertools.combinations(means, 2)]
    assert own.max() < min(others)
    assert min(others) > 2
