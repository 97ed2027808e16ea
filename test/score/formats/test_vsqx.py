import re

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.vsqx import read_vsqx

# As VOCALOID 4 lays a project out: one measure of 4/4 and one of 3/4 before the song.
VSQ4 = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<vsq4 xmlns="http://www.yamaha.co.jp/vocaloid/schema/vsq4/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <vender><![CDATA[Yamaha corporation]]></vender>
  <version><![CDATA[4.0.0.3]]></version>
  <mixer>
    <vsUnit><tNo>0</tNo><m>0</m><s>0</s></vsUnit>
    <vsUnit><tNo>1</tNo><m>1</m><s>0</s></vsUnit>
  </mixer>
  <masterTrack>
    <seqName><![CDATA[song]]></seqName>
    <resolution>480</resolution>
    <preMeasure>2</preMeasure>
    <timeSig><m>0</m><nu>4</nu><de>4</de></timeSig>
    <timeSig><m>1</m><nu>3</nu><de>4</de></timeSig>
    <tempo><t>0</t><v>12000</v></tempo>
    <tempo><t>4320</t><v>6000</v></tempo>
  </masterTrack>
  <vsTrack>
    <tNo>1</tNo><name><![CDATA[choir]]></name>
    <vsPart>
      <t>3360</t><playTime>480</playTime>
      <singer><t>0</t><bs>4</bs><pc>0</pc></singer>
      <note><t>0</t><dur>480</dur><n>70</n><v>64</v><y><![CDATA[ni]]></y><p>n i</p></note>
    </vsPart>
  </vsTrack>
  <vsTrack>
    <tNo>0</tNo><name><![CDATA[lead]]></name>
    <vsPart>
      <t>3840</t><playTime>1920</playTime>
      <singer><t>0</t><bs>0</bs><pc>0</pc></singer>
      <note><t>0</t><dur>480</dur><n>60</n><v>64</v><y><![CDATA[か]]></y><p lock="1">k a</p>
        <nStyle><v id="accent">50</v></nStyle></note>
      <note><t>480</t><dur>480</dur><n>62</n><v>64</v><y><![CDATA[-]]></y><p>-</p></note>
      <note><t>1440</t><dur>240</dur><n>64</n><v>64</v><y><![CDATA[br1]]></y><p>Asp</p></note>
      <note><t>1680</t><dur>240</dur><n>64</n><v>64</v><y><![CDATA[さ]]></y><p>s a</p></note>
    </vsPart>
  </vsTrack>
  <monoTrack></monoTrack>
