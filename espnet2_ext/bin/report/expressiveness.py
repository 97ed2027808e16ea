"""How alive systems sing, against the recordings: pitch within and over notes, vibrato, sharpness.

Takes the table of bin.score (system, split, ref_dir, wav_scp, timing, f0_source); only rows timed
by the label are measured, note by note. Scores that are sung more than once in a split (or in the
splits of --together) also give variances over takes. Writes expressiveness.json, prints Markdown.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table, write_json
from espnet2_ext.lock import hold_to_the_end
from espnet2_ext.one_thread import one_thread

HEADS = {
    "f0_spread": "F0 spread within notes",
    "deviation_var": "Variance of notes' deviation",
    "vibrato_depth": "Vibrato depth",
    "vibrato_hz": "Vibrato rate",
    "mel_laplacian": "Mel sharpness (Laplacian)",
    "mel_gv": "Mel global variance",
    "takes_deviation_cents": "Variance over takes: deviation",
    "takes_spread_cents": "Variance over takes: F0 spread",
    "takes_vibrato_cents": "Variance over takes: vibrato depth",
}
TIMING_HEADS = {
    "performed_sd_ms": "recordings, SD (ms)",
    "predicted_sd_ms": "predicted, SD (ms)",
    "timing_var": "variance ratio",
    "takes_timing": "variance over takes",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", required=True, help="as bin.score takes it")
    parser.add_argument("--mel_config", required=True, help="conf/mel.yaml")
    parser.add_argument("--f0_extractor", default="swift", help="see judges/f0.py")
    parser.add_argument(
        "--together", nargs="*", default=[], help="splits that count as one, for takes of a score"
    )
    parser.add_argument(
        "--durations", nargs=2, metavar=("CONFIG", "WEIGHTS"),
        help="of the phone-duration model: also the spread of its timing against the singers'",
    )  # fmt: skip
    parser.add_argument("--duration_config", help="its inference options, as infer duration's")
    parser.add_argument("--out_dir", required=True, type=Path, help="where the report is written")


@one_thread()
def run(args: argparse.Namespace) -> None:
    hold_to_the_end(args.out_dir)
    import numpy as np
    import torch

    from espnet2_ext.audio.mel import LogMel, MelConfig
    from espnet2_ext.bin.score import read_hypotheses, read_rows
    from espnet2_ext.duration.inference import DurationInference, load_sampling
    from espnet2_ext.evaluation.bootstrap import Interval
    from espnet2_ext.evaluation.expressive_scoring import (
        Pair,
        express,
        summarize_expression,
        summarize_timing,
    )
    from espnet2_ext.evaluation.rendered import NO_WAVS
    from espnet2_ext.judges.f0 import EXTRACTORS, FPS
    from espnet2_ext.metrics.expressiveness import group_takes
    from espnet2_ext.score.formats.espnet_format import read_scores

    if args.f0_extractor not in EXTRACTORS:
        raise UserError("--f0_extractor", repr(args.f0_extractor), ", ".join(EXTRACTORS))
    extract = EXTRACTORS[args.f0_extractor]
    mel = MelConfig.load(args.mel_config)
    transform = LogMel(mel)

    def log_mel(wav: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return transform(torch.from_numpy(wav.astype(np.float32))[None])[0].numpy()

    references, pairs, scores, singers = {}, {}, {}, {}
    for row in read_rows(args.table, str(args.out_dir)):
        if row.timing != "label" or row.wavs == NO_WAVS:
            continue
        split = "+".join(args.together) if row.split in args.together else row.split
        of_split = read_scores(row.ref_dir)
        scores.setdefault(split, {}).update(of_split)
        singers.setdefault(split, {}).update(read_table(row.ref_dir / "utt2spk"))
        wavs = read_table(row.ref_dir / "wav.scp")
        measured = pairs.setdefault((split, row.system), {})
        for utt, path in read_hypotheses(row.wavs, wavs, row.ref_dir).items():
            score = of_split[utt]
            if utt not in references:
                references[utt] = express(wavs[utt], score, None, extract, log_mel, mel.fs, FPS)
            ref, n_frames = references[utt]
            hyp, _ = express(path, score, n_frames, extract, log_mel, mel.fs, FPS)
            measured[utt] = Pair(hyp, ref)
        print(f"{row.system} {row.split}: {len(measured)} utterances", flush=True)
    rows, intervals = [], []
    for (split, system), measured in pairs.items():
        takes = group_takes({u: scores[split][u] for u in measured}, singers[split])
        intervals.append(summarize_expression(measured, takes))
        rows.append(
            {"system": system, "split": split, "n_utt": len(measured), "n_scores": len(takes)}
            | {name: value.to_json() for name, value in intervals[-1].items()}
        )
    write_json(args.out_dir / "expressiveness.json", rows)
    print(markdown(rows, intervals))
    if args.durations:
        model = DurationInference.load(*args.durations)
        sampling = load_sampling(args.duration_config)
        rows = []
        for split, of_split in scores.items():
            predicted = {  # each with a seed of its own: takes of one score are to differ
                utt: model.generate(score, utt, replace(sampling, seed=sampling.seed + k))
                for k, (utt, score) in enumerate(of_split.items())
            }
            takes = group_takes(of_split, singers[split])
            timing = summarize_timing(predicted, of_split, takes)
            rows.append({"system": split, "n_utt": len(of_split), "n_scores": len(takes)} | {
                name: value.to_json() if isinstance(value, Interval) else value
                for name, value in timing.items()
            })  # fmt: skip
            print(f"duration model on {split}: {timing}")
        write_json(args.out_dir / "timing.json", rows)


def markdown(rows: list[dict], intervals: list[dict]) -> str:
    """A table for each split, of the intervals of its rows."""
    lines = []
    for split in dict.fromkeys(row["split"] for row in rows):
        lines += ["", f"{split}: ratios to the recordings (1 is right), 95% intervals", ""]
        lines.append("| system | utt (scores with takes) | " + " | ".join(HEADS.values()) + " |")
        lines.append("|---" * (len(HEADS) + 2) + "|")
        for row, values in zip(rows, intervals, strict=True):
            if row["split"] == split:
                cells = [values[name].text() for name in HEADS]
                count = f"{row['n_utt']} ({row['n_scores']})"
                lines.append(f"| {row['system']} | {count} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
