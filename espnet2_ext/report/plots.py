"""Pictures of the report: mel with F0 and note lines, piano roll, training curves."""

import io
import math
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from espnet2_ext.report.curves import Curves
from espnet2_ext.score.music_score import MusicScore

DPI = 80
WEBP = {"quality": 70}
A4_HZ, A4_MIDI, SEMITONES = 440.0, 69, 12
F0_COLOUR, NOTE_COLOUR = "#ffffff", "#35e0c2"
ROLL_HEIGHT = 9
"""Height of a semitone in the piano roll, in pixels."""


def midi_to_hz(midi: float) -> float:
    """Frequency (Hz) of a MIDI number, equal temperament."""
    return A4_HZ * 2 ** ((midi - A4_MIDI) / SEMITONES)


def _encode(figure: Figure) -> bytes:
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
    axes = figure.add_axes((0.05, 0.16, 0.90, 0.80))
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
    return _encode(figure)


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
        ((high - midi + 1) * ROLL_HEIGHT, f"C{midi // SEMITONES - 1}")
        for midi in range(low, high + 1)
        if midi % SEMITONES == 0
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
    return _encode(figure)
