"""English lyrics of the embedded corpus: words, their phones over notes, and what is heard."""

import itertools
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("espeakng_loader")

from espnet2_ext.corpora.mini.config import CorpusConfig
from espnet2_ext.corpora.mini.consonants import Consonants, spread
from espnet2_ext.corpora.mini.english import english
from espnet2_ext.corpora.mini.english_voice import english_units, say_phones
from espnet2_ext.corpora.mini.espeak import Espeak
from espnet2_ext.corpora.mini.layout import with_written
from espnet2_ext.corpora.mini.performance import perform
from espnet2_ext.corpora.mini.render import render
from espnet2_ext.corpora.mini.singers import roster
from espnet2_ext.corpora.mini.songs import compose_corpus
from espnet2_ext.corpora.mini.voice import Voice, mandarin_units
from espnet2_ext.corpora.mini_singing import make_corpus, prepare
from espnet2_ext.files import read_table
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.score.formats.phone_set import phones_of
from espnet2_ext.score.lyrics.english import PHONES, VOWELS
from espnet2_ext.score.lyrics.languages import LANGUAGES
from espnet2_ext.score.music_score import SLUR_LYRIC, MusicScore, Note
from espnet2_ext.score.phones import PHONES as MANDARIN_PHONES

FS = 16000


@pytest.fixture(scope="module")
def songs():
    return compose_corpus(CorpusConfig(minutes=30, languages="zh,en"))


def test_words_of_training_have_every_phone_and_held_out_ones_no_other():
    words = english()
    counts = Counter(phone for word in words.train for s in word.sung for phone in s.phones)
    assert set(counts) == set(PHONES) and min(counts.values()) >= 2
    assert {p for word in words.held_out for s in word.sung for p in s.phones} <= set(counts)
    assert not {word.text for word in words.train} & {word.text for word in words.held_out}


def test_lyrics_are_read_as_the_phones_that_are_sung(songs):
    """A user's score with the same lyrics is sung as the corpus was."""
    checked = 0
    for song in songs["dev"] + songs["test_words"]:
        for phrase in song.phrases:
            if phrase.score.language != "en":
                continue
            read = LANGUAGES["en"].over_notes(phrase.written, "lyrics")
            sung = []
            for note in phrase.score.notes:
                if note.slur:
                    sung[-1] = sung[-1] + note.phones[1:]
                elif not note.is_rest:
                    sung.append(note.phones)
            assert [syllable.phones for syllable in read] == sung
            checked += 1
    assert checked > 10


def test_a_slur_takes_the_closing_consonants_to_its_end(songs):
    held = 0
    for song in songs["train"]:
        for phrase in song.phrases:
            for note, after in itertools.pairwise(phrase.score.notes):
                if phrase.score.language == "en" and after.slur:
                    assert note.phones[-1] in VOWELS and after.phones[0] == note.phones[-1]
                    assert not set(after.phones[1:]) & set(VOWELS)
                    held += len(after.phones) > 1
    assert held > 5


@pytest.mark.parametrize("cast", ["few", "many"])
def test_every_singer_sings_both_languages(cast):
    songs = compose_corpus(CorpusConfig(minutes=75, languages="zh,en", cast=cast))
    for split in ("train", "test_singer"):
        sung = {(song.singer.name, song.phrases[0].score.language) for song in songs[split]}
        assert len(sung) == 2 * len({name for name, _ in sung})
    languages = Counter(song.phrases[0].score.language for song in songs["test"])
    assert abs(languages["zh"] - languages["en"]) <= 1


def test_mandarin_alone_is_the_usual_corpus():
    assert CorpusConfig(languages="zh") == CorpusConfig()
    assert "languages" not in CorpusConfig(languages="zh").recorded()
    assert CorpusConfig(languages="zh,en").recorded()["languages"] == "zh,en"


@pytest.mark.parametrize("languages", ["", "de", "zh,zh", "zh;en", "ja"])
def test_languages_that_espeak_does_not_sing_here_are_refused(languages):
    with pytest.raises(ValueError, match="languages"):
        CorpusConfig(languages=languages)


def test_time_is_shared_as_lengths_say():
    assert spread(1.0, 2.0, (1.0, 3.0)) == [1.0, 1.25, 2.0]
    assert spread(1.0, 2.0, (0.2,)) == [1.0, 2.0]
    assert spread(1.0, 1.0, ()) == [1.0, 1.0]


def test_closing_consonants_stay_within_their_note_however_short_it_is():
    for length in (0.12, 0.3, 2.0):
        phones = ("S", "T", "R", "IY", "T", "S")
        notes = (
            Note(0.0, 1.0, 0, "", ("SP",)),
            Note(1.0, 1.0 + length, 60, "x", phones),
            Note(1.0 + length, 2.0 + length, 62, "x", phones[:4]),
            Note(2.0 + length, 3.0 + length, 64, SLUR_LYRIC, phones[3:], True),
        )
        score = MusicScore(notes, language="en")
        consonants = {"x": Consonants((0.1, 0.06, 0.05), (0.07, 0.12))}
        singer = roster(2)[0]
        take = perform(score, singer, {"x": 0.21}, np.random.default_rng(1), 1.0, consonants)
        sung = take.score.phones
        assert [phone.phone for phone in sung] == ["SP", *phones, *phones[:4], *phones[3:]]
        for phone, after in itertools.pairwise(sung):
            assert phone.end_sec == after.start_sec and phone.end_sec > phone.start_sec
        first, last = take.groups
        assert first.coda_sec == sung[5].start_sec and last.coda_sec == sung[12].start_sec
        assert first.end_sec - first.coda_sec <= 0.5 * (first.end_sec - first.onset_sec) + 1e-9
        assert sung[2].start_sec - sung[1].start_sec > sung[4].start_sec - sung[3].start_sec


