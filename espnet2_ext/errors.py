"""One-line errors for a user's mistake, and the command-line wrapper that prints them."""

import functools
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

USER_ERROR_STATUS = 2
INTERRUPTED_STATUS = 130


class UserError(Exception):
    """A mistake in what the user gave: one line that names place, finding and expectation.

    Args:
        place: File, ``file:line`` or ``file: utterance`` (str or Path).
        found: What was found there, in words.
        expected: What was expected; left out when `found` says it all.
        field: The field, key or column, if there is one.
    """

    def __init__(self, place: Any, found: str, expected: str = "", field: str = "") -> None:
        self.place, self.found, self.expected, self.field = str(place), found, expected, field
        parts = [self.place, field, found]
        line = ": ".join(part for part in parts if part)
        if expected:
            line += f" (expected {expected})"
        super().__init__(" ".join(line.split()))


def cli(main: Callable[..., Any]) -> Callable[..., int]:
    """Make a `main` whose `UserError` ends in one line on stderr and exit status 2.

    The wrapped function exits the process; Ctrl-C ends with status 130.
    """

    @functools.wraps(main)
    def wrapper(*args: Any, **kwargs: Any) -> int:
        logging.basicConfig(
            level=logging.INFO,
            format="%(asctime)s %(name)s %(levelname)s: %(message)s",
            stream=sys.stderr,
        )
        try:
            status = main(*args, **kwargs)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(USER_ERROR_STATUS)
        except KeyboardInterrupt:
            print("interrupted: run the same command again to resume", file=sys.stderr)
            sys.exit(INTERRUPTED_STATUS)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        sys.exit(status or 0)

    return wrapper
