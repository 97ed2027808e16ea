"""Composed songs: coverage of phones, ranges, lengths, splits. No audio."""

from collections import Counter

import pytest

from espnet2_ext.corpora.mini.config import CorpusConfig
from espnet2_ext.corpora.mini.lexicon import HELD_OUT_WORDS, TRAIN_WORDS
from espnet2_ext.corpora.mini.songs import SPLITS, compose_corpus
from espnet2_ext.score.phones import FINALS, INITIALS


@pytest.fixture(scope="module")
def corpus():
    return compose_corpus(CorpusConfig())


def phrases(songs):
    return [phrase for song in songs for phrase in song.phrases]


def test_default_covers_every_phone_50_times_in_train(corpus):
    counts = Counter(
        phone
        for phrase in phrases(corpus["train"])
        for note in phrase.score.notes
        if not note.slur
        for phone in note.phones
    )
    assert {phone: counts[phone] for phone in INITIALS + FINALS if counts[phone] < 50} == {}


def test_default_sizes(corpus):
    seconds = sum(p.score.duration_sec for songs in corpus.values() for p in phrases(songs))
    assert 49 * 60 < seconds < 53 * 60
    numbers = {split: len(phrases(corpus[split])) for split in SPLITS}
    assert numbers["test"] >= 60 and numbers["dev"] >= 40
    assert numbers["test_words"] >= 28 and numbers["test_singer"] >= 28
    for split in ("train", "dev", "test"):
        assert len({song.singer.name for song in corpus[split]}) >= 6
    held_out = {song.singer.name for song in corpus["test_singer"]}
    assert len(held_out) == 1
    for split in ("train", "dev", "test", "test_words"):
        assert not held_out & {song.singer.name for song in corpus[split]}


def test_songs_are_not_shared_between_splits(corpus):
    numbers = [song.number for songs in corpus.values() for song in songs]
    assert len(set(numbers)) == len(numbers)
    train = {phrase.score for phrase in phrases(corpus["train"])}
    for split in SPLITS[1:]:
        assert not train & {phrase.score for phrase in phrases(corpus[split])}


def test_held_out_words_stay_out_of_training(corpus):
    assert not {w.hanzi for w in TRAIN_WORDS} & {w.hanzi for w in HELD_OUT_WORDS}
    trained = {phone for word in TRAIN_WORDS for phone in word.phones}
    assert {phone for word in HELD_OUT_WORDS for phone in word.phones} <= trained
    held_out = {char for word in HELD_OUT_WORDS for char in word.hanzi}
    for phrase in phrases(corpus["test_words"]):
        assert set("".join(phrase.written)) <= held_out


def test_utterances_fit_their_singer_and_length(corpus):
    metres, scales = set(), set()
    for songs in corpus.values():
        for song in songs:
            metres.add(song.metre)
            scales.add(song.scale)
            for phrase in song.phrases:
                assert 3 <= phrase.score.duration_sec <= 10
                sung = [note for note in phrase.score.notes if not note.is_rest]
                assert all(song.singer.low_midi <= n.midi <= song.singer.high_midi for n in sung)
                assert len(phrase.written) == sum(not note.slur for note in sung)
    assert metres == {"4/4", "2/4", "3/4", "6/8"}
    assert scales == {"major", "major pentatonic", "minor pentatonic"}


def test_notes_lie_on_the_beat_grid(corpus):
    for song in corpus["dev"]:
        for phrase in song.phrases:
            for note in phrase.score.notes:
                quarters = note.end_sec * song.tempo / 60
                assert abs(quarters * 4 - round(quarters * 4)) < 1e-6


def test_same_seed_same_songs_other_seed_other_songs():
    small = CorpusConfig(minutes=1, singers=3, seed=4)
    assert compose_corpus(small) == compose_corpus(small)
    other = CorpusConfig(minutes=1, singers=3, seed=5)
    assert compose_corpus(small) != compose_corpus(other)


@pytest.mark.parametrize(
    "bad", [{"minutes": 0}, {"minutes": float("nan")}, {"singers": 1}, {"seed": -1}, {"fs": 8000}]
)
def test_impossible_options_are_refused(bad):
    with pytest.raises(ValueError):
        CorpusConfig(**bad)
