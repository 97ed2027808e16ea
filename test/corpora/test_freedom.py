"""Freer performances: the usual draws at 1, wider and still singable ones beyond."""

import itertools

import numpy as np
import pytest

from espnet2_ext.corpora.mini.composer import Song
from espnet2_ext.corpora.mini.config import CorpusConfig
from espnet2_ext.corpora.mini.performance import Take, perform
from espnet2_ext.corpora.mini.singers import roster
from espnet2_ext.corpora.mini.songs import compose_corpus
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.score.phones import is_final


def songs(**options: object) -> dict[str, list[Song]]:
    return compose_corpus(CorpusConfig(minutes=1, singers=2, **options))


@pytest.fixture(scope="module")
def phrases() -> list[MusicScore]:
    return [phrase.score for song in songs()["train"] for phrase in song.phrases]


def takes(score: MusicScore, freedom: float, n: int = 12) -> list[Take]:
    lengths = {note.lyric: 0.12 for note in score.notes}
    singer = roster(2)[0]
    return [perform(score, singer, lengths, np.random.default_rng(k), freedom) for k in range(n)]


def spreads(score: MusicScore, freedom: float) -> dict[str, float]:
    """Standard deviation over takes of what they draw."""
    drawn = takes(score, freedom)
    onsets = np.array([[group.onset_sec for group in take.groups] for take in drawn])
    return {
        "timing": onsets.std(0).mean(),
        "pitch": np.log2([take.f0_hz for take in drawn]).std(0).mean(),
        "loudness": np.array([take.gain_db for take in drawn]).std(0).mean(),
        "level": np.std([take.level_db for take in drawn]),
        "tilt": np.std([take.tilt_db for take in drawn]),
        "breathiness": np.std(np.log([take.breathiness for take in drawn])),
    }


def test_more_freedom_spreads_everything(phrases):
    usual, free = spreads(phrases[0], 1.0), spreads(phrases[0], 3.0)
    for name in usual:
        assert free[name] > 1.5 * usual[name], name


def test_without_freedom_takes_agree_but_for_chance_events(phrases):
    nothing = spreads(phrases[0], 0.0)
    assert nothing["tilt"] == nothing["level"] == nothing["breathiness"] == 0
    assert nothing["timing"] < 1e-3


@pytest.mark.parametrize("freedom", [0.0, 1.0, 3.0, 4.0])
def test_labels_stay_whole(phrases, freedom):
    for score in phrases:
        for take in takes(score, freedom, n=2):
            phones = take.score.phones
            assert phones[0].start_sec == 0
            assert phones[-1].end_sec == score.notes[-1].end_sec
            for phone, following in itertools.pairwise(phones):
                assert following.start_sec == phone.end_sec
            assert min(p.end_sec - p.start_sec for p in phones) > 0.015
            assert np.isfinite(take.f0_hz).all() and take.f0_hz.min() > 40


def test_free_singing_keeps_the_tune(phrases):
    off = []
    for score in phrases:
        for take in takes(score, 3.0, n=2):
            times = np.arange(len(take.f0_hz)) * 0.005
            for phone in take.score.phones:
                note = score.notes[phone.note]
                inside = (times >= phone.start_sec) & (times < phone.end_sec)
                if is_final(phone.phone) and inside.any():
                    midi = 69 + 12 * np.log2(np.median(take.f0_hz[inside]) / 440)
                    off.append(100 * (midi - note.midi))
    assert np.mean(np.abs(off) < 50) > 0.9 and abs(np.median(off)) < 10


def test_the_usual_corpus_is_what_it_was():
    """Options that came later leave no trace in the default corpus."""
    assert CorpusConfig().recorded().keys() == {
        "minutes", "speech_minutes", "singers", "seed", "fs"
    }  # fmt: skip
    assert {"freedom": 3, "takes": 2}.items() <= CorpusConfig(freedom=3, takes=2).recorded().items()
    plain, free = songs(), songs(freedom=3.0, takes=3)
    assert "test_takes" not in plain
    for split, of_split in plain.items():
        assert free[split] == of_split


@pytest.mark.parametrize(
    ("freedom", "values"),
    [
        (1.0, [280.728313, 37.743816, -0.408183, 1.053836, -1.329148, 0.963222, 1.741102]),
        (3.0, [281.214122, 38.85214, 0.196106, 1.013531, -3.987445, 0.893675, 5.223306]),
    ],
)
def test_a_take_of_the_small_cast_is_what_it_was(phrases, freedom, values):
    """Committed results rest on these takes: habits and gestures that came later leave them be."""
    take = takes(phrases[0], freedom, n=1)[0]
    f0, gain = take.f0_hz, take.gain_db
    found = [f0.mean(), f0.std(), gain.mean(), take.groups[2].onset_sec]
    found += [take.tilt_db, take.breathiness, take.level_db]
    assert found == pytest.approx(values, abs=2e-6)


def test_further_takes_sing_the_test_songs_under_new_numbers():
    free = songs(takes=3)
    again = free["test_takes"]
    assert [song.phrases for song in again] == [song.phrases for song in free["test"]] * 2
    numbers = [song.number for of_split in free.values() for song in of_split]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("options", [{"freedom": -1.0}, {"freedom": 9.0}, {"takes": 0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match="needs"):
        CorpusConfig(**options)
