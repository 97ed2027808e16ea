"""ACE-Opencpop: 30 synthetic singers sing Opencpop. What both of its forms have in common.

Known trouble, for the linter to see: some cuts lose an initial unvoiced consonant, some audio is
not of its label's length (ESPnet's issue 6094), song 2026 does not follow its score (PR 6088).
"""

import re
from dataclasses import replace

from espnet2_ext.corpora.preparer import license_statement
from espnet2_ext.errors import UserError
from espnet2_ext.score.music_score import REST_PHONES, MusicScore
from espnet2_ext.tokenizer.align import MAX_MISSING_SEC

REPOSITORY = "espnet/ace-opencpop-segments"
SPLITS = ("train", "validation", "test")
N_SINGERS = 30
DROPPED_SONGS = ("2026",)
LICENSE_NAME = "CC BY-NC 4.0"
LICENSE = license_statement(
    "ACE-Opencpop",
    f"{LICENSE_NAME}: not for commercial use; its scores and lyrics are Opencpop's",
    f"https://huggingface.co/datasets/{REPOSITORY}",
    "Shi et al., Singing Voice Data Scaling-up: An Introduction to ACE-Opencpop and ACE-KiSing, "
    "Interspeech 2024",
)
_ID = re.compile(r"acesinger_(\d+)#(\d{10})")
_SHORTEST_REST_SEC = 0.02


def singer_and_segment(utt: str, place: str) -> tuple[int, str]:
    """Singer (1-30) and Opencpop id of ``acesinger_<singer>#<id>``; `UserError` otherwise."""
    match = _ID.fullmatch(utt)
    if match is None:
        raise UserError(place, repr(utt), "acesinger_<singer>#<Opencpop id>", "segment_id")
    singer = int(match[1])
    if not 1 <= singer <= N_SINGERS:
        raise UserError(place, f"unknown singer {singer}", f"1 to {N_SINGERS}", "singer")
    return singer, match[2]


def end_rests_at(score: MusicScore, end_sec: float) -> MusicScore:
    """Let rests at the end of a score stop where its audio does.

    The cuts leave out silence that the label counts at the end. Where that is no more than later
    stages pad, nothing changes; nor does what is sung, even where it ends after `end_sec`. A score
    of rests alone keeps the first: no score is empty.
    """
    if score.duration_sec <= end_sec + MAX_MISSING_SEC:
        return score
    notes, phones = list(score.notes), list(score.phones)
    latest_sec = end_sec - _SHORTEST_REST_SEC
    while len(phones) > 1 and phones[-1].phone in REST_PHONES and phones[-1].start_sec > latest_sec:
        last = phones.pop()
        if phones[-1].note != last.note:
            notes.pop()
        else:
            notes[-1] = replace(notes[-1], phones=notes[-1].phones[:-1])
    if phones[-1].phone in REST_PHONES and phones[-1].end_sec > end_sec:
        end_sec = max(end_sec, phones[-1].start_sec)
        phones[-1] = replace(phones[-1], end_sec=end_sec)
        if notes[-1].start_sec < latest_sec:
            notes[-1] = replace(notes[-1], end_sec=min(notes[-1].end_sec, end_sec))
    return replace(score, notes=tuple(notes), phones=tuple(phones))
