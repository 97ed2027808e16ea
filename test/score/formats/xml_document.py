"""MusicXML of a few notes, written by hand."""

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN"
 "http://www.musicxml.org/dtds/partwise.dtd">
"""
DIVISIONS = "<attributes><divisions>2</divisions></attributes>"
TEMPO = '<direction><sound tempo="60"/></direction>'


def note(pitch, duration=2, lyric=None, voice=1, extra="", **verses):
    """A note of `duration` eighths; `pitch` is a step and octave, or None for a rest."""
    chord = "<chord/>" if "chord" in extra else ""
    ties = "".join(f'<tie type="{t}"/>' for t in ("stop", "start") if t in extra)
    what = "<rest/>"
    if pitch:
        alter = "<alter>1</alter>" if "#" in pitch else ""
        what = f"<pitch><step>{pitch[0]}</step>{alter}<octave>{pitch[-1]}</octave></pitch>"
    verses = {"1": lyric, **{k[1:]: v for k, v in verses.items()}}
    words = "".join(f'<lyric number="{k}"><text>{v}</text></lyric>' for k, v in verses.items() if v)
    length = f"<duration>{duration}</duration>" if "grace" not in extra else ""
    grace = "<grace/>" if "grace" in extra else ""
    return f"<note>{grace}{chord}{what}{length}{ties}<voice>{voice}</voice>{words}</note>"


def document(*parts, names=("Voice", "Piano")):
    listed = "".join(
        f'<score-part id="P{i}"><part-name>{names[i]}</part-name></score-part>'
        for i in range(len(parts))
    )
    bodies = "".join(
        f'<part id="P{i}">'
        + "".join(f'<measure number="{n}">{m}</measure>' for n, m in enumerate(measures, 1))
        + "</part>"
        for i, measures in enumerate(parts)
    )
    return f"{HEAD}<score-partwise><part-list>{listed}</part-list>{bodies}</score-partwise>"


def rows(score):
    return [(round(n.start_sec, 4), round(n.end_sec, 4), n.midi, n.lyric) for n in score.notes]


def first(*content):
    return DIVISIONS + TEMPO + "".join(content)


def lyrics(score):
    return "".join(n.lyric for n in score.notes)


def repeat(direction, extra="", times=""):
    times = f' times="{times}"' if times else ""
    return f'<barline>{extra}<repeat direction="{direction}"{times}/></barline>'
