"""Files damaged at random, as people, disks and strangers damage them, and what may come of it."""

import random
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError

WORDS = (
    b"9" * 5000, b"-1", b"0", b"1e999", b".nan", b"null", b"[]", b"{}", b"x", b"true",
    b"2020-01-01", b"'", b'"', b"[", b"{", b"\xff", b"\x00", b"&a", b"*a", b"!!set {a}",
    b"4000000000", b"1.5", b"999999", b"\n", b"- ", b": ", "\u202e".encode(), b"<<",
)  # fmt: skip
BINARY = (".safetensors", ".pth", ".npy", ".ark", ".wav")
SECONDS, BYTES = 20, 2 * 2**30


def mutate(data: bytes, rng: random.Random, binary: bool) -> bytes:
    """One mistake: cut short, a word in place of another, a line or a value lost, bytes changed."""
    at, kind = rng.randrange(max(1, len(data))), rng.randrange(6)
    lines = data.split(b"\n")
    line = rng.randrange(len(lines))
    digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    if kind == 0:
        return data[:at]
    if kind == 1 or (kind == 2 and not digits):
        return data[:at] + rng.choice(WORDS) + data[at + rng.randrange(3) :]
    if not binary and kind == 2:
        start = end = rng.choice(digits)
        while end < len(data) and data[end] in b"0123456789.":
            end += 1
        return data[:start] + rng.choice(WORDS) + data[end:]
    if not binary and kind == 3:
        return b"\n".join(lines[:line] + lines[line + 1 :])
    if not binary and kind == 4:
        key, colon, _ = lines[line].partition(b": ")
        lines[line] = key + colon + rng.choice(WORDS)
        return b"\n".join(lines)
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4) if data else 0):
        # the headers of binary files, all of texts
        changed[rng.randrange(min(len(data), 4000) if binary else len(data))] = rng.randrange(256)
    return bytes(changed)


@contextmanager
def limited() -> Iterator[None]:
    """Memory for what fits a small file, and an alarm for what does not end."""

    def stop(*_: Any) -> None:
        raise TimeoutError("it does not end")

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, before[1]))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def refusals(read: dict[Path, Callable[[Path], Any]], rounds: int, seed: int = 0) -> int:
    """Damage files one after the other, and read each; anything but a `UserError` is raised.

    Args:
        read: Files, and how they are read.
        rounds: How many times.
        seed: Of what is damaged.

    Returns:
        How many were refused.
    """
    rng, refused = random.Random(seed), 0
    for _ in range(rounds):
        path = rng.choice(list(read))
        whole = path.read_bytes()
        path.write_bytes(mutate(whole, rng, path.suffix in BINARY))
        try:
            with limited():
                read[path](path)
        except UserError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 2000
        finally:
            path.write_bytes(whole)
    return refused
