"""espeak-ng through ctypes: audio of a text together with exact phoneme positions.

Uses the library and the voices of the ``espeakng-loader`` wheel, so nothing is to be installed
on the system. espeak-ng keeps one global state, which every call moves on: the same samples come
out only of a fresh process that says the same things in the same order.
"""

import ctypes
from dataclasses import dataclass

import numpy as np

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 0x0001
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_PHONEMES = 0x100  # what stands between [[ and ]] is phonemes
_EVENT_LIST_TERMINATED = 0
_EVENT_PHONEME = 7
_RANDOM_SEED = 1
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER


class _EventId(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Speech:
    """What espeak said: `wav` (N,) float64 in [-1, 1] at `fs`; `events` (sample, phoneme name)."""

    wav: np.ndarray
    fs: int
    events: tuple[tuple[int, str], ...]


class Espeak:
    """The espeak-ng library; raises `ImportError` where the ``espeakng-loader`` wheel is absent."""

    def __init__(self) -> None:
        import espeakng_loader

        self._lib = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        data = str(espeakng_loader.get_data_path()).encode()
        options = _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_DONT_EXIT
        self.fs = self._lib.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, data, options)
        if self.fs <= 0:
            raise RuntimeError("espeak-ng could not be initialised")
        self._lib.espeak_ng_SetRandSeed(_RANDOM_SEED)  # else seeded by the clock
        self._chunks: list[np.ndarray] = []
        self._events: list[tuple[int, str]] = []
        self._callback = _Callback(self._receive)
        self._lib.espeak_SetSynthCallback(self._callback)
        self._voice: tuple[str, int, int, int] | None = None

    def _receive(self, samples, count: int, events) -> int:
        if samples and count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float64) / 32768)
        index = 0
        while events[index].type != _EVENT_LIST_TERMINATED:
            event = events[index]
            if event.type == _EVENT_PHONEME:
                self._events.append((event.sample, event.id.string.decode("utf-8", "replace")))
            index += 1
        return 0

    def say(
        self,
        text: str,
        voice: str,
        rate: int = 160,
        pitch: int = 50,
        span: int = 50,
        phonemes: bool = False,
    ) -> Speech:
        """Speak `text` with an espeak voice such as ``cmn-latn-pinyin+f2``.

        Args:
            text: In the voice's writing: pinyin with tone digits, or hanzi.
            voice: espeak voice name with its variant.
            rate: Words per minute (80-450).
            pitch: Base pitch (0-100).
            span: Pitch range (0-100).
            phonemes: Whether what stands between [[ and ]] is espeak-ng's names of phonemes.

        Raises:
            ValueError: espeak has no such voice.
        """
        setting = (voice, rate, pitch, span)
        if setting != self._voice:
            if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
                raise ValueError(f"espeak-ng has no voice {voice!r}")
            for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, span)):
                self._lib.espeak_SetParameter(parameter, value, 0)
            self._voice = setting
        self._chunks, self._events = [], []
        data = text.encode() + b"\0"
        flags = _CHARS_UTF8 | (_PHONEMES if phonemes else 0)
        self._lib.espeak_Synth(data, len(data), 0, 0, 0, flags, None, None)
        self._lib.espeak_Synchronize()
        wav = np.concatenate(self._chunks) if self._chunks else np.zeros(0)
        return Speech(wav, self.fs, tuple(self._events))
