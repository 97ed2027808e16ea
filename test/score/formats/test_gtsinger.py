"""GTSinger's two JSON formats: notes within words, nine languages, techniques, round trips."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats import gtsinger_metadata as metadata
from espnet2_ext.score.formats.gtsinger import (
    TECHNIQUES,
    format_words,
    parse_words,
    read_annotated,
    read_gtsinger,
    write_gtsinger,
)
from espnet2_ext.score.formats.gtsinger_phones import is_vowel, read_phone
from espnet2_ext.score.music_score import MusicScore, Note, Phone


def word(text, phones, notes, **changes):
    """A word: phones as (symbol, start, end), notes as (midi, note_dur, note_start)."""
    end = phones[-1][2]
    starts = [note[2] for note in notes]
    value = {"word": text, "start_time": phones[0][1], "end_time": end}
    value |= {"note": [n[0] for n in notes], "note_dur": [n[1] for n in notes]}
    value |= {"note_start": starts, "note_end": [*starts[1:], end]}
    value |= {"ph": [p[0] for p in phones], "ph_start": [p[1] for p in phones]}
    value |= {"ph_end": [p[2] for p in phones]}
    value |= {name: ["0"] * len(phones) for name in TECHNIQUES}
    value |= {"tech": "0", "singing_method": "pop", "pace": "slow", "range": "high"}
    return value | {"emotion": "sad"} | changes


REST = word("<AP>", [("<AP>", 0.0, 0.2)], [(0, 0.25, 0.0)])
TIME = [("T", 0.2, 0.3), ("AY1", 0.3, 0.8), ("M", 0.8, 0.9)]
HAPPY = [("HH", 0.2, 0.3), ("AE1", 0.3, 0.5), ("P", 0.5, 0.6), ("IY0", 0.6, 0.9)]


def read(*words, language="en", **options):
    return parse_words(list(words), "0000.json", language, **options).score


def shape(score):
    return [(note.lyric, note.midi, note.slur, " ".join(note.phones)) for note in score.notes]


def test_notes_are_written_time_and_phones_performed_time():
    score = read(REST, word("time", TIME, [(60, 0.8, 0.2)]), tempo=90)
    assert shape(score) == [("", 0, False, "AP"), ("time", 60, False, "T AY M")]
    assert [note.end_sec for note in score.notes] == pytest.approx([0.25, 1.05])
    assert [phone.end_sec for phone in score.phones] == pytest.approx([0.2, 0.3, 0.8, 0.9])
    assert score.tempo == 90 and score.language == "en"
    own = read(REST, word("time", TIME, [(60, 0.8, 0.2)]), own_phones=True)
    assert own.notes[1].phones == ("T", "AY1", "M")


def test_a_vowel_held_over_the_next_note_is_cut_into_a_slur():
    score = read(REST, word("time", TIME, [(60, 0.4, 0.2), (62, 0.4, 0.6)]))
    assert shape(score)[1:] == [("time", 60, False, "T AY"), ("—", 62, True, "AY M")]
    assert [(p.start_sec, p.end_sec) for p in score.phones][2:4] == [(0.3, 0.6), (0.6, 0.8)]


def test_a_consonant_at_the_next_note_begins_its_syllable():
    score = read(REST, word("happy", HAPPY, [(60, 0.4, 0.2), (62, 0.3, 0.55)]))
    assert shape(score)[1:] == [("happy", 60, False, "HH AE"), ("+", 62, False, "P IY")]
    near = read(REST, word("happy", HAPPY, [(60, 0.4, 0.2), (62, 0.3, 0.485)]))
    assert near == score  # a phone starts within 20 ms of the note


def test_a_note_that_ends_within_the_first_consonant_keeps_it():
    score = read(REST, word("time", TIME, [(60, 0.1, 0.2), (62, 0.6, 0.25)]))
    assert shape(score)[1:] == [("time", 60, False, "T"), ("—", 62, True, "AY M")]


def test_mandarin_slurs_repeat_the_final():
    phones = [("iou", 0.2, 0.5), ("iou", 0.5, 0.9)]
    score = read(REST, word("有", phones, [(60, 0.3, 0.2), (62, 0.4, 0.5)]), language="zh")
    assert shape(score)[1:] == [("有", 60, False, "y ou"), ("—", 62, True, "ou")]
    assert [p.phone for p in score.phones] == ["AP", "y", "ou", "ou"]


def test_other_languages_keep_their_ipa_apart():
    score = read(REST, word("그", [("k_ko", 0.2, 0.3), ("ɨ_ko", 0.3, 0.9)], [(60, 0.7, 0.2)]),
                 language="ko")  # fmt: skip
    assert score.notes[1].phones == ("ko:k", "ko:ɨ")
    assert read_phone("aj", "de", "t") == "aj" and is_vowel("aj", "de")
    assert is_vowel("n̩", "de") and not is_vowel("n", "de") and not is_vowel("tʃ", "de")
    for symbol, language in (("iu", "zh"), ("AX", "en"), ("spn", "ru"), ("a b", "it")):
        with pytest.raises(UserError, match="unknown phone"):
            read_phone(symbol, language, "t")


def test_rests_without_a_score_and_blank_rests():
    blank = word(" ", [(" ", 0.0, 0.2)], [])
    score = read(blank, word("time", TIME, [(60, 0.8, 0.2)]))
    assert shape(score)[0] == ("", 0, False, "SP")
    assert score.notes[0].end_sec == pytest.approx(0.2)


def test_a_word_may_be_called_breathe():
    phones = [("B", 0.2, 0.3), ("R", 0.3, 0.4), ("IY1", 0.4, 0.8), ("DH", 0.8, 0.9)]
    score = read(REST, word("breathe", phones, [(60, 0.7, 0.2)]))
    assert shape(score)[1] == ("breathe", 60, False, "B R IY DH")


def test_techniques_follow_the_phones():
    flags = {"vibrato": ["0", "1", "0"], "breathe": [0, 1, 1]}
    sung = word("time", TIME, [(60, 0.4, 0.2), (62, 0.4, 0.6)], **flags)
    del sung["breathy"]
    annotated = parse_words([REST, sung], "t", "en")
    assert [p.phone for p in annotated.score.phones] == ["AP", "T", "AY", "AY", "M"]
    assert annotated.techniques == ("0", "0", "3,5", "3,5", "3")
    assert dict(annotated.style)["emotion"] == "sad"
    words = format_words(annotated.score, annotated.techniques, annotated.style)
    assert words[1]["vibrato"] == ["0", "1", "1", "0"] and words[1]["tech"] == "3,5"
    assert parse_words(words, "t", "en") == annotated


MISTAKES = {
    "no list": ({"ph": "T"}, "ph: str"),
    "count": ({"ph_end": [0.3, 0.8]}, "ph_end: 2 items"),
    "notes": ({"note_dur": [0.8, 0.1]}, "note_dur: 2 items"),
    "negative": ({"ph_start": [-0.2, 0.3, 0.8]}, "ph_start: item 1 is -0.2"),
    "nan": ({"note_dur": [float("nan")]}, "note_dur: item 1 is nan"),
    "zero": ({"note_dur": [0]}, "note_dur: item 1 is 0"),
    "no note": ({"note": [], "note_dur": [], "note_start": []}, "note: [] for 'time'"),
    "unsung": ({"note": [0]}, "note: [0] for 'time'"),
    "phone": ({"ph": ["T", "XX", "M"]}, "ph: item 2: unknown phone 'XX'"),
    "rest": ({"ph": ["T", "<SP>", "M"]}, "ph: item 2: '<SP>' in a sung word"),
    "flag": ({"mix": ["0", "2", "0"]}, "mix: item 2 is 2"),
    "flags": ({"mix": ["0", "1"]}, "mix: 2 items"),
    "late": ({"note": [60, 62], "note_dur": [0.4, 0.4], "note_start": [0.2, 0.95]},
             "note_start: item 2 begins after"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_name_word_and_field(name):
    changes, text = MISTAKES[name]
    with pytest.raises(UserError) as error:
        read(REST, word("time", TIME, [(60, 0.8, 0.2)], **changes))
    assert str(error.value).startswith(f"0000.json: word 1: {text}")


def test_mistakes_of_the_whole():
    sung = word("time", TIME, [(60, 0.8, 0.2)])
    with pytest.raises(UserError, match="a list of words"):
        parse_words({}, "t", "en")
    with pytest.raises(UserError, match="language: 'xx'"):
        parse_words([sung], "t", "xx")
    with pytest.raises(
        UserError, match=r"phone 1 'T': note|phone 1: starts at 0.200 s, after a gap"
    ):
        read(word("<SP>", [("<SP>", 0.0, 0.1)], [(0, 0.1, 0.0)]), sung)
    with pytest.raises(UserError, match="t: word 0: ph_start: begins at 0.2 s"):
        parse_words([sung], "t", "en")
    with pytest.raises(UserError, match="word 0: note: 60 at a rest"):
        read(REST | {"note": [60]}, sung)


def test_files_by_folder_and_musicxml_beside(tmp_path):
    folder = tmp_path / "English" / "EN-Alto-1" / "Breathy" / "song" / "Control_Group"
    folder.mkdir(parents=True)
    path = folder / "0000.json"
    path.write_text(json.dumps([REST, word("time", TIME, [(60, 0.8, 0.2)])]))
    assert read_gtsinger(path).language == "en" and read_gtsinger(path).tempo == 120
    (folder / "0000.musicxml").write_text('<x><sound tempo="93.5"/></x>')
    assert read_annotated(path).score.tempo == 93.5
    assert write_gtsinger(folder / "again.json", replace(read_gtsinger(path), tempo=120.0)) == []
    lost = write_gtsinger(folder / "again.json", read_gtsinger(path))
    assert len(lost) == 1 and lost[0].startswith("tempo 93.5")
    with pytest.raises(UserError, match="language"):
        write_gtsinger(path, replace(read_gtsinger(path), language="yue"))
    with pytest.raises(UserError, match="note 0 is performed as 'nothing'"):
        write_gtsinger(path, replace(read_gtsinger(path), phones=()))


_PHONES = {
    "en": (("HH", "S", "T"), ("AY", "ER"), ("M", "")),
    "ko": (("ko:k", "ko:tɕ͈"), ("ko:ɨ", "ko:ʌː"), ("ko:p̚", "")),
    "zh": (("zh", "h"), ("ang", "ao"), ("",)),
}


@st.composite
def scores(draw):
    """Words of one or more notes, in three kinds of phone set; times in milliseconds."""
    language = draw(st.sampled_from(sorted(_PHONES)))
    onsets, vowels, codas = _PHONES[language]
    notes, phones, clocks, held = [], [], [0.0, 0.0], None

    def sing(midi, lyric, symbols, slur=False):
        start, at = clocks
        clocks[0] = round(start + draw(st.integers(20, 2000)) / 1000, 6)
        for symbol in symbols:
            end = round(at + draw(st.integers(60, 700)) / 1000, 6)
            phones.append(Phone(at, end, symbol, len(notes)))
            at = end
        clocks[1] = at
        notes.append(Note(start, clocks[0], midi, lyric, symbols, slur))

    for _ in range(draw(st.integers(1, 8))):
        midi = draw(st.integers(1, 127))
        kinds = ["SP", "AP", "word"] + ["slur"] * bool(held)
        # A word of Mandarin is one hanzi, so no note sings a further syllable of it.
        kind = draw(st.sampled_from(kinds + ["+"] * (language != "zh")))
        if kind in ("SP", "AP"):
            sing(0, "", (kind,))
            held = None
        elif kind == "slur":
            sing(midi, "—", (held,), True)
        else:
            held = draw(st.sampled_from(vowels))
            coda = tuple(filter(None, [draw(st.sampled_from(codas))]))
            lyric = "+" if kind == "+" else draw(st.sampled_from(["la", "烟", "그"]))
            sing(midi, lyric, (draw(st.sampled_from(onsets)), held, *coda))
            held = None if coda else held
    return MusicScore(tuple(notes), tuple(phones), 120.0, language)


def close(a: MusicScore, b: MusicScore) -> None:
    assert shape(a) == shape(b)
    assert [(p.phone, p.note) for p in a.phones] == [(p.phone, p.note) for p in b.phones]
    for kind in ("notes", "phones"):
        for one, other in zip(getattr(a, kind), getattr(b, kind), strict=True):
            assert one.end_sec == pytest.approx(other.end_sec, abs=2e-6)


@given(scores(), st.data())
def test_words_round_trip(score, data):
    codes = st.sampled_from(["0", "1", "2,6", "1,3,5"])
    techniques = tuple(data.draw(codes) for _ in score.phones)
    words = format_words(score, techniques)
    back = parse_words(json.loads(json.dumps(words)), "t", score.language)
    close(back.score, score)
    assert back.techniques == techniques
    assert format_words(back.score, back.techniques) == words


@given(scores(), st.data())
def test_metadata_round_trip(score, data):
    techniques = tuple(data.draw(st.sampled_from(["0", "4", "2,6"])) for _ in score.phones)
    item = metadata.format_item("Korean#x", score, techniques, (("emotion", "sad"),))
    try:
        name, back = metadata.parse_item(item, "t")
    except UserError as error:  # written and performed length may differ by any factor here
        assert error.field == "ep_notedurs" and "notes of" in error.found
        return
    assert name == "Korean#x" and back.style == (("emotion", "sad"),)
    twins = any(
        after.lyric == "+"
        and after.midi == before.midi
        and abs((after.end_sec - after.start_sec) - (before.end_sec - before.start_sec)) < 1e-5
        and before.slur == after.slur
        for before, after in zip(score.notes, score.notes[1:], strict=False)
    )
    if not twins:  # equal notes of two syllables of a word are one in this format
        close(back.score, score)
        assert back.techniques == techniques


def item(**changes):
    """A Korean word and a slur."""
    value = {
        "item_name": "Korean#KO-Tenor-1#Breathy#song#Control_Group#0000",
        "txt": ["<AP>", "그"],
        "ph": ["<AP>", "k_ko", "ɨ_ko", "ɨ_ko"],
        "ph_durs": [0.2, 0.1, 0.3, 0.4],
        "ph2words": [0, 1, 1, 1],
        "ep_pitches": [0, 60, 60, 62],
        "ep_notedurs": [0.2, 0.4, 0.4, 0.4],
        "ep_types": [1, 2, 2, 3],
        "vibrato_tech": [0, 0, 0, 1],
    }
    return value | changes


def test_metadata_repeats_durations_over_a_notes_phones():
    name, annotated = metadata.parse_item(item(), "t")
    assert name.startswith("Korean#")
    assert shape(annotated.score)[1:] == [
        ("그", 60, False, "ko:k ko:ɨ"), ("—", 62, True, "ko:ɨ")
    ]  # fmt: skip
    assert [note.end_sec for note in annotated.score.notes] == pytest.approx([0.2, 0.6, 1.0])
    assert annotated.techniques == ("0", "0", "0", "5")


ITEM_MISTAKES = {
    "count": ({"ep_types": [1, 2, 2]}, "ep_types: 3 items"),
    "negative": ({"ph_durs": [0.2, -0.1, 0.3, 0.4]}, "ph_durs: item 2 is -0.1"),
    "type": ({"ep_types": [2, 2, 2, 3]}, "ep_types: item 1: '<AP>' with type 2"),
    "pitch": ({"ep_pitches": [0, 0, 60, 62]}, "ep_types: item 2: 'k_ko' with type 2, pitch 0"),
    "first": ({"ep_types": [1, 3, 3, 3]}, "note 1: a slur without a sung note"),
    "word": ({"ph2words": [0, 1, 1, 2]}, "ph2words: item 4 is 2"),
    "phone": ({"ph": ["<AP>", "k ko", "ɨ_ko", "ɨ_ko"]}, "ph: item 2: unknown phone 'k ko'"),
    "ratio": ({"ep_notedurs": [0.2, 4, 4, 4]}, "ep_notedurs: notes of 8.200 s"),
    "language": ({"item_name": "x"}, "language: no language in 'x'"),
}


@pytest.mark.parametrize("name", ITEM_MISTAKES)
def test_metadata_mistakes_name_item_and_field(name, tmp_path):
    changes, text = ITEM_MISTAKES[name]
    path = tmp_path / "metadata.json"
    wrong = item(**changes)
    path.write_text(json.dumps([item(item_name="Korean#other"), wrong]))
    with pytest.raises(UserError) as error:
        metadata.read_metadata(path)
    assert str(error.value).startswith(f"{path}: item 1 ({wrong['item_name']}): {text}")


def test_metadata_files(tmp_path):
    path = tmp_path / "metadata.json"
    score = metadata.parse_item(item(), "t")[1].score
    assert metadata.write_metadata(path, {"Korean#a": score, "Korean#b": score}) == []
    assert list(metadata.read_metadata(path)) == ["Korean#a", "Korean#b"]
