"""Every format: what it says it holds comes back, what it does not is named."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats import FORMATS
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.score.read import read_score
from espnet2_ext.score.write import write_score

from .strategies import LYRICS, scores

MANDARIN_ONLY = ("Opencpop",)
ALWAYS_TIMED = ("Opencpop",)
WRITABLE = [known for known in FORMATS if known.write and known.holds]
SETTINGS = settings(derandomize=True, max_examples=25, deadline=None)


def as_held(score: MusicScore, holds: frozenset[str]) -> tuple[MusicScore, set[str]]:
    """The score without what a format cannot hold, and the names of what that took away."""
    kept = score
    if "phone times" not in holds:
        kept = replace(kept, phones=())
    elif "slur times" not in holds:
        kept = slurs_on_the_beat(kept)
    if "tempo" not in holds:
        kept = replace(kept, tempo=120.0)
    if "breaths" not in holds:
        kept = replace(kept, notes=tuple(_silent(kept.notes)))
    lost = {"phone times"} if kept.phones != score.phones else set()
    lost |= {"tempo"} if kept.tempo != score.tempo else set()
    lost |= {"language"} if "language" not in holds and score.language != "zh" else set()
    lost |= {"breaths"} if kept.notes != score.notes else set()
    return kept, lost


def slurs_on_the_beat(score):
    """Vowels cut where their notes change."""
    phones = list(score.phones)
    for index in range(1, len(phones)):
        before, phone = phones[index - 1], phones[index]
        note = score.notes[phone.note]
        if note.slur and phone.note != before.note:
            cut = min(max(note.start_sec, before.start_sec), phone.end_sec)
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
    path = tmp_path_factory.getbasetemp() / f"round{known.suffixes[0]}"
    score = data.draw(scores(language))
    if known.name in MANDARIN_ONLY and language != "zh":
        with pytest.raises(UserError, match=f"language: lyrics in '{language}'"):
            write_score(path, score)
        return
    lost = write_score(path, score)
    back = read_score(path, language=None if known.name in MANDARIN_ONLY else language)
    kept, gone = as_held(score, known.holds)
    if known.name in ALWAYS_TIMED and not score.phones:
        gone.add("phone times")
        back = replace(back, phones=())
    assert rows(back) == rows(kept)
    assert times(back) == pytest.approx(times(kept), abs=2e-6)
    assert back.tempo == pytest.approx(kept.tempo) and back.language == language
    assert topics(lost) == {name.split()[0] for name in gone}
