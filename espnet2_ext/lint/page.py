"""The linter's page: the table of kinds, and pictures of the worst utterances; self-contained."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from espnet2_ext.audio.channels import mean
from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.evaluation.page import data_uri, encode_audio
from espnet2_ext.evaluation.plots import plot_labelled_mel
from espnet2_ext.files import write_text
from espnet2_ext.lint.findings import Findings
from espnet2_ext.lint.limits import Limits
from espnet2_ext.lint.run import Counts, checks_of
from espnet2_ext.lint.sound import Sound
from espnet2_ext.lint.summary import Summary
from espnet2_ext.lint.tables import open_source
from espnet2_ext.lint.utterance import check, read_header, read_utterance
from espnet2_ext.score.music_score import MusicScore

TEMPLATE = Path(__file__).with_name("template.html")


@dataclass(frozen=True)
class Shown:
    """An utterance of the page; picture and sound are data: URIs, empty where it has no audio."""

    utt: str
    kinds: list[tuple[str, float]]
    lines: list[str]
    picture: str = ""
    sound: str = ""


def write_page(path: str | Path, summary: Summary, counts: Counts, limits: Limits) -> None:
    """Write the page of what `summary` holds.

    Args:
        path: HTML file to write.
        summary: The findings.
        counts: What was looked at.
        limits: Thresholds of the run.
    """
    worst = summary.worst()
    shown = {}
    for folder in {folder for folder, *_ in worst}:
        wanted = {utt: kinds for of, utt, kinds in worst if of == folder}
        shown |= {(folder, item.utt): item for item in _show(folder, wanted, limits)}
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=StrictUndefined
    )
    html = environment.get_template(TEMPLATE.name).render(
        rows=summary.rows(),
        worst=[shown[folder, utt] for folder, utt, _ in worst if (folder, utt) in shown],
        facts=summary.last_line(counts),
    )
    write_text(path, html)


def _show(folder: Path, wanted: dict[str, dict[str, float]], limits: Limits) -> Iterator[Shown]:
    """The utterances asked for, checked again with their samples."""
    source = open_source(folder)
    checks = checks_of(source, limits, audio=True)
    of_tables = [finding for finding in source.findings.items if finding.utt in wanted]
    for item in source.items():
        if item.utt not in wanted:
            continue
        checked = check(item, "", checks)
        findings = [f for f in of_tables if f.utt == item.utt] + checked.findings
        findings += checked.audio_findings or []
        kinds = sorted(wanted[item.utt].items(), key=lambda pair: -pair[1])
        lines = [str(finding) for finding in findings]
        unused = Findings()
        score = read_utterance(item, unused, checks)
        audio = read_header(item, unused)
        if audio is None or not checked.seconds:
            yield Shown(item.utt, kinds, lines)
            continue
        wav = mean(np.nan_to_num(audio.read()))
        spans = [
            (f.start_sec, f.end_sec)
            for f in findings
            if f.start_sec is not None and f.end_sec is not None
        ]
        picture = _picture(wav, audio.fs, score, spans, limits)
        sound = encode_audio(wav, audio.fs)
        yield Shown(item.utt, kinds, lines, data_uri(picture, "image/webp"), sound)


def _picture(
    wav: np.ndarray,
    fs: int,
    score: MusicScore | None,
    spans: list[tuple[float, float]],
    limits: Limits,
) -> bytes:
    """Mel, F0, notes, label and marked stretches of samples (N,)."""
    import soxr
    import torch

    config = MelConfig()
    f0, clarity = Sound.of(wav, fs).pitch
    f0 = np.where(clarity > limits.clarity, f0, 0.0)
    if fs != config.fs:
        wav = soxr.resample(wav, fs, config.fs)
    with torch.inference_mode():
        mel = LogMel(config)(torch.from_numpy(wav)[None])[0].numpy()
    frame_sec = config.hop_length / config.fs
    return plot_labelled_mel(mel, f0[: len(mel)], score, frame_sec, spans)
