"""What was found in samples so far, on disk: a run that was killed goes on where it was."""

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from espnet2_ext.files import atomic_path
from espnet2_ext.lint.findings import KINDS, Finding


class WorkFile:
    """A file with a line of JSON per finished utterance: id, key of its inputs, findings.

    Lines are appended and flushed, so that a kill costs at most the last one, which is then not
    readable and is done again. `close` writes the file anew with what still holds.

    Args:
        path: The file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.known: dict[str, tuple[str, list[Finding]]] = {}
        self._file: TextIO | None = None
        if path is None:
            return
        try:
            for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
                self._remember(line)
        except OSError:
            pass  # nothing was done before
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (closed by `close`)
            self._file.write("\n")  # ends a line that a kill left unfinished
        except OSError as error:
            logging.warning("%s: %s: a killed run will start again", path, error.strerror)

    def _remember(self, line: str) -> None:
        try:
            entry: dict[str, Any] = json.loads(line)
            findings = [Finding(**finding) for finding in entry["findings"]]
            if all(finding.kind in KINDS for finding in findings):
                self.known[entry["utt"]] = entry["key"], findings
        except (ValueError, TypeError, KeyError):
            pass  # cut short, or of another version

    def add(self, utt: str, key: str, findings: list[Finding]) -> None:
        """Note a finished utterance."""
        self.known[utt] = key, findings
        if self._file is not None:
            self._file.write(_line(utt, key, findings))
            self._file.flush()

    def close(self) -> None:
        """Write the file anew, an utterance per line."""
        if self._file is None or self.path is None:
            return
        self._file.close()
        with atomic_path(self.path) as part, open(part, "w", encoding="utf-8") as file:
            for utt, (key, findings) in self.known.items():
                file.write(_line(utt, key, findings))


def _line(utt: str, key: str, findings: list[Finding]) -> str:
    entry = {"utt": utt, "key": key, "findings": [asdict(finding) for finding in findings]}
    return json.dumps(entry, ensure_ascii=False) + "\n"
