"""A SoundFont's band, on a package that stands in: what is asked of it, and when."""

import sys
import types
from typing import ClassVar

import numpy as np
import pytest

from espnet2_ext.corpora.mini_song.playing import DRUMS, PlayedNote
from espnet2_ext.corpora.mini_song.soundfont import PROGRAMS, SoundFontBand
from espnet2_ext.errors import UserError

FS = 16000


class Synth:
    """Plays 1 on both channels while a note is on; remembers when notes begin and end."""

    calls: ClassVar[list] = []

    def __init__(self, gain, samplerate):
        self.at, self.on = 0, set()

    def sfload(self, path):
        if "broken" in path:
            raise RuntimeError("no RIFF")
        return 0

    def program_select(self, channel, font, bank, preset, is_drums=False):
        self.calls.append(("program", channel, preset, is_drums))

    def noteon(self, channel, key, velocity):
        self.calls.append(("on", self.at, channel, key, velocity))
        self.on.add((channel, key))

    def noteoff(self, channel, key):
        self.calls.append(("off", self.at, channel, key))
        self.on.discard((channel, key))

    def generate(self, samples):
        self.at += samples
        return memoryview(np.full(2 * samples, float(bool(self.on)), np.float32).tobytes())


@pytest.fixture
def font(tmp_path, monkeypatch):
    module = types.ModuleType("tinysoundfont")
    module.Synth, module.SoundFontException = Synth, type("Failed", (Exception,), {})
    monkeypatch.setitem(sys.modules, "tinysoundfont", module)
    monkeypatch.setattr(Synth, "calls", [])
    for name in ("font.sf2", "broken.sf2"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path / "font.sf2"


def test_notes_sound_when_they_are_written(font):
    band = SoundFontBand(font, FS)
    notes = [PlayedNote("piano", 0.25, 0.5, 60, 1.0), PlayedNote("kick", 1.0, 0.1, 0, 0.5)]
    wav = band.play(notes, 2.0)
    assert len(wav) == 2 * FS
    assert np.flatnonzero(wav).tolist() == [*range(4000, 12000), *range(16000, 17600)]
    piano = list(PROGRAMS).index("piano")
    assert [call for call in Synth.calls if call[0] == "on"] == [
        ("on", 4000, piano, 60, 127), ("on", 16000, 9, DRUMS["kick"], 64),
    ]  # fmt: skip
    assert ("program", piano, 0, False) in Synth.calls


def test_what_rings_longer_is_faded_out(font):
    wav = SoundFontBand(font, FS).play([PlayedNote("strings", 0.5, 3.0, 60, 1.0)], 1.0)
    assert len(wav) == FS and wav[-1] == 0 and wav[int(0.9 * FS)] == 1


def test_what_is_no_soundfont_is_named(font, tmp_path):
    with pytest.raises(UserError, match=r"broken\.sf2: --soundfont: no RIFF"):
        SoundFontBand(tmp_path / "broken.sf2", FS)
    with pytest.raises(UserError, match="no such file"):
        SoundFontBand(tmp_path / "none.sf2", FS)


def test_without_the_package_it_is_said_how_to_get_it(font, monkeypatch):
    monkeypatch.setitem(sys.modules, "tinysoundfont", None)
    with pytest.raises(UserError, match=r"espnet2-ext\[soundfont\]"):
        SoundFontBand(font, FS)
