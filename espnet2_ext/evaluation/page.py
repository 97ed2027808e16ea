"""The HTML report: one file with its sounds and pictures inside, opened from file://."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.audio.wav import read_wav
from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.attribution_page import Attribution
from espnet2_ext.evaluation.curves import read_curves
from espnet2_ext.evaluation.measures import EXTRA_METRICS, METRICS
from espnet2_ext.evaluation.plots import Roll, piano_roll, plot_curves, plot_mel
from espnet2_ext.evaluation.rendered import NO_WAVS
from espnet2_ext.files import read_json, read_table, read_text
from espnet2_ext.ids import check_id
from espnet2_ext.judges.f0 import Extractor, ceiling_of
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.score.music_score import MusicScore

TEMPLATE = Path(__file__).with_name("template.html")
UTT_METRICS = ("f0_corr", "cents_rmse", "semitone_acc", "note_acc", "mcd_db", "singer_sim")
"""Shown beside an utterance's audio, where they are defined."""
TABLE_COLUMNS = ("system", "split", "ref_dir", "wav_scp", "timing", "f0_source")
FALLBACK_AUDIO = ("FLAC", "audio/flac")


def data_uri(data: bytes, media_type: str) -> str:
    """Bytes as a data: URI."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def encode_audio(wav: np.ndarray, fs: int) -> str:
    """Audio as a data: URI: MP3, which every browser plays, else FLAC."""
    buffer = io.BytesIO()
    try:
        soundfile.write(buffer, wav, fs, format="MP3")
        return data_uri(buffer.getvalue(), "audio/mpeg")
    except (soundfile.LibsndfileError, ValueError):  # a libsndfile built without MP3
        buffer = io.BytesIO()
        soundfile.write(buffer, wav, fs, format=FALLBACK_AUDIO[0])
        return data_uri(buffer.getvalue(), FALLBACK_AUDIO[1])


@dataclass(frozen=True)
class Sound:
    """One system's rendering of an utterance."""

    system: str
    audio: str
    mel: str
    facts: str


@dataclass(frozen=True)
class Utterance:
    """An utterance of the report: its score and what every system made of it."""

    utt: str
    singer: str
    lyrics: str
    roll: Roll
    sounds: list[Sound]


@dataclass(frozen=True)
class Training:
    """A model's training: name, curves and configuration."""

    name: str
    n_epochs: int
    pictures: list[str]
    config: str


@dataclass
class Report:
    """Everything the template shows."""

    title: str
    facts: dict[str, str]
    metrics: list[tuple[str, str]]
    tables: dict[str, list[dict[str, Any]]]
    judges: list[str]
    splits: dict[str, list[Utterance]] = field(default_factory=dict)
    attributions: list[Attribution] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)

    def html(self) -> str:
        """Fill the template."""
        environment = Environment(
            loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=StrictUndefined
        )
        pictures = {part.split: data_uri(part.picture, "image/webp") for part in self.attributions}
        template = environment.get_template(TEMPLATE.name)
        return template.render(report=self, attribution_pictures=pictures)


def read_rows(table: str | Path) -> list[dict[str, str]]:
    """Read the table of systems and splits that scoring read.

    Raises:
        UserError: it is not that table.
    """
    header, *lines = read_text(table).rstrip("\n").split("\n")
    if tuple(header.split("\t")) != TABLE_COLUMNS:
        raise UserError(f"{table}:1", repr(header), "columns " + " ".join(TABLE_COLUMNS))
    rows = []
    for number, line in enumerate(lines, 2):
        cells = line.split("\t")
        if len(cells) != len(TABLE_COLUMNS):
            raise UserError(f"{table}:{number}", f"{len(cells)} cells", f"{len(TABLE_COLUMNS)}")
        row = dict(zip(TABLE_COLUMNS, cells, strict=True))
        for name in ("system", "split"):
            check_id(row[name], f"{table}:{number}", name)
        rows.append(row)
    return rows


def result_tables(
    results: Sequence[Mapping[str, Any]],
) -> tuple[list[tuple[str, str]], dict[str, list[dict[str, Any]]]]:
    """Columns (name, head) and, by split, rows of formatted cells."""
    metrics = [
        m for m in (*METRICS, *EXTRA_METRICS)
        if any(row["metrics"].get(m.name) is not None for row in results)
    ]  # fmt: skip
    tables: dict[str, list[dict[str, Any]]] = {}
    for row in results:
        cells = []
        for metric in metrics:
            value = row["metrics"].get(metric.name)
            interval = row.get("ci95", {}).get(metric.name)
            shown = "n/a" if value is None else f"{value:.{metric.digits}f}"
            spread = "–".join(f"{v:.{metric.digits}f}" for v in interval) if interval else ""
            cells.append((shown, spread))
        tables.setdefault(row["split"], []).append({**row, "cells": cells})
    return [(m.name, m.head) for m in metrics], tables


