"""Scores on the clock of a mel-VAE's latents: what is sung, or said, in each latent frame.

Phones are numbered as lyrics are (`data.lyric_symbols`). Those of a dialogue's second speaker have
numbers of their own, so that a frame says who speaks.
"""

from collections.abc import Sequence

import numpy as np

from espnet2_ext.data.lyric_symbols import LYRIC_SYMBOLS, SPEAKERS
from espnet2_ext.score.frames import MIDI_COLUMN, PHONE_COLUMN, PHONE_INDEX_COLUMN, expand
from espnet2_ext.score.music_score import MusicScore

N_PHONES = len(SPEAKERS) * len(LYRIC_SYMBOLS)
"""Size of the phone set: ``geometry: n_phones`` of a flow that reads these scores."""

_IDS = {symbol: number for number, symbol in enumerate(LYRIC_SYMBOLS)}


def latent_score(
    score: MusicScore, fps: float, n_frames: int, words: Sequence[str] = (), spoken: bool = False
) -> np.ndarray:
    """Score frames (n_frames, 4), int32, as `FrameScore.stacked` orders the columns.

    Args:
        score: With phones.
        fps: Latent frames per second.
        n_frames: Of the latents; the last frame of the score is repeated, or frames are cut.
        words: The utterance's phones with speakers' tags, as the table ``text`` has them; without
            tags all is the first speaker's.
        spoken: Notes are left out: a phone that is said has none.

    Raises:
        ValueError: as `score.frames.expand`; or `words` have a tag that nobody has, or other phones
            than the score.
    """
    frames = expand(score, _IDS, fps).stacked()
    speaker = _speakers(words, [phone.phone for phone in score.phones])
    frames[:, PHONE_COLUMN] += len(LYRIC_SYMBOLS) * speaker[frames[:, PHONE_INDEX_COLUMN]]
    if spoken:
        frames[:, MIDI_COLUMN] = 0
    missing = max(0, n_frames - len(frames))
    return np.pad(frames, ((0, missing), (0, 0)), mode="edge")[:n_frames]


def _speakers(words: Sequence[str], phones: Sequence[str]) -> np.ndarray:
    """The speaker of each phone, 0 or 1 (n_phones,)."""
    speaker, speakers, said = 0, [], []
    for word in words:
        if word in SPEAKERS:
            speaker = SPEAKERS.index(word)
        else:
            said.append(word)
            speakers.append(speaker)
    if not said:
        speakers, said = [0] * len(phones), list(phones)
    if said != list(phones):
        raise ValueError(f"{len(said)} phones of the text are not the {len(phones)} of the score")
    return np.array(speakers)
