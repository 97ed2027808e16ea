"""Every format: what it says it holds comes back, what it does not is named."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats import FORMATS
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.score.read import read_score
from espnet2_ext.score.whole_finals import from_opencpop, to_opencpop
from espnet2_ext.score.write import write_score

from .strategies import LYRICS, scores

LANGUAGES = {"Opencpop": ("zh",), "M4Singer": ("zh",), "GTSinger": ("zh", "ja", "en")}
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