@pytest.fixture(scope="module")
def voice():
    espeak = Espeak()
    names = ["S IY", "SH AA R", "HH OW M", "F UH L", "AH"]
    units = mandarin_units("f2", 1.0, [], FS, espeak)
    return Voice(units | english_units("f2", 1.0, names, FS, espeak))


def test_phones_are_where_the_labels_say(voice, tmp_path):
    """Hissing is high, humming low and voiced; a voice written to disk is the same."""
    voice.save(tmp_path / "voice.npz")
    loaded = Voice.load(tmp_path / "voice.npz")
    assert {n: u.consonants for n, u in loaded.units.items()} == {
        n: u.consonants for n, u in voice.units.items()
    }
    names = ["S IY", "SH AA R", "HH OW M", "F UH L", "AH"]
    notes = [Note(0.0, 0.5, 0, "", ("SP",))]
    for name in names:
        at = notes[-1].end_sec
        notes.append(Note(at, at + 0.7, 60, name, tuple(name.split())))
    score = MusicScore(tuple(notes), language="en")
    lengths = {name: unit.initial_sec for name, unit in loaded.units.items()}
    consonants = {name: unit.consonants for name, unit in loaded.units.items() if unit.edges}
    rng = np.random.default_rng(0)
    take = perform(score, roster(2)[0], lengths, rng, consonants=consonants)
    sung = render(take, loaded, FS)
    f0 = sung.f0_at(0.01, FS)
    centroids, voiced = {}, {}
    for phone in take.score.phones:
        x = sung.wav[round(phone.start_sec * FS) : round(phone.end_sec * FS)]
        power = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2
        centroids[phone.phone] = (power * np.fft.rfftfreq(len(x), 1 / FS)).sum() / power.sum()
        inside = f0[round(phone.start_sec * 100) + 1 : round(phone.end_sec * 100) - 1]
        voiced[phone.phone] = (inside > 0).mean()
    assert centroids["S"] > centroids["SH"] > 2500 > centroids["AA"] > centroids["M"]
    assert voiced["S"] == voiced["SH"] == voiced["HH"] == voiced["F"] == 0
    assert voiced["IY"] == voiced["R"] == voiced["M"] == voiced["L"] == voiced["AH"] == 1
    assert voice.units["SH AA R"].consonants.after[0] > 0.04  # part of espeak-ng's one phoneme


def test_speech_has_a_time_for_every_phone():
    words = [[s.phones for s in word.sung] for word in english().train]
    for start in range(0, len(words), 20):
        sentence = words[start : start + 20]
        speech, edges = say_phones(Espeak(), sentence, "en-us+m3", 160)
        phones = [phone for word in sentence for syllable in word for phone in syllable]
        assert len(edges) == len(phones) + 1
        lengths = np.diff(edges) / speech.fs
        assert lengths.min() > 0.015 and edges[-1] <= len(speech.wav)


@pytest.mark.slow
@pytest.mark.parametrize("languages", ["en", "zh,en"])
def test_a_corpus_of_english_becomes_data_directories(tmp_path, languages):
    config = CorpusConfig(minutes=0.3, speech_minutes=0.1, singers=2, languages=languages, fs=FS)
    assert make_corpus(tmp_path / "corpus", config, nj=1)
    assert not make_corpus(tmp_path / "corpus", config, nj=1)
    prepare(tmp_path / "corpus", tmp_path / "data")
    found = set()
    for split in ("train", "dev", "test", "test_words", "test_singer", "speech"):
        data = tmp_path / "data" / split
        of_split = read_table(data / "utt2lang")
        found |= set(of_split.values())
        expected = {"SP", "AP", *PHONES} | set(MANDARIN_PHONES if "zh" in languages else ())
        assert set(phones_of(data)) == expected
        scores = read_scores(data)
        assert {utt: score.language for utt, score in scores.items()} == of_split
        for score in scores.values():
            known = LANGUAGES[score.language].phones
            assert {p.phone for p in score.phones} <= {"SP", "AP", *known}
        assert (data / "true_f0.scp").exists() == (split != "speech")
        assert "synthetic" in (data / "LICENSE.txt").read_text()
    assert found == set(languages.split(","))


def test_written_lyrics_replace_the_names_of_units(songs):
    song = next(s for s in songs["train"] if s.phrases[0].score.language == "en")
    phrase = song.phrases[0]
    lyrics = [n.lyric for n in with_written(phrase.score, phrase.written).notes]
    assert [x for x in lyrics if x and x != SLUR_LYRIC] == list(phrase.written)
