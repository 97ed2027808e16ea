"""Phonemes of words by espeak-ng, which the ``espeakng-loader`` wheel brings along."""

import ctypes
import functools
import re
import shutil
import tempfile
from pathlib import Path

_AUDIO_OUTPUT_RETRIEVAL = 1
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_IPA = 0x02
_SEPARATOR = "_"
_VOICE_CHANGE = re.compile(r"\([a-z-]+\)")  # "(en)" before a word that is read as foreign


@functools.cache
def _library() -> ctypes.CDLL:
    import espeakng_loader

    # A copy of its own: the library's state is global, and whoever else speaks must not notice.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "libespeak-ng-g2p"
        shutil.copy(str(espeakng_loader.get_library_path()), copy)
        library = ctypes.CDLL(str(copy))
    data = str(espeakng_loader.get_data_path()).encode()
    if library.espeak_Initialize(_AUDIO_OUTPUT_RETRIEVAL, 0, data, _INITIALIZE_DONT_EXIT) <= 0:
        raise RuntimeError("espeak-ng could not be initialised")
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [
        ctypes.POINTER(ctypes.c_void_p),
        ctypes.c_int,
        ctypes.c_int,
    ]
    return library


@functools.lru_cache(maxsize=8192)
def phonemes(text: str, voice: str) -> tuple[str, ...]:
    """IPA of a word or phrase, one item per phoneme, stress marks dropped.

    Args:
        text: One word, or several that are read together.
        voice: espeak voice, such as ``en-us``.

    Raises:
        ImportError: ``espeakng-loader`` is not installed.
        OSError: Its library cannot be loaded.
        RuntimeError: espeak-ng cannot be initialised.
        ValueError: espeak has no such voice.
    """
    library = _library()
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice {voice!r}")
    buffer = ctypes.create_string_buffer(text.encode())
    pointer = ctypes.c_void_p(ctypes.addressof(buffer))
    mode = _IPA | ord(_SEPARATOR) << 8
    spoken = []
    while pointer.value:
        clause = library.espeak_TextToPhonemes(ctypes.byref(pointer), _CHARS_UTF8, mode)
        clause = _VOICE_CHANGE.sub(" ", clause.decode())
        spoken += clause.replace(" ", _SEPARATOR).split(_SEPARATOR)
    plain = (item.replace("ˈ", "").replace("ˌ", "") for item in spoken)
    return tuple(item for item in plain if item)
