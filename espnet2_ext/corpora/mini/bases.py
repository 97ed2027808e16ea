"""The syllables that singers share: those of their espeak-ng variant, made once for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from espnet2_ext.corpora.mini.english_voice import english_units
from espnet2_ext.corpora.mini.espeak import Espeak
from espnet2_ext.corpora.mini.singers import Singer
from espnet2_ext.corpora.mini.voice import Unit, Voice, mandarin_units


@dataclass(frozen=True)
class Base:
    """Syllables that singers share: an espeak-ng variant with formants moved by one factor."""

    name: str
    variant: str
    warp: float = 1.0

    def path(self, work: Path) -> Path:
        """Where its syllables lie."""
        return work / f"{self.name}.voice.npz"

    def units(
        self, syllables: Mapping[str, Sequence[str]], fs: int, espeak: Espeak
    ) -> dict[str, Unit]:
        """The syllables of each language, said by a fresh espeak-ng."""
        mandarin, english = (list(syllables.get(code, [])) for code in ("zh", "en"))
        units = mandarin_units(self.variant, self.warp, mandarin, fs, espeak)
        return units | english_units(self.variant, self.warp, english, fs, espeak)


def base_of(singer: Singer) -> Base:
    """Singers of the small cast have syllables of their own, the others those of their variant."""
    if singer.timbre is None:
        return Base(singer.name, singer.variant, singer.warp)
    return Base(f"variant_{singer.variant}", singer.variant)


def bases_of(singers: Sequence[Singer]) -> dict[Base, list[Singer]]:
    """The singers of every base, in their order."""
    bases: dict[Base, list[Singer]] = {}
    for singer in singers:
        bases.setdefault(base_of(singer), []).append(singer)
    return bases


@lru_cache(maxsize=1)
def voice_of(work: Path, singer: Singer, fs: int) -> Voice:
    """A singer's voice, from the syllables of its base that lie in `work`."""
    voice = Voice.load(base_of(singer).path(work))
    if singer.timbre is None:
        return voice
    return voice.of_singer(singer.warp, singer.timbre, fs)
