"""What the corpus is to hold, without any audio: sets, attributes, chords, combinations."""

from collections import Counter

import numpy as np
import pytest

from espnet2_ext.corpora.mini_song.config import SETS, SongConfig
from espnet2_ext.corpora.mini_song.genres import GENRES
from espnet2_ext.corpora.mini_song.songs import LONGEST_SEC, plan_songs
from espnet2_ext.corpora.mini_song.talks import plan_talks
from espnet2_ext.corpora.mini_song.values import (
    ACCENTS,
    AGES,
    ATMOSPHERES,
    EMOTIONS,
    STYLES,
    kept_apart,
)
from espnet2_ext.corpora.mini_song.voices import draw_speakers

CONFIG = SongConfig(song_minutes=20, speech_minutes=10, speakers=8)


@pytest.fixture(scope="module")
def speakers():
    return draw_speakers(CONFIG.speakers, CONFIG.seed)


@pytest.fixture(scope="module")
def clips(speakers):
    return plan_songs(CONFIG, speakers)


@pytest.fixture(scope="module")
def talks(speakers):
    return plan_talks(CONFIG, speakers)


def test_every_gender_has_every_age(speakers):
    assert len({(who.gender, who.age) for who in speakers}) == 2 * len(AGES)
    hz = {(who.gender, who.age): who.singer.speaking_hz for who in speakers}
    for age in AGES:
        assert hz["female", age] > hz["male", age]
    for gender in ("female", "male"):
        assert max(hz, key=lambda key: (key[0] == gender) * hz[key]) == (gender, "child")


def test_clips_fill_their_sets_and_are_2_to_20_s(clips):
    seconds = Counter()
    for clip in clips:
        length = clip.phrase.score.duration_sec
        seconds[clip.set_name] += length
        assert 2 < length <= LONGEST_SEC
    assert set(seconds) == set(SETS)
    assert 20 * 60 < sum(seconds.values()) < 24 * 60 and seconds["train"] > 0.7 * 20 * 60
    assert {clip.utt for clip in clips} and len({clip.utt for clip in clips}) == len(clips)
    songs = {name: {c.song for c in clips if c.set_name == name} for name in SETS}
    assert sum(map(len, songs.values())) == len(set().union(*songs.values()))


def test_only_test_combination_has_what_is_kept_apart(clips, talks):
    for clip in clips:
        assert kept_apart(clip.attributes) == (clip.set_name == "test_combination")
    for talk in talks:
        for turn in talk.turns:
            assert kept_apart(turn.attributes) == (talk.set_name == "test_combination")


def test_what_a_manner_is_drawn_for_is_heard_in_it(talks):
    """A whisper has no pitch: neither surprise nor the tones of an accent are in it."""
    turns = [turn for talk in talks for turn in talk.turns]
    whispers = [turn for turn in turns if turn.style == "whispered"]
    assert {turn.language for turn in whispers} == {"zh", "en"}
    assert "surprised" not in {turn.emotion for turn in whispers}
    assert {turn.accent for turn in whispers if turn.language == "zh"} == {"standard"}
    assert max(turn.words_per_minute for turn in turns) == 215


def test_train_has_every_value(clips, talks):
    train = [clip.attributes for clip in clips if clip.set_name == "train"]
    assert {a["genre"] for a in train} == set(GENRES)
    assert {a["atmosphere"] for a in train} == set(ATMOSPHERES)
    assert {name for a in train for name in a["instruments"]} >= {
        "piano", "guitar", "strings", "bass", "drums",
    }  # fmt: skip
    turns = [turn for talk in talks if talk.set_name == "train" for turn in talk.turns]
    assert {turn.emotion for turn in turns} == set(EMOTIONS)
    assert {turn.style for turn in turns} == set(STYLES)
    assert {turn.accent for turn in turns} == {name for of in ACCENTS.values() for name in of}
    assert {len(talk.turns) > 1 for talk in talks} == {True, False}


def test_chords_hold_what_is_sung(clips):
    """Most of the sung time of a bar is on notes of its chord, and more than by chance."""
    held = other = total = 0.0
    for clip in clips:
        beat = 60 / clip.clip.tempo
        for note in clip.phrase.score.notes:
            if note.is_rest:
                continue
            bar = int((note.start_sec / beat + 1e-6) // clip.clip.bar_quarters)
            length = note.end_sec - note.start_sec
            total += length
            held += length * (note.midi % 12 in clip.clip.chords[bar].notes)
            wrong = clip.clip.chords[(bar + 1) % len(clip.clip.chords)]
            other += length * (note.midi % 12 in wrong.notes)
    assert held / total > 0.7 > other / total


def test_the_atmosphere_is_in_key_tempo_and_register(clips):
    def of(name):
        return [clip for clip in clips if clip.atmosphere == name]

    for clip in clips:
        lowest, highest = GENRES[clip.attributes["genre"]].tempi
        place = (clip.clip.tempo - lowest) / (highest - lowest)
        low, high = ATMOSPHERES[clip.atmosphere].tempo
        assert low - 0.02 <= place <= high + 0.02
    assert all(clip.attributes["key"].endswith("major") for clip in of("cheerful"))
    assert all(clip.attributes["key"].endswith("minor") for clip in of("melancholy"))
    heights = {name: np.mean([height(clip) for clip in of(name)]) for name in ATMOSPHERES}
    assert heights["passionate"] > heights["peaceful"] > heights["solemn"]
    assert heights["passionate"] - heights["solemn"] > 0.2


def height(clip):
    """Where a clip's median note lies in the singer's range, 0 to 1."""
    singer = clip.speaker.singer
    median = np.median([note.midi for note in clip.phrase.score.notes if not note.is_rest])
    return (median - singer.low_midi) / (singer.high_midi - singer.low_midi)


def test_the_plan_is_the_seeds(clips, speakers):
    again = plan_songs(CONFIG, speakers)
    assert [c.phrase.score for c in again] == [c.phrase.score for c in clips]
