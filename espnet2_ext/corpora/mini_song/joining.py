"""Pieces of speech, each with its score, put one after another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from espnet2_ext.score.music_score import REST_MIDI, SILENCE, MusicScore, Note, Phone

_FADE_SEC = 0.005


@dataclass(frozen=True)
class Piece:
    """A piece of speech: audio (N,), its score from 0 s, and the silence after it (s)."""

    wav: np.ndarray
    score: MusicScore
    pause_sec: float


def join(pieces: Sequence[Piece], fs: int, lead_sec: float) -> tuple[np.ndarray, MusicScore]:
    """Audio and score of pieces one after another, after `lead_sec` of silence.

    Rests that meet become one, so that the score has no two in a row.
    """
    wavs = [np.zeros(round(lead_sec * fs))]
    notes: list[Note] = []
    phones: list[Phone] = []
    _rest(notes, phones, 0.0, len(wavs[0]) / fs)
    at = len(wavs[0])
    for piece in pieces:
        start = at / fs
        for note, sung in _by_note(piece.score):
            span = (note.start_sec + start, note.end_sec + start)
            if note.is_rest:
                _rest(notes, phones, *span)
                continue
            notes.append(replace(note, start_sec=span[0], end_sec=span[1]))
            phones += [
                Phone(p.start_sec + start, p.end_sec + start, p.phone, len(notes) - 1) for p in sung
            ]
        wavs += [_faded(piece.wav, fs), np.zeros(round(piece.pause_sec * fs))]
        end = at + len(piece.wav) + len(wavs[-1])
        _rest(notes, phones, (at + len(piece.wav)) / fs, end / fs)
        at = end
    return np.concatenate(wavs), MusicScore(
        tuple(notes), tuple(phones), pieces[0].score.tempo, pieces[0].score.language
    )


def _faded(wav: np.ndarray, fs: int) -> np.ndarray:
    """A sound (N,) that begins and ends without a step."""
    size = min(round(_FADE_SEC * fs), len(wav) // 2)
    shape = np.ones(len(wav))
    shape[:size] = np.linspace(0, 1, size)
    shape[len(wav) - size :] = np.linspace(1, 0, size)
    return wav * shape


def _by_note(score: MusicScore) -> list[tuple[Note, list[Phone]]]:
    phones: list[list[Phone]] = [[] for _ in score.notes]
    for phone in score.phones:
        phones[phone.note].append(phone)
    return list(zip(score.notes, phones, strict=True))


def _rest(notes: list[Note], phones: list[Phone], start: float, end: float) -> None:
    """Add a rest, or lengthen the one that is there."""
    if end - start < 1e-6:
        return
    if notes and notes[-1].is_rest:
        notes[-1] = replace(notes[-1], end_sec=end)
        phones[-1] = replace(phones[-1], end_sec=end)
        return
    notes.append(Note(start, end, REST_MIDI, "", (SILENCE,)))
    phones.append(Phone(start, end, SILENCE, len(notes) - 1))
