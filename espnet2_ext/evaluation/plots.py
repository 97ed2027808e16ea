"""Pictures of the report: mel with F0 and note lines, piano roll, training curves."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.evaluation.curves import Curves
from espnet2_ext.score.music_score import MusicScore

DPI = 80
WEBP = {"quality": 70}
F0_COLOUR, NOTE_COLOUR, MARK_COLOUR = "#ffffff", "#35e0c2", "#ff5050"
ROLL_HEIGHT = 9
"""Height of a semitone in the piano roll, in pixels."""


def encode_figure(figure: Figure) -> bytes:
    """A figure as a WebP picture."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="webp", dpi=DPI, pil_kwargs=WEBP)
    return buffer.getvalue()


def plot_mel(
    mel: np.ndarray, f0: np.ndarray, score: MusicScore | None, frame_sec: float, end_sec: float
) -> bytes:
    """Draw a mel-spectrogram with its F0 and the nominal notes over it.

    Args:
        mel: Natural-log mel (T, n_mels).
        f0: F0 in Hz (K,), evenly spread over the mel's duration; 0 where unvoiced.
        score: Whose notes to draw.
        frame_sec: Seconds of a mel frame.
        end_sec: Right end of the picture, so that the rows of an utterance line up.

    Returns:
        A WebP picture.
    """
    figure = Figure(figsize=(9.6, 1.9))
    _draw_mel(figure.add_axes((0.05, 0.16, 0.90, 0.80)), mel, f0, score, frame_sec, end_sec)
    return encode_figure(figure)


def _draw_mel(
    axes: Axes, mel: np.ndarray, f0: np.ndarray, score: MusicScore | None, frame_sec: float,
    end_sec: float,
) -> None:  # fmt: skip
    seconds = len(mel) * frame_sec
    axes.imshow(
        mel.T, origin="lower", aspect="auto", cmap="magma", interpolation="nearest",
        extent=(0, seconds, 0, mel.shape[1]), vmin=np.quantile(mel, 0.05), vmax=mel.max(),
    )  # fmt: skip
    axes.set_xlim(0, end_sec)
    axes.set_yticks([])
    axes.tick_params(labelsize=7, pad=1)
    pitch = axes.twinx()
    pitch.set_yscale("log", base=2)
    notes = [n for n in (score.notes if score else ()) if n.midi > 0]
    for note in notes:
        hz = midi_to_hz(note.midi)
        pitch.plot([note.start_sec, note.end_sec], [hz, hz], color=NOTE_COLOUR, lw=1.6, alpha=0.9)
    times = (np.arange(len(f0)) + 0.5) * seconds / max(1, len(f0))
    pitch.plot(times, np.where(f0 > 0, f0, np.nan), color=F0_COLOUR, lw=1.3)
    heard = [*(midi_to_hz(n.midi) for n in notes), *f0[f0 > 0]]
    low, high = (min(heard), max(heard)) if heard else (100.0, 400.0)
    pitch.set_ylim(low / 1.6, high * 1.35)
    ticks = [hz for k in range(9) if low / 1.6 < (hz := midi_to_hz(12 * k + 12)) < high * 1.35]
    pitch.set_yticks(ticks, [f"C{round(math.log2(hz / midi_to_hz(12)))}" for hz in ticks])
    pitch.minorticks_off()
    pitch.tick_params(labelsize=7, pad=1)


def plot_labelled_mel(
    mel: np.ndarray,
    f0: np.ndarray,
    score: MusicScore | None,
    frame_sec: float,
    spans: Sequence[tuple[float, float]] = (),
    max_sec: float = 20.0,
) -> bytes:
    """Draw a mel-spectrogram with F0 and notes, the label's phones below, and marked stretches.

    Args:
        mel: Natural-log mel (T, n_mels).
        f0: F0 in Hz (K,), evenly spread over the mel's duration; 0 where unvoiced.
        score: Whose notes and phones to draw.
        frame_sec: Seconds of a mel frame.
        spans: Stretches (s) to mark.
        max_sec: What is longer is shown from the first of them on.

    Returns:
        A WebP picture.
    """
    phones = score.phones if score is not None else ()
    end_sec = max([len(mel) * frame_sec, *(phone.end_sec for phone in phones)])
    figure = Figure(figsize=(13, 3.2))
    above = figure.add_axes((0.02, 0.26, 0.95, 0.72))
    _draw_mel(above, mel, f0, score, frame_sec, end_sec)
    above.tick_params(labelbottom=False)
    below = figure.add_axes((0.02, 0.12, 0.95, 0.14), sharex=above)
    below.set_yticks([])
    below.set_ylim(0, 2)
    below.tick_params(labelsize=8, pad=1)
    for number, phone in enumerate(phones):
        row = number % 2  # names of short phones have room beside each other
        middle = (phone.start_sec + phone.end_sec) / 2
        below.text(middle, 1.5 - row, phone.phone, ha="center", va="center", fontsize=8,
                   clip_on=True)  # fmt: skip
        below.axvline(phone.start_sec, color="#888888", lw=0.6)
        above.axvline(phone.start_sec, color="#ffffff", lw=0.5, alpha=0.5)
    if end_sec > max_sec:
        first = min((start for start, _ in spans), default=0.0)
        left = max(0.0, min(first - max_sec / 4, end_sec - max_sec))
        above.set_xlim(left, left + max_sec)
    for start, end in spans:
        for axes in (above, below):
            axes.axvspan(start, end, color=MARK_COLOUR, alpha=0.3, lw=0)
    return encode_figure(figure)


@dataclass(frozen=True)
class RollNote:
    """A note's rectangle in the piano roll (pixels) and its lyric."""

    x: float
    y: float
    width: float
    height: float
    lyric: str
    midi: int


@dataclass(frozen=True)
class Roll:
    """A piano roll, ready to be drawn as SVG."""

    width: float
    height: float
    notes: list[RollNote]
    lines: list[tuple[float, str]]


def piano_roll(score: MusicScore, end_sec: float, width: float = 960.0) -> Roll:
    """Lay out the notes of a score: time to the right over `end_sec`, pitch upwards."""
    sung = [note for note in score.notes if note.midi > 0]
    low = min((n.midi for n in sung), default=60) - 2
    high = max((n.midi for n in sung), default=60) + 2
    scale = width / max(end_sec, 1e-6)
    notes = [
        RollNote(
            note.start_sec * scale,
            (high - note.midi) * ROLL_HEIGHT,
            max(1.0, (note.end_sec - note.start_sec) * scale - 1),
            ROLL_HEIGHT,
            note.lyric,
            note.midi,
        )
        for note in sung
    ]
    lines = [
        ((high - midi + 1) * ROLL_HEIGHT, f"C{midi // 12 - 1}")
        for midi in range(low, high + 1)
        if midi % 12 == 0
    ]
    return Roll(width, (high - low + 1) * ROLL_HEIGHT, notes, lines)


def plot_curves(curves: Curves, name: str = "loss") -> bytes | None:
    """Draw one figure of training and validation by epoch; None when neither has it."""
    split = {"train": curves.train.get(name), "valid": curves.valid.get(name)}
    if not any(split.values()):
        return None
    figure = Figure(figsize=(3.6, 2.3))
    axes = figure.add_axes((0.15, 0.18, 0.81, 0.76))
    for label, values in split.items():
        if values:
            axes.plot(list(values), list(values.values()), marker=".", lw=1.4, label=label)
    axes.set_xlabel("epoch", fontsize=8)
    axes.set_ylabel(name, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=7, frameon=False)
    return encode_figure(figure)
