"""The consonants around the vowel of a sung syllable, and how they share their time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Consonants:
    """Natural lengths (s) of a syllable's consonants: before its vowel, and after it."""

    before: tuple[float, ...]
    after: tuple[float, ...]


NO_CONSONANTS: Mapping[str, Consonants] = MappingProxyType({})


def spread(start_sec: float, end_sec: float, lengths: Sequence[float]) -> list[float]:
    """Where phones that share a stretch of time as their lengths say begin, and where it ends.

    Returns:
        (len(lengths) + 1,) times (s), the first and last of them as given.
    """
    total = sum(lengths)
    times = [start_sec]
    done = 0.0
    for length in lengths[:-1]:
        done += length
        times.append(start_sec + (end_sec - start_sec) * done / total)
    return [*times, end_sec]
