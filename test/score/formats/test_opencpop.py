import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.note_names import midi_to_name, name_to_midi
from espnet2_ext.score.formats.opencpop import (
    format_line,
    parse_line,
    read_transcriptions,
    write_transcriptions,
)
from espnet2_ext.score.music_score import MusicScore, Note, Phone

# The example of the corpus' documentation, with a slur after it.
LINE = (
    "2002000043|疯狂|f eng k uang uang SP|D#4/Eb4 D#4/Eb4 D4 D4 E4 rest|"
    "0.609200 0.609200 2.137240 2.137240 0.500000 3.058880|"
    "0.161780 0.447420 0.112190 2.025050 0.500000 3.058880|0 0 0 0 1 0"
)


def test_example_line():
    utt, score = parse_line(LINE, "t:1", tempo=90)
    assert utt == "2002000043" and score.tempo == 90
    assert [n.midi for n in score.notes] == [63, 62, 64, 0]
    assert [n.lyric for n in score.notes] == ["疯", "狂", "—", ""]
    assert [n.phones for n in score.notes] == [("f", "eng"), ("k", "uang"), ("uang",), ("SP",)]
    assert [n.slur for n in score.notes] == [False, False, True, False]
    assert [p.note for p in score.phones] == [0, 0, 1, 1, 2, 3]
    assert score.notes[1].end_sec == pytest.approx(2.74644)
    assert format_line(utt, score) == LINE


def test_notes_and_phones_keep_their_own_clock():
    line = "a|wo|SP w o|rest C4 C4|0.5 1 1|0.4 0.15 0.95|0 0 0"
    _, score = parse_line(line, "t:1")
    assert score.notes[1].start_sec == 0.5 and score.phones[1].start_sec == 0.4
    assert score.notes[1].lyric == "wo"


@given(st.lists(st.floats(0.01, 3), min_size=2, max_size=30), st.integers(40, 80))
def test_round_trip(seconds, midi):
    notes, phones, start = [], [], 0.0
    for index, duration in enumerate(seconds):
        end = start + duration
        notes.append(Note(start, end, midi, "wo", ("w", "o")))
        phones += [Phone(start, start + duration / 3, "w", index)]
        phones += [Phone(start + duration / 3, end, "o", index)]
        start = end
    score = MusicScore(tuple(notes), tuple(phones))
    _, again = parse_line(format_line("u", score), "t:1")
    assert [n.midi for n in again.notes] == [n.midi for n in score.notes]
    for kind in ("notes", "phones"):
        for a, b in zip(getattr(again, kind), getattr(score, kind), strict=True):
            assert a.end_sec == pytest.approx(b.end_sec, abs=1e-6)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a|b|c", ["3 fields", "7"]),
        ("|b|a|C4|1|1|0", ["id"]),
        ("a|啊|||||", ["no phones"]),
        ("a|啊|a|C4 C4|1|1|0", ["notes", "2 items"]),
        ("a|啊|a|C4|1 1|1|0", ["note durations", "2 items"]),
        ("a|啊|a|C4|1|x|0", ["phone durations", "'x'"]),
        ("a|啊|a|C4|-1|1|0", ["note durations", "'-1'"]),
        ("a|啊|a|C4|nan|1|0", ["note durations", "'nan'"]),
        ("a|啊|a|C4|0|1|0", ["note durations", "more than 0"]),
        ("a|啊|a|H4|1|1|0", ["notes", "'H4'"]),
        ("a|啊|a|C99|1|1|0", ["notes", "outside"]),
        ("a|啊|a|C4|1|1|2", ["slurs", "'2'"]),
        ("a|啊|a|C4|1|1|1", ["slurs", "item 1"]),
        ("a|啊|qq|C4|1|1|0", ["phones", "unknown phone 'qq'"]),
        ("a|我|w|C4|1|1|0", ["phones", "no final"]),
        ("a|我|w w o|C4 C4 C4|1 1 1|1 1 1|0 0 0", ["phones", "no final"]),
        ("a|我|w o|C4 D4|1 1|.5 .5|0 0", ["notes", "within a syllable"]),
        ("a|我|w o|C4 C4|1 2|.5 .5|0 0", ["note durations", "within a note"]),
        ("a||SP|C4|1|1|0", ["notes", "'SP'"]),
        ("a|啊|a|rest|1|1|0", ["notes", "'rest'"]),
        ("a|我|w o e|C4 C4 C4|1 1 1|.5 .5 1|0 0 1", ["slurs", "slur of 'e'"]),
    ],
)
def test_mistakes_name_place_and_field(line, words):
    with pytest.raises(UserError) as error:
        parse_line(line, "file.txt:7")
    assert str(error.value).startswith("file.txt:7")
    for word in words:
        assert word in str(error.value)


def test_file_round_trip(tmp_path):
    path = tmp_path / "transcriptions.txt"
    path.write_text(LINE + "\n\n", encoding="utf-8")
    scores = read_transcriptions(path, {"2002": 77.0})
    assert scores["2002000043"].tempo == 77
    write_transcriptions(tmp_path / "again.txt", scores)
    assert (tmp_path / "again.txt").read_text(encoding="utf-8") == LINE + "\n"
    path.write_text(LINE + "\n" + LINE + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"transcriptions.txt:2.*duplicate id"):
        read_transcriptions(path)
    path.write_text("")
    with pytest.raises(UserError, match="no utterances"):
        read_transcriptions(path)


def test_note_names():
    for midi in range(128):
        assert name_to_midi(midi_to_name(midi)) == midi
    assert midi_to_name(63) == "D#4/Eb4" and name_to_midi("Eb4") == 63 and name_to_midi("rest") == 0
