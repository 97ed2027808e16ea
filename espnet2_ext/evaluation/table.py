"""From utterances' scores to `results.json` and the table that people read."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.bootstrap import N_BOOTSTRAP
from espnet2_ext.evaluation.measures import EXTRA_METRICS, METRICS
from espnet2_ext.evaluation.metric import Metric
from espnet2_ext.evaluation.songs import songs_of, sum_by_song
from espnet2_ext.files import read_json
from espnet2_ext.judges.f0 import REQUIRED_CORRELATION

Utterances = Sequence[Mapping[str, Any]]
OF_WORLD = ("f0_rmse_hz", "mcd_db")
"""One of them is there where WORLD was run."""
SYSTEM_ORDER = (
    "ground_truth",
    "score_f0",
    "vocoder_gt_mel",
    "codec_resynthesis",
    "gt_tokens+flow2+voc",
    "lm+flow2+voc",
)


def aggregate(metric: Metric, utts: Utterances) -> tuple[float | None, tuple[float, float] | None]:
    """Value over utterances and its 95% bootstrap interval (songs drawn with replacement).

    Utterances where the metric is not defined are left out; None when none is left.
    """
    defined = [u for u in utts if metric.value(u) is not None]
    values = np.array([metric.value(u) for u in defined], np.float64)
    weights = np.array([metric.weight(u) for u in defined], np.float64)
    if not len(values) or weights.sum() <= 0:
        return None, None
    whole = values.sum() / weights.sum()
    values, weights = sum_by_song(songs_of(defined), np.stack([values, weights], 1)).T
    draws = np.random.default_rng(0).integers(len(values), size=(N_BOOTSTRAP, len(values)))
    ratios = values[draws].sum(1) / np.maximum(weights[draws].sum(1), 1e-12)
    low, high = np.quantile(ratios, [0.025, 0.975])
    if metric.root:
        whole, low, high = math.sqrt(whole), math.sqrt(low), math.sqrt(high)
    return float(whole), (float(low), float(high))


def summarize(
    system: str, split: str, utts: Utterances, facts: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One row of `results.json`.

    Args:
        facts: What else the row should say: timing, F0 source, why a predictor is missing.
    """
    metrics: dict[str, float | None] = {}
    intervals: dict[str, tuple[float, float] | None] = {}
    for metric in METRICS:
        metrics[metric.name], intervals[metric.name] = aggregate(metric, utts)
    for metric in EXTRA_METRICS:
        value, interval = aggregate(metric, utts)
        if value is not None:
            metrics[metric.name], intervals[metric.name] = value, interval
    return {
        "system": system,
        "split": split,
        "n_utt": len(utts),
        "n_song": len(set(songs_of(utts))),
        "n_utt_world": sum(any(u.get(name) is not None for name in OF_WORLD) for u in utts),
        "metrics": metrics,
        "ci95": intervals,
    } | dict(facts or {})


def collect(scores_dir: str | Path) -> list[dict[str, Any]]:
    """Read every ``SYSTEM/SPLIT/summary.json`` under a folder, in the order of the table.

    Raises:
        UserError: there is none.
    """
    rows = [read_json(path) for path in sorted(Path(scores_dir).glob("*/*/summary.json"))]
    if not rows:
        raise UserError(scores_dir, "no SYSTEM/SPLIT/summary.json", "the output of bin.score")

    def order(row: Mapping[str, Any]) -> tuple[Any, ...]:
        known = row["system"] in SYSTEM_ORDER
        rank = SYSTEM_ORDER.index(row["system"]) if known else len(SYSTEM_ORDER)
        return (row["split"], rank, row["system"])

    return sorted(rows, key=order)


