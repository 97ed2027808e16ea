"""Files of other programs that are not read: what they are, and what to export instead."""

from pathlib import Path

_SCORE = "export MusicXML (or MIDI with lyrics)"
_MIDI = "export MIDI, with the lyrics if it can"
_SINGING = "export MIDI, UST, or MusicXML"
_AUDIO = "a score is read, not sound: write one, or label the recording"

OTHERS: dict[str, tuple[str, str]] = {
    # singing programs
    ".s5p": ("an old Synthesizer V project", "open it in Synthesizer V Studio and save a .svp"),
    ".vsq": ("a VOCALOID 2 project", "save it as .vsqx in a later VOCALOID, or export MIDI"),
    ".nn": ("a NIAONiao project", _SINGING),
    ".dv": ("a DeepVocal project", _SINGING),
    ".acep": ("an ACE Studio project", "export MIDI with lyrics from ACE Studio"),
    ".ufdata": ("UtaFormatix data", "have UtaFormatix write MusicXML, USTX or MIDI"),
    ".ppsf": ("a Piapro Studio project", "export MIDI, or a .vsqx"),
    ".tstprj": ("a VoiSona Talk project, which is speech", "a song, such as VoiSona's .tssln"),
    ".svip": ("an X Studio project", _SINGING),
    # notation
    ".musx": ("a Finale score", _SCORE),
    ".mus": ("an old Finale score", _SCORE),
    ".sib": ("a Sibelius score", _SCORE),
    ".dorico": ("a Dorico project", _SCORE),
    ".ly": ("a LilyPond source", "its MIDI (\\midi in \\score), or convert it to MusicXML"),
    ".enc": ("an Encore score", _SCORE),
    ".capx": ("a capella score", _SCORE),
    ".cap": ("an old capella score", _SCORE),
    ".nwc": ("a NoteWorthy score", _SCORE),
    ".nwctxt": ("a NoteWorthy score as text", _SCORE),
    ".ove": ("an Overture score", _SCORE),
    ".gp": ("a Guitar Pro score", _SCORE),
    ".gpx": ("a Guitar Pro 6 score", _SCORE),
    ".gp5": ("a Guitar Pro 5 score", _SCORE),
    ".gp4": ("a Guitar Pro 4 score", _SCORE),
    ".gp3": ("a Guitar Pro 3 score", _SCORE),
    ".smf": ("perhaps a MIDI file", "the suffix .mid"),
    ".rmi": ("a MIDI file in a RIFF", "save it as .mid"),
    # music production
    ".logicx": ("a Logic project", _MIDI),
    ".band": ("a GarageBand project", _MIDI),
    ".cpr": ("a Cubase project", _MIDI),
    ".als": ("an Ableton Live set", _MIDI),
    ".flp": ("an FL Studio project", _MIDI),
    ".ptx": ("a Pro Tools session", _MIDI),
    ".rpp": ("a REAPER project", _MIDI),
    ".song": ("a Studio One song", _MIDI),
    ".dawproject": ("a DAWproject", _MIDI),
    # pictures and sound
    ".pdf": ("a PDF, a picture of a score", "its MusicXML, or one of music recognition"),
    ".png": ("a picture", "the MusicXML of the score"),
    ".jpg": ("a picture", "the MusicXML of the score"),
    ".wav": ("audio", _AUDIO),
    ".mp3": ("audio", _AUDIO),
    ".flac": ("audio", _AUDIO),
    ".lrc": ("lyrics with times, without notes", "MusicXML or MIDI with lyrics"),
    ".doc": ("a document", "MusicXML, or the JSON of docs/scores.md"),
    ".docx": ("a document", "MusicXML, or the JSON of docs/scores.md"),
}  # fmt: skip
"""By suffix: what such a file is, and what to give instead."""


def instead_of(path: str | Path) -> tuple[str, str] | None:
    """What a file of another program is, and what to give instead; None for an unknown suffix."""
    return OTHERS.get(Path(path).suffix.lower())
