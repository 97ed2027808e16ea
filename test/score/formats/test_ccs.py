import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.ccs import read_ccs
from espnet2_ext.score.formats.read import read_score

# As CeVIO lays a project out; the song begins in its second measure, here of 3/4.
CCS = """<?xml version="1.0" encoding="utf-8"?>
<Scenario Code="7251BC4B6168E7B2992FA620BD3E1E77">
  <Sequence Id="">
    <Scene Id="">
      <Units>
        <Unit Version="1.0" Id="" Category="TextVocal" Group="g0" Text="hello"/>
        <Unit Version="1.0" Id="" Category="SingerSong" Group="g1" StartTime="00:00:00"
         Duration="00:00:08" CastId="A" Language="Japanese">
          <Song Version="1.02">
            <Tempo><Sound Clock="0" Tempo="120"/><Sound Clock="4800" Tempo="60"/></Tempo>
            <Beat><Time Clock="0" Beats="3" BeatType="4"/></Beat>
            <Score>
              <Key Clock="0" Fifths="0" Mode="0"/>
              <Note Clock="3840" PitchStep="1" PitchOctave="4" Duration="960" Lyric="か"/>
              <Note Clock="4800" PitchStep="2" PitchOctave="4" Duration="960" Lyric="ー"/>
              <Note Clock="6720" PitchStep="4" PitchOctave="4" Duration="480" Lyric="※さ"/>
            </Score>
          </Song>
        </Unit>
        <Unit Category="SingerSong" Group="g2" Language="English">
          <Song>
            <Score>
              <Note Clock="0" PitchStep="0" PitchOctave="5" Duration="960" Lyric="hel"
               Syllabic="1"/>
              <Note Clock="960" PitchStep="0" PitchOctave="5" Duration="960" Lyric="lo"
               Syllabic="3"/>
            </Score>
          </Song>
        </Unit>
      </Units>
      <Groups>
        <Group Id="g1" Category="SingerSong" Name="lead" IsSolo="false" IsMuted="false"/>
        <Group Id="g2" Category="SingerSong" Name="choir" IsSolo="false" IsMuted="false"/>
      </Groups>
    </Scene>
  </Sequence>
</Scenario>
"""


def write(path, text=CCS):
    path.write_text(text, encoding="utf-8")
    return path


def rows(score):
    return [(round(n.start_sec, 3), round(n.end_sec, 3), n.midi, n.lyric) for n in score.notes]


def test_as_the_program_writes_it(tmp_path, caplog):
    score = read_score(write(tmp_path / "a.ccs"))
    assert rows(score) == [
        *[(0, 0.5, 0, ""), (0.5, 1, 61, "か"), (1, 2, 62, "—"), (2, 3, 0, ""), (3, 3.5, 64, "さ")]
    ]
    assert score.notes[2].slur and score.language == "ja" and score.tempo == 120
    assert "1 of 2 tracks is read: lead" in caplog.text


def test_part(tmp_path):
    pytest.importorskip("espeakng_loader")
    path = write(tmp_path / "a.ccs")
    score = read_score(path, part="choir")
    assert rows(score) == [(0, 0.5, 72, "hel-"), (0.5, 1, 72, "lo")] and score.language == "en"
    assert [n.phones[-1] for n in score.notes] == ["AH", "OW"]
    assert read_score(path, part=2) == score
    with pytest.raises(UserError, match="part: no part '3' .expected 1 .lead., 2 .choir."):
        read_score(path, part=3)
    muted = CCS.replace('IsMuted="false"', 'IsMuted="true"', 1)
    assert read_score(write(tmp_path / "b.ccs", muted)) == score


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('Clock="4800" PitchStep', 'Clock="x" PitchStep', r"track 1 .lead.: Clock: 'x'"),
        ('Clock="4800" PitchStep', 'Clock="3900" PitchStep', "note 2: starts at tick 1020, before"),
        ('Duration="480"', 'Duration="0"', "track 1 .lead., note 3: Duration: '0'"),
        ('PitchStep="2"', 'PitchStep="12"', "note 2: PitchStep: '12'"),
        ('PitchStep="2" PitchOctave="4"', 'PitchStep="11" PitchOctave="9"', "midi 131"),
        (' Lyric="か"', "", "note 1: Lyric: missing"),
        ('Lyric="か"', 'Lyric="漢"', "note 1: '漢' in Japanese"),
        ('Tempo="60"', 'Tempo="inf"', "tempo 2: Tempo: 'inf'"),
        ('Beats="3"', 'Beats="0"', "Beats: '0'"),
        ("SingerSong", "TextVocal", "no notes"),
        ("</Scenario>", "", r"a\.ccs:\d+: broken XML"),
        ("<Scenario ", "<!DOCTYPE a [<!ENTITY b 'c'>]><Scenario ", "declares entities"),
        ("Scenario", "Score", "root element 'Score' .expected a CeVIO project"),
    ],
)
def test_mistakes(tmp_path, old, new, message):
    assert old in CCS
    with pytest.raises(UserError, match=message):
        read_ccs(write(tmp_path / "a.ccs", CCS.replace(old, new)))
