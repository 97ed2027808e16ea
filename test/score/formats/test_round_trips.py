"""Every format: what it says it holds comes back, what it does not is named."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.assemble import SungNote, assemble
from espnet2_ext.score.formats.even_phones import with_even_phones
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.suffixes import FORMATS
from espnet2_ext.score.formats.whole_finals import from_opencpop, to_opencpop
from espnet2_ext.score.formats.write import write_score
from espnet2_ext.score.music_score import MusicScore

from ..strategies import LYRICS, scores

pytestmark = pytest.mark.slow

LANGUAGES = {"Opencpop": ("zh",), "M4Singer": ("zh",), "GTSinger": ("zh", "ja", "en", "de", "fr")}
ALWAYS_TIMED = ("Opencpop", "M4Singer", "GTSinger", "ESPnet directory")
WRITABLE = [known for known in FORMATS if known.write and known.holds]
SETTINGS = settings(derandomize=True, max_examples=25, deadline=None)


def as_held(score: MusicScore, holds: frozenset[str]) -> tuple[MusicScore, set[str]]:
    """The score without what a format cannot hold, and the names of what that took away."""
    kept = score
    if "phone times" not in holds:
        kept = replace(kept, phones=())
    elif "slur times" not in holds:
        kept = slurs_on_the_beat(kept)
    if "glide times" not in holds and score.language == "zh":
        kept = to_opencpop(from_opencpop(kept))
    if "tempo" not in holds:
        kept = replace(kept, tempo=120.0)
    if "breaths" not in holds:
        kept = replace(kept, notes=tuple(_silent(kept.notes)))
    lost = {"phone times"} if moved(kept, score) else set()
    lost |= {"tempo"} if kept.tempo != score.tempo else set()
    lost |= {"language"} if "language" not in holds and score.language != "zh" else set()
    lost |= {"breaths"} if kept.notes != score.notes else set()
    return kept, lost


def moved(score, other):
    """Whether phones differ in number or by more than the microseconds files are rounded to."""
    ends = [[t for p in s.phones for t in (p.start_sec, p.end_sec)] for s in (score, other)]
    return len(ends[0]) != len(ends[1]) or not np.allclose(*ends, rtol=0, atol=2e-6)


def slurs_on_the_beat(score):
    """Vowels cut where their notes change."""
    phones = list(score.phones)
    for index in range(1, len(phones)):
        before, phone = phones[index - 1], phones[index]
        note = score.notes[phone.note]
        if note.slur and phone.note != before.note:
            cut = min(max(round(note.start_sec, 6), before.start_sec), phone.end_sec)
            phones[index - 1] = replace(before, end_sec=cut)
            phones[index] = replace(phone, start_sec=cut)
    return replace(score, phones=tuple(phones))


def _silent(notes):
    """Notes with breaths as silence; silences that now follow each other are one."""
    for note in notes:
        if note.is_rest and note.phones == ("AP",):
            note = replace(note, phones=("SP",))
        yield note


def rows(score):
    """Notes and phones without their times."""
    notes = [(n.midi, n.lyric, n.phones, n.slur) for n in score.notes]
    return notes, [(p.phone, p.note) for p in score.phones]


def times(score):
    return [t for item in (*score.notes, *score.phones) for t in (item.start_sec, item.end_sec)]


def topics(lost):
    return {item.partition(":")[0].split()[0] for item in lost}


@pytest.mark.parametrize("known", WRITABLE, ids=lambda known: known.name)
@pytest.mark.parametrize("language", LYRICS)
@given(data=st.data())
@SETTINGS
def test_round_trip(tmp_path_factory, known, language, data):
    path = tmp_path_factory.getbasetemp() / f"round{(*known.suffixes, '')[0]}"
    score = data.draw(scores(language))
    if language not in LANGUAGES.get(known.name, (language,)):
        with pytest.raises(UserError, match=f"language: (lyrics in )?'{language}'"):
            write_score(path, score)
        return
    lost = write_score(path, score)
    if (known.name, language) == ("GTSinger", "ja"):  # whose Japanese phones are not OpenJTalk's
        assert "phones" in topics(lost)
        return
    back = read_score(path, language=language if "language" in known.options else None)
    kept, gone = as_held(score, known.holds)
    if known.name in ALWAYS_TIMED and not score.phones:
        gone.add("phone times")
        back = replace(back, phones=())
    assert rows(back) == rows(kept)
    assert back.tempo == pytest.approx(kept.tempo) and back.language == language
    assert topics(lost) == {name.split()[0] for name in gone}


TICKS = ("UST", "USTX", "MusicXML", "JSON")  # hold all of a score without phone times, in Mandarin
TIMED = ("JSON", "ESPnet directory", "TextGrid", "Opencpop")  # hold phone times, but for the tempo


def named(name):
    return next(known for known in FORMATS if known.name == name)


@pytest.mark.parametrize(
    ("first", "second"),
    [pair for group in (TICKS, TIMED) for pair in itertools.permutations(group, 2)],
)
@given(data=st.data())
@settings(SETTINGS, max_examples=8)
def test_there_and_back(tmp_path_factory, first, second, data):
    folder = tmp_path_factory.getbasetemp()
    paths = [
        folder / f"{place}{(*named(name).suffixes, '')[0]}"
        for place, name in (("there", first), ("over", second), ("back", first))
    ]
    score = data.draw(scores("zh", timed=second in TIMED and first in TIMED))
    if first in TIMED and second in TIMED:
        score = replace(score, tempo=120.0)
    for path in paths:
        assert write_score(path, score) == []
        read = read_score(path)
        assert rows(read) == rows(score) and read.tempo == pytest.approx(score.tempo)
        score = read


@pytest.mark.parametrize("known", WRITABLE, ids=lambda known: known.name)
@given(score=scores("zh", timed=False), shift=st.floats(0.01, 0.49))
@settings(SETTINGS, max_examples=8)
def test_times_off_the_grid(tmp_path_factory, known, score, shift):
    """Times between ticks move by less than half of one, or a microsecond, and that is said."""
    path = tmp_path_factory.getbasetemp() / f"grid{(*known.suffixes, '')[0]}"
    tick = 60 / score.tempo / 480
    notes = [
        replace(n, start_sec=n.start_sec + shift * tick * (i > 0), end_sec=n.end_sec + shift * tick)
        for i, n in enumerate(score.notes)
    ]
    score = replace(score, notes=tuple(notes))
    lost = write_score(path, score)
    back = read_score(path)
    off = max(abs(a.end_sec - b.end_sec) for a, b in zip(back.notes, score.notes, strict=True))
    if "seconds" in known.holds:
        assert off < 1e-6 and "times" not in topics(lost)
    else:
        assert off <= tick / 2 + 1e-9
        assert ("times" in topics(lost)) == (off > 2e-6)


def with_phones(score, known):
    """The score with phone times, where a format has phones only with them."""
    return with_even_phones(score) if known.name == "TextGrid" else score


@pytest.mark.parametrize("known", WRITABLE, ids=lambda known: known.name)
def test_phones_that_the_lyric_is_not_read_as(tmp_path, known):
    score = assemble([SungNote(0, 1, 60, "行", "x"), SungNote(1, 2, 62, "wo", "x")], "x", 120)
    note = replace(score.notes[0], phones=("h", "ang"))
    score = with_phones(replace(score, notes=(note, score.notes[1])), known)
    path = f"{tmp_path}/a{(*known.suffixes, '')[0]}"
    lost = write_score(path, score)
    back = read_score(path)
    assert back.notes[0].phones == ("h", "ang") and "phones" not in topics(lost)
    assert (back.notes[0].lyric == "hang") == ("phones" not in known.holds)
    assert ("lyrics" in topics(lost)) == ("phones" not in known.holds)


@pytest.mark.parametrize("known", WRITABLE, ids=lambda known: known.name)
def test_lyrics_that_cannot_be_read(tmp_path, known):
    """Phones in one stand for them where they are read as such; in English nothing does."""
    for language, good, bad in (("zh", "wo", "xyz"), ("en", "now", "3rd")):
        if language == "en" and known.name in ("Opencpop", "M4Singer"):
            continue
        score = assemble([SungNote(0, 1, 60, good, "x")], "x", 120, language)
        score = with_phones(replace(score, notes=(replace(score.notes[0], lyric=bad),)), known)
        path = f"{tmp_path}/{language}{(*known.suffixes, '')[0]}"
        lost = write_score(path, score)
        if "phones" in known.holds:
            given = {"language": language} if "language" in known.options else {}
            assert read_score(path, **given).notes == score.notes
        elif language == "zh":
            assert read_score(path).notes[0].phones == ("w", "o")
            assert lost == ["lyrics: 1 written as sung, first 'xyz' as 'wo'"]
        else:
            assert any("not readable again" in item and "'3" in item for item in lost)


@pytest.mark.parametrize("known", WRITABLE, ids=lambda known: known.name)
@pytest.mark.parametrize("lyric", ["", "w_o"])
def test_notes_without_a_lyric_are_sung(tmp_path, known, lyric):
    """Labels may have phones alone, which then are the lyric."""
    score = assemble([SungNote(0, 1, 60, "wo", "x"), SungNote(1, 2, 0, "SP", "x")], "x", 120)
    score = replace(score, notes=(replace(score.notes[0], lyric=lyric), score.notes[1]))
    path = f"{tmp_path}/a{(*known.suffixes, '')[0]}"
    write_score(path, score)
    back = read_score(path)
    assert [(n.midi, n.phones) for n in back.notes] == [(60, ("w", "o")), (0, ("SP",))]


def test_every_pair(tmp_path):
    """Whatever a score is read from, it can be written to: notes, slurs and syllables stay."""
    rows = [("SP", 0), ("银", 60), ("行", 62), ("-", 64), ("AP", 0), ("ni3", 127), ("SP", 0)]
    sung = [SungNote(i / 2, i / 2 + 0.5, midi, lyric, "x") for i, (lyric, midi) in enumerate(rows)]
    score = assemble(sung, "x", 120)
    expected = [(n.midi, n.phones, n.slur) for n in score.notes if not n.is_rest]
    for first, second in itertools.product([known for known in FORMATS if known.write], repeat=2):
        paths = [f"{tmp_path}/{n}{(*k.suffixes, '')[0]}" for n, k in (("a", first), ("b", second))]
        write_score(paths[0], score)
        write_score(paths[1], read_score(paths[0]))
        back = read_score(paths[1])
        sung_back = [(n.midi, n.phones, n.slur) for n in back.notes if not n.is_rest]
        assert sung_back == expected, (first.name, second.name)
        assert back.notes[-1].end_sec == pytest.approx(3.5, abs=1e-3)