</vsq4>
"""

# What version 3 calls the same elements, inside notes, parts and elsewhere.
_OLD = {
    **{"vsq4": "vsq3", "tNo": "vsTrackNo", "name": "trackName", "vsPart": "musicalPart"},
    **{"t": "posTick", "dur": "durTick", "n": "noteNum", "y": "lyric", "p": "phnms"},
    **{"nu": "nume", "de": "denomi", "bs": "vBS", "pc": "vPC"},
}


def version_3():
    text = re.sub(r"<tempo>(.*?)</tempo>", lambda m: m[0].replace("v>", "bpm>"), VSQ4)
    text = re.sub(r"<timeSig>(.*?)</timeSig>", lambda m: m[0].replace("m>", "posMes>"), text)
    text = re.sub(r"<vsUnit>(.*?)</vsUnit>", lambda m: m[0].replace("m>", "mute>"), text)
    names = "|".join(_OLD)
    return re.sub(rf"(</?)({names})(?=[ >])", lambda m: m[1] + _OLD[m[2]], text)


def write(path, text=VSQ4):
    path.write_text(text, encoding="utf-8")
    return path


def rows(score):
    return [
        (round(n.start_sec, 3), round(n.end_sec, 3), n.midi, n.lyric or n.phones[0])
        for n in score.notes
    ]


@pytest.mark.parametrize("text", [VSQ4, version_3()], ids=["vsq4", "vsq3"])
def test_as_the_program_writes_it(tmp_path, text, caplog):
    score = read_score(write(tmp_path / "a.vsqx", text))
    assert rows(score) == [
        *[(0, 0.5, 0, "SP"), (0.5, 1, 60, "か"), (1, 2, 62, "—"), (2, 3, 0, "SP")],
        *[(3, 3.5, 0, "AP"), (3.5, 4, 64, "さ")],
    ]
    assert score.notes[2].slur and score.language == "ja" and score.tempo == 120
    assert "1 of 2 tracks is read: lead" in caplog.text  # the other is muted


@pytest.mark.parametrize("text", [VSQ4, version_3()], ids=["vsq4", "vsq3"])
def test_part(tmp_path, text):
    path = write(tmp_path / "a.vsqx", text)
    score = read_score(path, part="choir", default_language="ja")
    assert rows(score) == [(0, 0.5, 70, "ni")] and score.language == "zh"
    assert read_score(path, part=1) == read_score(path, part="choir")
    with pytest.raises(UserError, match="part: no part 'x' .expected 1 .choir., 2 .lead."):
        read_score(path, part="x")


def test_english_words_over_notes(tmp_path):
    pytest.importorskip("espeakng_loader")
    text = VSQ4.replace("[か]", "[hel-]").replace("[-]", "[lo]").replace("[さ]", "[love]")
    score = read_score(write(tmp_path / "a.vsqx", text.replace("<bs>0", "<bs>1")))
    assert score.language == "en"
    assert [n.lyric for n in score.notes if n.midi] == ["hel-", "lo", "love"]
    assert "L" in score.notes[2].phones and "OW" in score.notes[2].phones


def test_tempo_before_the_song_holds_in_it(tmp_path):
    text = VSQ4.replace("<t>4320</t>", "<t>480</t>")
    assert read_score(write(tmp_path / "a.vsqx", text)).tempo == 60


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<t>480</t>", "<t>x</t>", "track 2 .lead., part 1, note 2: t: 'x'"),
        ("<t>480</t>", "<t>10</t>", "note 2: starts at tick 490, before 960"),
        ("<t>3360</t>", "<t>3000</t>", "track 1 .choir., part 1, note 1: starts 360 ticks before"),
        ("<t>480</t><dur>480", "<t>480</t><dur>0", "note 2: dur: '0'"),
        ("<n>62</n>", "", "note 2: n: missing"),
        ("<n>62</n>", "<n>nan</n>", "note 2: n: 'nan'"),
        ("[か]", "[]", "track 2 .lead., part 1, note 1: lyric: ''"),
        ("[か]", "[漢]", "note 1: '漢' in Japanese"),
        ("<v>6000</v>", "<v>0</v>", "tempo 2: v: '0'"),
        ("<preMeasure>2", "<preMeasure>x", "preMeasure: 'x'"),
        ("<nu>3</nu>", "", "time signature 2: nu: missing"),
        ("<resolution>480", "<resolution>0", "resolution: '0'"),
        ("</vsq4>", "", r"a\.vsqx:\d+: broken XML"),
        ("<vsq4 xmlns", "<!DOCTYPE a [<!ENTITY b 'c'>]><vsq4 xmlns", "declares entities"),
    ],
)
def test_mistakes(tmp_path, old, new, message):
    assert old in VSQ4
    with pytest.raises(UserError, match=message):
        read_vsqx(write(tmp_path / "a.vsqx", VSQ4.replace(old, new)))


def test_other_files(tmp_path):
    with pytest.raises(UserError, match="root element 'score-partwise' .expected .*vsq3 or vsq4"):
        read_vsqx(write(tmp_path / "a.vsqx", "<score-partwise/>"))
    with pytest.raises(UserError, match="masterTrack: no master track"):
        read_vsqx(write(tmp_path / "a.vsqx", "<vsq4/>"))
    with pytest.raises(UserError, match="no notes"):
        read_vsqx(write(tmp_path / "a.vsqx", "<vsq4><masterTrack/></vsq4>"))
    for data in (b"", b"\xff\xfe", b"\0"):
        (tmp_path / "b.vsqx").write_bytes(data)
        with pytest.raises(UserError, match=r"b\.vsqx"):
            read_vsqx(tmp_path / "b.vsqx")