def markdown(rows: Sequence[Mapping[str, Any]], judges: Mapping[str, Any]) -> str:
    """`RESULTS.md`: a table for each split, what the judges are worth, and how to read it.

    Args:
        judges: ``judges.json`` as `bin.fit judges` writes it; empty when there is none.
    """
    lines = ["# Results", "", *judge_lines(judges), ""]
    for split in dict.fromkeys(row["split"] for row in rows):
        shown = [row for row in rows if row["split"] == split]
        extra = [m for m in EXTRA_METRICS if any(m.name in r["metrics"] for r in shown)]
        columns = [*METRICS, *extra]
        lines += [f"## {split}", ""]
        lines.append("| system | utt (WORLD) | timing | F0 from | "
                     + " | ".join(m.head for m in columns) + " |")  # fmt: skip
        lines.append("|---" * (len(columns) + 4) + "|")
        for row in shown:
            cells = [m.cell(row) for m in columns]
            n_utt = f"{row['n_utt']} ({row['n_utt_world']})"
            lines.append(
                f"| {row['system']} | {n_utt} | {row.get('timing', '')} | "
                f"{row.get('f0_source', '')} | " + " | ".join(cells) + " |"
            )
        lines.append("")
    if reasons := reason_lines(rows):
        lines += ["Not measured:", "", *reasons, ""]
    lines += [_NOTES]
    return "\n".join(lines)


def reason_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why cells are empty, a Markdown list item for each reason with all metrics that it keeps."""
    metrics: dict[str, dict[str, None]] = {}
    for row in rows:
        for name, reason in row.get("not_measured", {}).items():
            metrics.setdefault(reason, {})[name] = None
    return sorted(f"- {', '.join(names)}: {reason}" for reason, names in metrics.items())


def judge_lines(judges: Mapping[str, Any]) -> list[str]:
    """What the judges are worth, a Markdown list item each; first, who recorded what they hear."""
    lines = []
    if judges.get("synthetic"):
        lines.append("- The recordings are synthetic: nobody sang or spoke in them.")
    for name, quality in judges.get("f0", {}).items():
        verdict = "qualifies" if quality["qualifies"] else "does NOT qualify"
        chosen = " (judge of the musical metrics)" if name == judges.get("f0_extractor") else ""
        lines.append(
            f"- F0 extractor {name}{chosen}: correlation {quality['corr']:.3f} with the true F0 "
            f"of {quality['n_utt']} real recordings, {quality['within_50_cents']:.3f} of frames "
            f"within 50 cents, V/UV error {quality['vuv_error']:.3f}; {verdict} (bar: "
            f"{REQUIRED_CORRELATION})."
        )
    if "dev_per" in judges:
        lines.append(f"- Phone recogniser: PER {judges['dev_per']:.4f} on real dev recordings.")
    if "melody" in judges:
        melody = judges["melody"]
        lines.append(
            f"- Melody judge: raw pitch accuracy {melody['raw_pitch_acc']:.3f}, V/UV error "
            f"{melody['vuv_error']:.3f} against the voices of {melody['n_songs']} real dev songs, "
            "which it hears in their mixtures."
        )
    if judges.get("dev_singer_acc") is not None:
        other = judges["dev_other_sim"]
        others = "" if other is None else f", to the nearest other {other:.3f}"
        lines.append(
            f"- Singer embedder: {judges['dev_singer_acc']:.3f} of real dev recordings nearest to "
            f"their own singer of {judges['n_singers']}; cosine to the own singer "
            f"{judges['dev_singer_sim']:.3f}{others}."
        )
    if of_attributes := judges.get("attribute_quality"):
        heard = ", ".join(
            f"{name} {of['accuracy']:.3f} ({of['n_utt']})" for name, of in of_attributes.items()
        )
        lines.append(
            f"- Attribute judge, share that it hears rightly in real dev recordings (of how many): "
            f"{heard}."
        )
    return lines


_NOTES = """\
Brackets: 95% bootstrap interval over songs (over utterances where the corpus names no songs).
VERSA columns follow VERSA's `mcd_f0` (WORLD harvest, all frames, an unvoiced frame counting as
0 Hz) and can be held against published figures; they rest on the number of utterances in
parentheses. The other F0 columns judge frames where the score sings a final and both recordings
are voiced; the nominal note is the written one, so vibrato and glides cost the ground truth too.
PER, semitone and note accuracy, V/UV error, RPA, rhythm IoU and vibrato error are pooled over a
split, cents over its frames; the rest are means over utterances.
"""
