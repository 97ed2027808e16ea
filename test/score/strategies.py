"""Scores to test formats with: rests, breaths, slurs, extreme pitches, very short notes."""

import itertools
from dataclasses import replace

from hypothesis import strategies as st

from espnet2_ext.score.formats.assemble import SungNote, assemble
from espnet2_ext.score.formats.even_phones import with_even_phones
from espnet2_ext.score.formats.ticks import TempoMap
from espnet2_ext.score.music_score import MusicScore, Phone

LYRICS = {
    "zh": ("我", "银", "行", "ni3", "hao", "lüe4", "儿", "啊"),
    "yue": ("我", "好", "nei5", "hou", "ngo5"),
    "ja": ("か", "きゃ", "ん", "っ", "no", "shi", "を"),
    "en": ("no", "cat", "singing", "+", "the", "hel-lo", "strengths"),
    "de": ("ich", "Liebe", "schön", "+", "hel-lo", "Röslein"),
    "fr": ("nuit", "belle", "l'amour", "+", "hel-lo", "où"),
}
_REST, _BREATH, _SLUR = "SP", "AP", "-"
_GOES_ON = (_SLUR, "+")


@st.composite
def scores(
    draw: st.DrawFn,
    language: str = "zh",
    timed: bool | None = None,
    max_notes: int = 12,
    max_lead: float = 0.4,
) -> MusicScore:
    """Scores whose times are whole ticks of 1/480 beat; phone times, if any, are microseconds.

    Args:
        draw: Given by Hypothesis.
        language: Of the lyrics, a key of `LYRICS`.
        timed: Whether phones have times; either where None.
        max_notes: Rests included.
        max_lead: Largest share of its room by which a phone begins early or late.
    """
    clock = TempoMap(default_bpm=draw(st.integers(20_000, 400_000)) / 1000)
    kinds = st.one_of(st.sampled_from((_REST, _BREATH, _SLUR)), st.sampled_from(LYRICS[language]))
    wanted = [
        *draw(st.lists(kinds, max_size=max_notes - 1)),
        draw(st.sampled_from(LYRICS[language][:3])),
    ]
    wanted += draw(st.sampled_from(([], [_REST], [_BREATH, _REST])))
    lengths = st.one_of(st.just(1), st.integers(2, 60), st.sampled_from((120, 160, 480, 1920)))
    sung: list[SungNote] = []
    tick = 0
    parts = [("hel-", "lo") if kind == "hel-lo" else (kind,) for kind in wanted]
    for kind in itertools.chain(*parts):
        before = sung[-1].lyric if sung else _REST
        if (kind == before and kind in (_REST, _BREATH)) or (
            kind in _GOES_ON and before in (_REST, _BREATH)
        ):
            continue
        end = tick + draw(lengths)
        midi = 0 if kind in (_REST, _BREATH) else draw(st.integers(1, 127))
        sung.append(SungNote(clock.seconds(tick), clock.seconds(end), midi, kind, f"note {tick}"))
        tick = end
    score = assemble(sung, "generated", clock.bpm_at(0), language)
    timed = draw(st.booleans()) if timed is None else timed
    return _performed(score, draw(st.floats(-max_lead, max_lead))) if timed else score


def _performed(score: MusicScore, lead: float) -> MusicScore:
    """Phone times apart from the notes': each inner boundary moved by a share of its room."""
    even = with_even_phones(score)
    times = [p.start_sec for p in even.phones] + [even.phones[-1].end_sec]
    moved = [
        t + lead * (t - times[i] if lead < 0 else times[i + 2] - t)
        for i, t in enumerate(times[1:-1])
    ]
    times = [round(t, 6) for t in (times[0], *moved, times[-1])]
    phones = [
        Phone(a, b, p.phone, p.note) for a, b, p in zip(times, times[1:], even.phones, strict=False)
    ]
    return replace(even, phones=tuple(phones))
