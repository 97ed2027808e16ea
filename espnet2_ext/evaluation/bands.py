"""How far up renditions and recordings reach: said before they are compared.

Measures of spectra compare the emptiness above an edge with the other side's sound. The same
recordings from a 44.1 and a 22.05 kHz file have 8.6 dB of VERSA's MCD, .9 at the common rate.
"""

import logging
from collections.abc import Sequence

from espnet2_ext.audio.band import Band
from espnet2_ext.audio.wav import read_wav
from espnet2_ext.evaluation.rendition import SPEECH_FS, Task

LOOKED_AT = 8
"""Utterances; a system is alike in all."""
FULL_SHARE, SAME_SHARE = 0.94, 0.955
"""Filters for the same rate end above this share of half of it, or within this share of one
another: 22.05 kHz material in a file of 24 kHz ends at .88 to .90."""
NARROW_SHARE = 0.9
"""Of half of `SPEECH_FS`."""


def warn_of_bands(tasks: Sequence[Task], at_speech_rate: bool) -> None:
    """Warn where the two sides reach up differently far, or not as far as models of speech hear.

    Args:
        tasks: Utterances; the first few are looked at.
        at_speech_rate: Whether models that were trained on `SPEECH_FS` are asked.
    """
    looked_at = [task for task in tasks if task.hyp is not None][:LOOKED_AT]
    differ, narrow = [], []
    for task in looked_at:
        hyp, ref = (_band(path) for path in (task.hyp, task.ref))
        tops_hz = [_top_hz(band) for band in (hyp, ref)]
        judged = hyp.level_db is not None and ref.level_db is not None
        if judged and min(tops_hz) < SAME_SHARE * max(tops_hz):
            differ.append((task, *tops_hz))
        top_hz = min(band.edge_hz() or band.fs / 2 for band in (hyp, ref))
        if top_hz < NARROW_SHARE * SPEECH_FS / 2:
            narrow.append((task, top_hz))
    if differ:
        task, hyp_hz, ref_hz = differ[0]
        logging.warning(
            "%d of %d utterances looked at reach up to another frequency than their recordings "
            "(%s: %.1f kHz, recording %.1f kHz): MCD compares sound with an empty band",
            len(differ), len(looked_at), task.utt, hyp_hz / 1000, ref_hz / 1000,
        )  # fmt: skip
    if narrow and at_speech_rate:
        task, top_hz = narrow[0]
        logging.warning(
            "%d of %d utterances looked at hold nothing above %.1f kHz (%s first): speaker "
            "similarity and MOS predictors were made for %d Hz and mislead here",
            len(narrow), len(looked_at), top_hz / 1000, task.utt, SPEECH_FS,
        )  # fmt: skip


def _top_hz(band: Band) -> float:
    full_hz = FULL_SHARE * band.fs / 2
    return min(full_hz, band.edge_hz(highest=True) or full_hz)


def _band(path: str) -> Band:
    return Band.of(*read_wav(path))
