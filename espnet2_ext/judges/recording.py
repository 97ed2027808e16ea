"""A recording as judges learn from it, and new ones recombined from its phones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from espnet2_ext.judges.network import out_lengths
from espnet2_ext.score.lyrics.languages import is_vowel


@dataclass(frozen=True)
class Span:
    """A labelled stretch of a recording: frames [start, end) and phone.

    `sounded` is False for rests, and for slurs, which go on with the phone before them.
    """

    start: int
    end: int
    phone: str
    sounded: bool = True


@dataclass(frozen=True)
class Recording:
    """One utterance of real audio.

    Args:
        mel: Judge's log-mel (T, 64).
        phones: What is sung, without rests and slurs.
        spans: Where, in frames of `mel`, rests and slurs too; empty when not known.
        singer: Name.
        language: ISO 639 code; says which phones are vowels.
    """

    mel: Tensor
    phones: tuple[str, ...]
    spans: tuple[Span, ...]
    singer: str
    language: str = "zh"

    def is_vowel(self, phone: str) -> bool:
        """Whether `phone` can carry a note."""
        return is_vowel(phone, self.language)

    @property
    def trainable(self) -> bool:
        """CTC has a path: a frame for each phone, and a blank between repeats."""
        frames = int(out_lengths(torch.tensor(len(self.mel))))
        repeats = sum(a == b for a, b in pairwise(self.phones))
        return 0 < len(self.phones) <= frames - repeats


class PhoneBank:
    """Every singer's phones, to be put into other places.

    A corpus has few of the syllables that a language has. A recogniser that hears every initial
    before every final, cut together from recordings of one singer, cannot learn which go together,
    and judges an unseen syllable by its sound.
    """

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self._pieces: dict[tuple[str, bool], list[tuple[Tensor, str]]] = {}
        for recording in recordings:
            for span in _replaceable(recording):
                piece = recording.mel[span.start : span.end]
                key = (recording.singer, recording.is_vowel(span.phone))
                if len(piece):
                    self._pieces.setdefault(key, []).append((piece, span.phone))

    def recombine(
        self, recording: Recording, share: float, generator: torch.Generator
    ) -> Recording:
        """Replace about `share` of the phones by others of the same kind and singer."""
        replaceable = set(_replaceable(recording))
        if not replaceable or share <= 0:
            return recording
        mels, spans, phones, now = [], [], [], 0
        last = 0
        for span in recording.spans:
            mels.append(recording.mel[last : span.start])
            piece, phone = recording.mel[span.start : span.end], span.phone
            if span in replaceable and float(torch.rand((), generator=generator)) < share:
                pool = self._pieces.get((recording.singer, recording.is_vowel(phone)))
                if pool:
                    piece, phone = pool[int(torch.randint(len(pool), (), generator=generator))]
            now += len(mels[-1])
            mels.append(piece)
            spans.append(Span(now, now + len(piece), phone, span.sounded))
            now, last = now + len(piece), max(last, span.end)
            if span.sounded:
                phones.append(phone)
        mels.append(recording.mel[last:])
        made = replace(recording, mel=torch.cat(mels), phones=tuple(phones), spans=tuple(spans))
        return made if made.trainable else recording


def _replaceable(recording: Recording) -> list[Span]:
    """Sounded phones that no slur carries on."""
    spans = recording.spans
    return [
        span
        for span, after in zip(spans, [*spans[1:], None], strict=True)
        if span.sounded and not (after and not after.sounded and after.phone == span.phone)
    ]
