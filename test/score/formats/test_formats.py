import re
from pathlib import Path

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.other_programs import OTHERS
from espnet2_ext.score.formats.suffixes import FORMATS, format_of


def test_documented_as_they_are():
    text = Path("docs/scores.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.split("\n")]
    table = {row[0]: row[1:] for row in rows if len(row) == 9}
    for known in FORMATS:
        suffixes, *marks, _, options = table[known.name]
        assert tuple(re.findall(r"`(.+?)`", suffixes)) == known.suffixes
        offered = tuple(o for o in known.options if o != "default_language")  # a pack's, no user's
        assert tuple(options.split(", ")) == offered
        for name, mark in zip(("tempo", "language", "breaths", "phones"), marks, strict=False):
            assert (mark == "yes") == (name in known.holds), (known.name, name)
        assert (marks[4] == "yes") == ("phone times" in known.holds)
        assert (table[known.name][6] in ("1 µs", "exact")) == ("seconds" in known.holds)


def test_every_format_has_its_section():
    text = Path("docs/scores.md").read_text(encoding="utf-8")
    sections = {name.split()[0] for name in re.findall(r"^\*\*([^*]+)\.\*\*", text, re.MULTILINE)}
    assert {known.name.split()[0] for known in FORMATS} <= sections


def test_every_format_is_named_in_the_readme():
    text = Path("README.md").read_text(encoding="utf-8")
    for known in FORMATS:
        assert known.name.partition(" ")[0] in text, known.name


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.MID", ("MIDI", "a.MID", None)),
        ("a.M4Singer.json", ("M4Singer", "a.M4Singer.json", None)),
        ("b/a.m4singer.json#x#1.json", ("M4Singer", "b/a.m4singer.json", "x#1.json")),
        ("a.txt#u", ("Opencpop", "a.txt", "u")),
        ("data/train#u.1", ("ESPnet directory", "data/train", "u.1")),
        ("data/train.v2/", ("ESPnet directory", "data/train.v2/", None)),
        ("song #1.mid", ("MIDI", "song #1.mid", None)),
    ],
)
def test_which_format(path, found):
    known, *rest = format_of(path)
    assert (known.name, *rest) == found


def test_no_format():
    with pytest.raises(
        UserError, match="suffix '.xyz' .expected .musicxml, .xml.*export MusicXML or MIDI"
    ):
        format_of("a.xyz")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.sib", r"a\.sib: suffix '.sib', a Sibelius score .expected export MusicXML"),
        ("a.VSQ", r"a\.VSQ: suffix '.VSQ', a VOCALOID 2 project .expected save it as .vsqx"),
        ("a.tstprj", "a VoiSona Talk project, which is speech"),
        ("a.pdf", "a PDF, a picture of a score .expected its MusicXML"),
    ],
)
def test_files_of_other_programs_name_what_to_export(name, message):
    with pytest.raises(UserError, match=message):
        format_of(name)


def test_a_bundle_is_no_data_directory(tmp_path):
    (tmp_path / "a.logicx").mkdir()
    with pytest.raises(UserError, match="a Logic project .expected export MIDI"):
        format_of(tmp_path / "a.logicx")
    (tmp_path / "a.logicx" / "label").touch()
    assert format_of(tmp_path / "a.logicx")[0].name == "ESPnet directory"


def test_no_suffix_is_both_read_and_refused():
    assert not {s for known in FORMATS for s in known.suffixes} & OTHERS.keys()
    assert all(what and instead and suffix.islower() for suffix, (what, instead) in OTHERS.items())
