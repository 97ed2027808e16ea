"""One-line errors for a user's mistake, and the command-line wrapper that prints them."""

import argparse
import contextlib
import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pickle import UnpicklingError
from typing import Any

from espnet2_ext.pickles import refuse_pickles

USER_ERROR_STATUS = 2
INTERRUPTED_STATUS = 130
MAX_PART = 400
_NO_MEMORY, _WRITER = "can't allocate memory", "inline_container.cc"


class UserError(Exception):
    """A mistake in what the user gave: one line that names place, finding and expectation.

    Args:
        place: File, ``file:line`` or ``file: utterance`` (str or Path).
        found: What was found there, in words.
        expected: What was expected; left out when `found` says it all.
        field: The field, key or column, if there is one.

    What a file holds may be of any length and may hold a terminal's commands: each part is cut to
    `MAX_PART` characters, and unprintable ones are spelled out.
    """

    def __init__(self, place: Any, found: str, expected: str = "", field: str = "") -> None:
        self.place, self.found, self.expected, self.field = (
            _shown(str(part)) for part in (place, found, expected, field)
        )
        place, found, expected, field = self.place, self.found, self.expected, self.field
        parts = [self.place, field, found]
        line = ": ".join(part for part in parts if part)
        if expected:
            line += f" (expected {expected})"
        super().__init__(" ".join(line.split()))

    def __reduce__(self) -> tuple[Any, ...]:
        """Its parts, so that a worker process can hand it to the one that asked."""
        return type(self), (self.place, self.found, self.expected, self.field)

    def moved(self, old: Any, new: Any) -> "UserError":
        """The same mistake where the user knows it: `new` in place of the folder `old`."""
        own = (self.place, self.found, self.expected, self.field)
        return UserError(*(part.replace(f"{old}/", f"{new}: ").replace(f"{old}", f"{new}")
                           for part in own))  # fmt: skip


def _shown(text: str) -> str:
    """At most `MAX_PART` characters of a text, from both ends, all of them printable."""
    if len(text) > MAX_PART:
        half = MAX_PART // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return "".join(c if c.isprintable() or c.isspace() else repr(c)[1:-1] for c in text)


def _mistake(error: Exception) -> UserError | None:
    """An error that is no fault of the program's, in one line; None for any other."""
    reason = str(error).strip().partition("\n")[0]
    if isinstance(error, UserError):
        return error
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, UnpicklingError):
        error = error.__cause__  # as ESPnet 202611 says it
    if isinstance(error, UnpicklingError):
        return UserError("a file", f"a pickle, which may run code ({reason})")
    if isinstance(error, BrokenPipeError):
        return UserError(error.filename or "output", error.strerror or reason)
    if isinstance(error, OSError):
        place = error.filename if error.filename is not None else type(error).__name__
        return UserError(place, error.strerror or reason)
    if isinstance(error, MemoryError) or _NO_MEMORY in reason:
        return UserError("memory", reason or "not enough")
    if _WRITER in reason:  # of torch.save, which does not say what the system said
        return UserError("a checkpoint", f"cannot be written ({reason})", "space on the disk")
    return None


@contextlib.contextmanager
def _one_line_parsers() -> Iterator[None]:
    """Have options that cannot be parsed end as every mistake does, not in a page of usage."""

    def refuse(parser: argparse.ArgumentParser, message: str) -> None:
        raise UserError(parser.prog, message, "options as --help has them")

    before, argparse.ArgumentParser.error = argparse.ArgumentParser.error, refuse
    try:
        yield
    finally:
        argparse.ArgumentParser.error = before


def _drop_output() -> None:
    """Give up what is still to be printed, if nobody takes it: Python tries again as it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_ends: list[contextlib.ExitStack] = []  # of the command lines that run, one within the other


def at_end(context: contextlib.AbstractContextManager[Any]) -> None:
    """Enter `context`, and leave it when the command line that runs (`cli`) ends."""
    _ends[-1].enter_context(context)


def cli(main: Callable[..., Any]) -> Callable[..., int]:
    """Make a `main` whose `UserError` ends in one line on stderr and exit status 2.

    So do what the system refuses (no space, no permission, a name too long, a reader that has gone)
    and a file that would run code. The wrapped function exits the process; Ctrl-C ends with status
    130.
    """

    @functools.wraps(main)
    def wrapper(*args: Any, **kwargs: Any) -> int:
        logging.basicConfig(
            level=logging.INFO,
            format="%(asctime)s %(name)s %(levelname)s: %(message)s",
            stream=sys.stderr,
        )
        refuse_pickles()
        try:
            with _one_line_parsers(), contextlib.ExitStack() as ends:
                _ends.append(ends)
                ends.callback(_ends.pop)
                status = main(*args, **kwargs)
            sys.stdout.flush()
        except KeyboardInterrupt:
            print("interrupted: run the same command again to resume", file=sys.stderr)
            sys.exit(INTERRUPTED_STATUS)
        except Exception as error:
            mistake = _mistake(error)
            if mistake is None:
                raise
            logging.debug("%s", mistake, exc_info=True)
            print(f"error: {mistake}", file=sys.stderr)
            _drop_output()
            sys.exit(USER_ERROR_STATUS)
        sys.exit(status or 0)

    return wrapper
