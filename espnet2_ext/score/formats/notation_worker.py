"""ABC, Humdrum and MEI to MusicXML by converter21, in a process of its own.

``python -P notation_worker.py abc|humdrum|mei``: the text comes by stdin, a JSON goes to stdout,
``{"musicxml": ..., "remarks": [...]}`` or ``{"error": ...}``. It imports nothing of espnet2_ext.
The libraries are written for notation software, not for foreign files: once they are imported
nothing is written, fetched, started or unpickled any more, and memory is limited.
"""

import contextlib
import io
import json
import os
import re
import sys
from typing import Any

MAX_MEMORY = 4 * 2**30
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_REFUSED = ("socket.", "subprocess.", "shutil.", "pickle.", "urllib.", "webbrowser.", "ftplib.")
_REFUSED += ("os.exec", "os.fork", "os.posix_spawn", "os.remove", "os.rename", "os.system")
_BEATS = re.compile(r"[0-9+ ()]{1,40}")


def lock_down() -> None:
    """Refuse, from now on, whatever is no reading of text: writing, the network, programs, pickles.

    There is no way back within the process.
    """

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
        if writes or event.startswith(_REFUSED):
            raise PermissionError(f"{event} is refused")

    sys.dont_write_bytecode = True
    with contextlib.suppress(ImportError, ValueError, OSError):  # where the system has no limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    sys.addaudithook(refuse)


def _beats(text: str) -> int:
    """The sum of a meter's beats such as ``2+3``, in place of Python's `eval`."""
    if not _BEATS.fullmatch(text):
        raise ValueError(text)
    return sum(int(number) for number in re.findall("[0-9]{1,4}", text))


def _from_abc(text: str) -> tuple[str, list[str]]:
    from xml.etree.ElementTree import tostring

    from converter21.abc import abc2xml

    def refuse(name: str, *_: Any) -> None:
        raise PermissionError(f"a file to include: {name}")

    abc2xml.eval = _beats
    abc2xml.readfile = refuse
    abc2xml.getInfo()
    lock_down()
    (document,) = abc2xml.getXmlDocs(text)
    remarks = abc2xml.getInfo().split("\n")
    return tostring(document, encoding="unicode"), remarks


def _from_stream(text: str, kind: str) -> tuple[str, list[str]]:
    from converter21 import HumdrumConverter, MEIConverter
    from music21.musicxml.m21ToXml import GeneralObjectExporter
    from music21.stream import Score

    converter = {"humdrum": HumdrumConverter, "mei": MEIConverter}[kind]()
    lock_down()
    converter.parseData(text)
    if not isinstance(converter.stream, Score):
        raise ValueError(f"{len(list(converter.stream))} scores, not one")
    return GeneralObjectExporter(converter.stream).parse().decode("utf-8"), []


def convert(text: str, kind: str) -> dict[str, Any]:
    """The MusicXML of a text and what the library remarked, or why there is none.

    Args:
        text: The file.
        kind: abc, humdrum or mei.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            xml, remarks = _from_abc(text) if kind == "abc" else _from_stream(text, kind)
    except Exception as error:
        reason = " ".join(str(error).split())
        return {"error": f"{type(error).__name__}: {reason}" if reason else type(error).__name__}
    remarks += said.getvalue().split("\n")
    return {"musicxml": xml, "remarks": [line.strip() for line in remarks if line.strip()]}


def main() -> None:
    text = sys.stdin.buffer.read().decode("utf-8")
    json.dump(convert(text, sys.argv[1]), sys.stdout)


if __name__ == "__main__":
    main()
