"""Utterances of one song share melody, words and singer: intervals and tests take whole songs.

A bootstrap that draws utterances takes them for independent and is too narrow: 63 utterances of 7
songs say little more than 7 songs do.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from espnet2_ext.files import read_table

UTT2SONG = "utt2song"
"""Table of a data directory and of a row's scores; an utterance that it lacks is its own song."""


def read_songs(folder: str | Path) -> dict[str, str]:
    """The song of each utterance of a data directory; empty where its corpus names none."""
    path = Path(folder) / UTT2SONG
    return read_table(path) if path.is_file() else {}


def with_songs(utts: Sequence[Mapping[str, Any]], songs: Mapping[str, str]) -> list[dict[str, Any]]:
    """Utterances' scores, each with its "song" where `songs` knows it."""
    return [{**utt, "song": songs[utt["utt"]]} if utt["utt"] in songs else {**utt} for utt in utts]


def songs_of(utts: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The song of each utterance's scores: its "song", or the utterance itself."""
    return [utt.get("song") or utt.get("utt") or index for index, utt in enumerate(utts)]


def sum_by_song(songs: Sequence[Any], values: np.ndarray) -> np.ndarray:
    """Sums over the utterances of each song.

    Args:
        songs: Of each utterance.
        values: (utterances, ...).

    Returns:
        (songs, ...), in the order in which songs come first.
    """
    places = {song: place for place, song in enumerate(dict.fromkeys(songs))}
    sums = np.zeros((len(places), *values.shape[1:]))
    np.add.at(sums, [places[song] for song in songs], values)
    return sums
