"""Write the HTML report (stage 15): tables, stages, sounds, pictures, curves, configuration."""

import argparse
import logging
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from espnet2_ext import __version__
from espnet2_ext.errors import UserError
from espnet2_ext.lock import hold_to_the_end


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, required=True, help="results.json")
    parser.add_argument("--table", type=Path, required=True, help="systems.tsv that was scored")
    parser.add_argument(
        "--scores_dir", type=Path, required=True, help="holds SYSTEM/SPLIT/summary.json"
    )
    parser.add_argument("--judges_dir", type=Path, required=True, help="of `fit judges`")
    parser.add_argument(
        "--mel_config", type=Path, required=True, help="YAML of sampling rate, frames and mel"
    )
    parser.add_argument("--exp_dirs", type=Path, nargs="*", default=[], help="trainings to show")
    parser.add_argument("--rolled_score", type=Path, help="rolled_score.json of the speech LM")
    parser.add_argument("--max_utts", type=int, default=6, help="utterances of each split")
    parser.add_argument(
        "--title", default="Singing with a speech language model", help="of the page"
    )
    parser.add_argument("--out_dir", type=Path, required=True, help="where the report is written")


def commit() -> str:
    """Commit of this checkout, marked when files differ from it; "unknown" where there is none."""
    here = Path(__file__).parent
    done = subprocess.run(
        ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip() or "unknown"


def run(args: argparse.Namespace) -> None:
    if args.max_utts < 1:
        raise UserError("--max_utts", str(args.max_utts), "1 or more")
    hold_to_the_end(args.out_dir)
    from espnet2_ext.audio.mel import MelConfig
    from espnet2_ext.evaluation.attribution_page import lay_out, read_losses
    from espnet2_ext.evaluation.page import (
        Listener,
        Report,
        listen_to_split,
        read_rows,
        read_training,
        result_tables,
    )
    from espnet2_ext.evaluation.table import judge_lines
    from espnet2_ext.files import read_json, write_json, write_text
    from espnet2_ext.judges.f0 import EXTRACTORS
    from espnet2_ext.judges.quality import read_quality

    quality = read_quality(args.judges_dir)
    results = read_json(args.results)
    rows = read_rows(args.table)
    metrics, tables = result_tables(results)
    lines = [line.removeprefix("- ") for line in judge_lines(quality)]
    if args.rolled_score and args.rolled_score.is_file():
        rolled = read_json(args.rolled_score)
        verdict = "passes" if rolled["passed"] else "FAILS"
        drop = min(shift["drop"] for shift in rolled["shifts"])
        lines.append(
            f"Rolled-score test: the speech LM {verdict}; a score shifted in time or pitch costs "
            f"at least {drop:.3f} of log-likelihood per token ({rolled['n_utt']} utterances)."
        )
    facts = {
        "commit": commit(),
        "version": __version__,
        "made": time.strftime("%Y-%m-%d %H:%M"),
        "models": ", ".join(path.name for path in args.exp_dirs),
    }
    report = Report(args.title, facts, metrics, tables, lines)
    extractor = EXTRACTORS[quality.get("f0_extractor", "swift")]
    listener = Listener(MelConfig.load(args.mel_config), extractor, args.scores_dir)
    attribution: dict[str, list[dict[str, Any]]] = {}
    for split in dict.fromkeys(row["split"] for row in rows):
        of_split = [row for row in rows if row["split"] == split]
        losses = read_losses(args.scores_dir, [row["system"] for row in of_split], split)
        if part := lay_out(split, losses):
            report.attributions.append(part)
            attribution[split] = [asdict(loss) for loss in losses]
        report.splits[split] = listen_to_split(of_split, listener, args.max_utts)
        logging.info("%s: %d utterances", split, len(report.splits[split]))
    report.trainings = [t for path in args.exp_dirs if (t := read_training(path))]
    if attribution:
        write_json(args.out_dir / "attribution.json", attribution)
    out = args.out_dir / "index.html"
    write_text(out, report.html())
    logging.info("%s: %.1f MB", out, out.stat().st_size / 1e6)
