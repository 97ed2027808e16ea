"""Rolled-score test of a speech LM: real tokens must be likelier under their own score.

Writes a JSON report; exit status 1 when a score shifted in time or pitch is as good as the right
one: such an LM ignores its score.
"""

import argparse
import logging
from dataclasses import asdict
from pathlib import Path

from espnet2_ext.device import add_dtype, device_name
from espnet2_ext.errors import UserError
from espnet2_ext.files import write_json


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--train_config", type=Path, required=True, help="EXP/config.yaml")
    add("--model_file", type=Path, required=True, help="EXP/valid.loss.best.pth")
    add("--token_dir", type=Path, required=True,
        help="dump/tokens/SET with codec_ssl.scp, score_frames.scp and prompt.scp")  # fmt: skip
    add("--output", type=Path, required=True, help="report, JSON")
    add("--frames", type=int, nargs="*", default=[-25, -10, 10, 25], help="shifts in time")
    add("--semitones", type=int, nargs="*", default=[-3, 3], help="shifts in pitch")
    add("--margin", type=float, default=0.02, help="least drop of the mean log-likelihood")
    add("--max_utts", type=int, default=64, help="utterances, evenly spread over the set")
    add(
        "--device",
        type=device_name,
        default="cpu",
        help="where models compute: cpu, cuda or cuda:N",
    )
    add_dtype(parser)


def run(args: argparse.Namespace) -> int:
    from espnet2_ext.data.streams import StreamSizes, StreamTables
    from espnet2_ext.inference.step import as_tensor
    from espnet2_ext.speechlm.inference import SpeechLMInference
    from espnet2_ext.speechlm.model import stream_sizes
    from espnet2_ext.speechlm.rolled_score import Shift, Utterance, rolled_score

    if args.max_utts < 1:
        raise UserError("--max_utts", str(args.max_utts), "1 or more")
    model = SpeechLMInference.load(
        args.train_config, args.model_file, args.device, args.dtype or "float32"
    ).model
    names = ("codec_ssl", "score_frames", "prompt", "svs_frames")
    paths = {name: args.token_dir / f"{name}.scp" for name in names}
    paths = {n: p for n, p in paths.items() if n in names[:2] or p.is_file()}
    tables = StreamTables(paths, StreamSizes(codes=stream_sizes(model.vocabulary)))
    keys = tables.keys[:: max(1, len(tables.keys) // args.max_utts)][: args.max_utts]
    utterances = [
        Utterance(**{name: as_tensor(name, values) for name, values in tables[key].items()})
        for key in keys
    ]
    shifts = [Shift(frames=n) for n in args.frames] + [Shift(semitones=n) for n in args.semitones]
    report = rolled_score(model, utterances, shifts, args.margin)
    write_json(args.output, {**asdict(report), "passed": report.passed})
    logging.info("right score: %.4f per token (%d utterances)", report.log_prob, report.n_utt)
    for s in report.shifts:
        logging.info("%s: drop %.4f, preferred %.2f", s.shift, s.drop, s.preferred)
    if not report.passed:
        logging.error("the LM does not prefer the right score: it ignores it")
    return 0 if report.passed else 1
