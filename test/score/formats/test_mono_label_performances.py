"""Any performance of a score: its label gives every phone back, on the note that sings it."""

import logging
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet2_ext.score.formats.json_format import write_json_score
from espnet2_ext.score.formats.label_timing import with_label
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.music_score import REST_PHONES, MusicScore, Note

SYLLABLES = {"あ": ["a"], "い": ["i"], "か": ["k", "a"], "ん": ["N"], "きゃ": ["ky", "a"]}
LENGTHS = st.sampled_from([0.02, 0.1, 0.25, 0.5, 2.0])


@st.composite
def performances(draw):
    """A score, the (phone, note) that its singer sings, rests of their own with note None."""
    notes, sung, now = [], [], 0.0
    words = draw(st.lists(st.sampled_from(sorted(SYLLABLES)), min_size=1, max_size=6))
    for lyric in words:
        if draw(st.booleans()):
            length = draw(LENGTHS)
            notes.append(Note(now, now + length, 0, "", ("SP",)))
            now += length
        sung += [(rest, None) for rest in draw(st.sampled_from([[], ["SP"], ["AP"], ["SP", "AP"]]))]
        phones = SYLLABLES[lyric]
        slurs = draw(st.integers(0, 2))
        again = draw(st.sampled_from([0, slurs]))
        for index in range(slurs + 1):
            length = draw(LENGTHS)
            own = phones if index == 0 else phones[-1:]
            lyrics = lyric if index == 0 else "—"
            notes.append(Note(now, now + length, 60 + index, lyrics, tuple(own), index > 0))
            now += length
            sung += [(phone, len(notes) - 1) for phone in own] if index <= again else []
    sung += [("SP", None)] if draw(st.booleans()) else []
    times = [draw(LENGTHS) for _ in sung]
    return MusicScore(tuple(notes), language="ja"), sung, times


@settings(max_examples=200, deadline=None, derandomize=True)
@given(performances())
def test_every_phone_is_on_its_note(performance):
    logging.disable()
    score, sung, times = performance
    lines, now = [], 0.0
    for (phone, _), length in zip(sung, times, strict=True):
        lines.append(f"{now:.6f} {now + length:.6f} {phone}")
        now += length
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.lab"
        path.write_text("\n".join(lines))
        found = with_label(score, path, "a.json")
        write_json_score(Path(folder) / "a.json", found)
        assert read_score(Path(folder) / "a.json") == found
    logging.disable(logging.NOTSET)
    heard = [p for p, own in zip(found.phones, found.sounded, strict=True) if own]
    midi_of = [(p.phone, found.notes[p.note].midi) for p in heard]
    words = [(p, score.notes[n].midi) for p, n in sung if n is not None and not score.notes[n].slur]
    assert midi_of == words
    assert [n.lyric for n in found.notes if n.midi] == [n.lyric for n in score.notes if n.midi]
    rests = [p.phone for p in found.phones if p.phone in REST_PHONES]
    assert rests == [phone for phone, note in sung if note is None]
    assert found.phones[-1].end_sec == pytest.approx(now, abs=1e-5)
    assert found.notes[0].start_sec == 0
