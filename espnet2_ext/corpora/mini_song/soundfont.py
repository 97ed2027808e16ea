"""A band whose instruments are those of a SoundFont, played by the package ``tinysoundfont``."""

import types
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from espnet2_ext.corpora.mini_song.playing import DRUMS, PlayedNote
from espnet2_ext.errors import UserError

PROGRAMS = {
    "piano": 0, "guitar": 25, "electric guitar": 29, "strings": 48, "synthesizer": 81, "bass": 33,
}  # fmt: skip
"""General MIDI's presets, from 0."""
_DRUM_CHANNEL = 9
_DRUM_BANK = 128
_CHANNELS = 2
_GAIN_DB = -12.0  # many notes sound together
_HARDEST = 127
_FADE_SEC = 0.05


class SoundFontBand:
    """A `playing.Band` that a SoundFont plays.

    Args:
        path: SoundFont file (sf2 or sf3).
        fs: Sampling rate (Hz).

    Raises:
        UserError: the package is not installed, or the file is no SoundFont with General MIDI's
            instruments.
    """

    def __init__(self, path: str | Path, fs: int) -> None:
        self._package, self._path, self._fs = _package(), Path(path), fs
        if not self._path.is_file():
            raise UserError(path, "no such file", "a SoundFont", "--soundfont")
        self._synth()

    def play(self, notes: Sequence[PlayedNote], seconds: float) -> np.ndarray:
        """The sound of notes (N,) float64, `seconds` long; what rings longer is faded out."""
        synth, channels = self._synth()
        total = round(seconds * self._fs)
        events: list[tuple[int, int, int, int]] = []  # sample, channel, key, velocity (0: end)
        for note in notes:
            drum = DRUMS.get(note.instrument)
            channel = _DRUM_CHANNEL if drum is not None else channels[note.instrument]
            key = drum if drum is not None else note.midi
            start = round(note.start_sec * self._fs)
            end = start + max(1, round(note.seconds * self._fs))
            hard = max(1, round(note.velocity * _HARDEST))
            events += [(start, channel, key, hard), (end, channel, key, 0)]
        wav = np.zeros(total)
        at = 0
        for sample, channel, key, velocity in sorted(events):
            until = min(sample, total)
            wav[at:until] = self._generate(synth, until - at)
            at = max(at, until)
            if velocity:
                synth.noteon(channel, key, velocity)
            else:
                synth.noteoff(channel, key)
        wav[at:] = self._generate(synth, total - at)
        fade = min(total, round(_FADE_SEC * self._fs))
        wav[total - fade :] *= np.linspace(1, 0, fade)
        return wav

    def _synth(self) -> tuple[object, dict[str, int]]:
        """A player with nothing sounding, and the channel of each instrument."""
        synth = self._package.Synth(gain=_GAIN_DB, samplerate=self._fs)
        channels = {}
        try:
            font = synth.sfload(str(self._path))
            for channel, (name, program) in enumerate(PROGRAMS.items()):
                synth.program_select(channel, font, 0, program)
                channels[name] = channel
            synth.program_select(_DRUM_CHANNEL, font, _DRUM_BANK, 0, True)
        except (RuntimeError, self._package.SoundFontException) as error:
            expected = "a SoundFont with General MIDI's instruments"
            raise UserError(self._path, str(error), expected, "--soundfont") from None
        return synth, channels

    @staticmethod
    def _generate(synth: object, samples: int) -> np.ndarray:
        if samples <= 0:
            return np.zeros(0)
        stereo = np.frombuffer(synth.generate(samples), np.float32)
        return stereo.reshape(-1, _CHANNELS).mean(axis=1).astype(np.float64)


def _package() -> types.ModuleType:
    try:
        import tinysoundfont
    except ImportError as error:
        found = f"tinysoundfont cannot be imported ({error})"
        raise UserError("--soundfont", found, "pip install 'espnet2-ext[soundfont]'") from None
    return tinysoundfont
