"""Note names (D#4, D#4/Eb4, rest) and MIDI numbers."""

import re

from espnet2_ext.score.music_score import REST_MIDI

REST_NAME = "rest"
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_NAME = re.compile(r"([A-G])([#b]?)(-?\d+)(?:/[A-G][#b]?-?\d+)?")
_NAMES = ["C", "C#/Db", "D", "D#/Eb", "E", "F", "F#/Gb", "G", "G#/Ab", "A", "A#/Bb", "B"]


def name_to_midi(name: str) -> int:
    """MIDI number of a note name, C4 = 60; 0 for ``rest``.

    Raises:
        ValueError: not a note name, or outside MIDI 1-127.
    """
    if name == REST_NAME:
        return REST_MIDI
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not a note name")
    step, accidental, octave = match.groups()
    midi = _STEPS[step] + {"": 0, "#": 1, "b": -1}[accidental] + 12 * (int(octave) + 1)
    if not 1 <= midi <= 127:
        raise ValueError(f"note {name!r} is outside MIDI 1-127")
    return midi


def midi_to_name(midi: int) -> str:
    """Opencpop's name of a MIDI number: ``D#4/Eb4``, ``C4``, or ``rest`` for 0."""
    if midi == REST_MIDI:
        return REST_NAME
    octave = midi // 12 - 1
    return "/".join(f"{name}{octave}" for name in _NAMES[midi % 12].split("/"))