def pick(utts: Sequence[str], n: int) -> list[str]:
    """`n` utterances, evenly spread over the sorted list."""
    utts = sorted(utts)
    return utts if n >= len(utts) else [utts[i * len(utts) // n] for i in range(n)]


def lyrics_of(score: MusicScore) -> str:
    """Syllables of a score, slurs left out."""
    return " ".join(n.lyric for n in score.notes if n.midi > 0 and not n.slur)


class Listener:
    """Turns wavs into the report's sounds: audio, mel picture and the utterance's own figures.

    Args:
        mel: The recipe's mel configuration; pictures of all systems are made alike, from the wav.
        extractor: F0 judge.
        scores_dir: Where scoring left SYSTEM/SPLIT/utts/UTT.json.
    """

    def __init__(self, mel: MelConfig, extractor: Extractor, scores_dir: Path) -> None:
        from espnet2_ext.audio.mel import LogMel

        self.mel, self.log_mel = mel, LogMel(mel)
        self.extractor, self.scores_dir = extractor, scores_dir

    def listen(
        self, system: str, split: str, utt: str, wav_path: str, score: MusicScore, end_sec: float
    ) -> Sound:
        """Make one sound of the report."""
        import torch

        wav, _ = read_wav(wav_path, self.mel.fs)
        n = len(wav) // self.mel.hop_length * self.mel.hop_length
        with torch.inference_mode():
            mel = self.log_mel(torch.from_numpy(wav[:n])[None])[0].numpy()
        f0 = self.extractor(wav, self.mel.fs, ceiling_of(score))
        picture = plot_mel(mel, f0, score, self.mel.hop_length / self.mel.fs, end_sec)
        return Sound(
            system=system,
            audio=encode_audio(wav, self.mel.fs),
            mel=data_uri(picture, "image/webp"),
            facts=self._facts(system, split, utt),
        )

    def _facts(self, system: str, split: str, utt: str) -> str:
        path = self.scores_dir / system / split / "utts" / f"{utt}.json"
        if not path.is_file():
            return ""
        scored = read_json(path)
        heads = {m.name: m for m in (*METRICS, *EXTRA_METRICS)}
        shown = [
            f"{name} {scored[name]:.{heads[name].digits}f}"
            for name in UTT_METRICS
            if scored.get(name) is not None
        ]
        if scored.get("n_phones"):
            shown.append(f"phone errors {scored.get('phone_errors', 0):g}/{scored['n_phones']}")
        return ", ".join(shown)


def listen_to_split(
    rows: Sequence[Mapping[str, str]], listener: Listener, max_utts: int
) -> list[Utterance]:
    """Utterances of one split with the sounds of every system that has them."""
    ref_dir = Path(rows[0]["ref_dir"])
    scores = read_scores(ref_dir)
    singers = read_table(ref_dir / "utt2spk")
    wavs = {row["system"]: read_table(row["wav_scp"]) for row in rows
            if row["wav_scp"] != str(NO_WAVS)}  # fmt: skip
    common = set(scores).intersection(*wavs.values())
    if not common:
        raise UserError(ref_dir, "no utterance that every system rendered", "at least one")
    utterances = []
    for utt in pick(sorted(common), max_utts):
        score = scores[utt]
        end_sec = max(score.notes[-1].end_sec, score.phones[-1].end_sec if score.phones else 0.0)
        sounds = [
            listener.listen(row["system"], row["split"], utt, wavs[row["system"]][utt], score,
                            end_sec)
            for row in rows
            if row["system"] in wavs
        ]  # fmt: skip
        roll = piano_roll(score, end_sec)
        utterances.append(Utterance(utt, singers.get(utt, ""), lyrics_of(score), roll, sounds))
    return utterances


def read_training(exp_dir: Path) -> Training | None:
    """Curves and configuration of one experiment; None where nothing was trained."""
    config = exp_dir / "config.yaml"
    if not config.is_file():
        return None
    curves = read_curves(exp_dir)
    names = [name for name in ("loss", "acc", "l1", "f0_cents") if name in curves.valid]
    pictures = [data_uri(p, "image/webp") for name in names if (p := plot_curves(curves, name))]
    return Training(exp_dir.name, curves.n_epochs, pictures, read_text(config))
