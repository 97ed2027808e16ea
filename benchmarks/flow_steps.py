"""What the flow's steps are worth: error, pitch, words and time of every solver and step count.

``python benchmarks/flow_steps.py --recipe egs2/mini_singing/speechlm1`` after ``run.sh`` there.
Real tokens of one set (or sampled ones: ``--codec_ssl``) are carried to features, sung by the
vocoder and scored by the recipe's judges. RTF = processor time / audio time.
"""

import argparse
import contextlib
import csv
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from timing import add_arguments, hardware, start

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.bin import score
from espnet2_ext.data.streams import StreamTables
from espnet2_ext.evaluation.scoring import ScoringConfig, world_subset
from espnet2_ext.files import read_json, write_json, write_table
from espnet2_ext.flow.inference import FlowInference, SamplingConfig, load_sampling
from espnet2_ext.inference.flow_step import FlowStep
from espnet2_ext.inference.step import as_tensor
from espnet2_ext.vocoder.inference import VocoderInference

MEASURES = ("mcd_db", "f0_corr", "semitone_acc", "per", "singer_sim")
STEPS = (1, 2, 4, 6, 10, 20)
SOLVERS = ("euler", "midpoint")
SCORING = Path(__file__).resolve().parents[1] / "conf/scoring.yaml"


@dataclass
class Setup:
    """Utterances of a set and the models that sing them."""

    utts: list[str]
    tokens: list[torch.Tensor]
    scores: list[torch.Tensor]
    prompts: list[torch.Tensor]
    flow: FlowInference
    vocoder: VocoderInference

    @property
    def audio_sec(self) -> float:
        return sum(map(len, self.tokens)) / self.flow.mel.fps


def load(args: argparse.Namespace) -> Setup:
    """The recipe's flow, vocoder and the first utterances of the set."""
    exp, tokens_dir = args.recipe / "exp", args.recipe / "dump/tokens" / args.set
    flow_exp, vocoder_exp = exp / args.flow, exp / args.vocoder
    flow = FlowInference.load(flow_exp / "config.yaml", flow_exp / "valid.loss.best.pth")
    vocoder = VocoderInference.load(
        vocoder_exp / "config.yaml", vocoder_exp / "valid.loss.best.pth"
    )
    names = ("codec_ssl", "score_frames", "prompt")
    paths = {name: tokens_dir / f"{name}.scp" for name in names}
    paths["codec_ssl"] = args.codec_ssl or paths["codec_ssl"]
    tables = StreamTables(paths, FlowStep(flow, SamplingConfig()).sizes)
    every = tables.keys
    # those that scoring takes for MCD, and others
    seed = ScoringConfig.load(SCORING).seed
    with_mcd = world_subset(every, args.world_utts, seed)
    others = [utt for utt in every if utt not in with_mcd]
    n_others = max(0, args.utts - len(with_mcd))
    utts = sorted(with_mcd) + others[:: max(1, len(others) // max(1, n_others))][:n_others]

    rows = [tables[utt] for utt in utts]
    streams = [[as_tensor(name, row[name]) for row in rows] for name in names]
    return Setup(utts, *streams, flow, vocoder)


def sing(setup: Setup, sampling: SamplingConfig, folder: Path) -> dict[str, float]:
    """Write ``UTT.wav`` and wav.scp; the RTF of flow and vocoder."""
    begun = time.process_time()
    features = setup.flow.generate(setup.tokens, setup.scores, setup.prompts, sampling)
    between = time.process_time()
    wavs = setup.vocoder.generate([f.mel for f in features], [f.f0 for f in features])
    ended = time.process_time()
    for utt, wav in zip(setup.utts, wavs, strict=True):
        write_wav(folder / f"{utt}.wav", wav.numpy(), setup.vocoder.mel.fs)
    write_table(folder / "wav.scp", {utt: folder / f"{utt}.wav" for utt in setup.utts})
    return {
        "flow_rtf": (between - begun) / setup.audio_sec,
        "vocoder_rtf": (ended - between) / setup.audio_sec,
    }


def table(
    setup: Setup, configs: Sequence[SamplingConfig], args: argparse.Namespace, folder: Path
) -> list[dict[str, object]]:
    """Sing and score every configuration."""
    rows: list[dict[str, object]] = []
    names = [f"{config.solver}_{config.n_steps}" for config in configs]
    sing(setup, configs[0], folder / "warm_up")
    for name, config in zip(names, configs, strict=True):
        evaluations = config.n_steps * (1 + (config.solver == "midpoint"))
        row = {"solver": config.solver, "n_steps": config.n_steps, "evaluations": evaluations}
        rows.append(row | sing(setup, config, folder / name))
    with open(folder / "systems.tsv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(score.COLUMNS)
        for name in names:
            real = args.recipe / "dump/raw" / args.set
            writer.writerow((name, args.set, real, folder / name / "wav.scp", "label", "feats"))
    judges = args.judges_dir or args.recipe / "exp/judges"
    with contextlib.chdir(args.recipe):  # its tables name files from there
        score.main(
            ["--table", str(folder / "systems.tsv"), "--scores_dir", str(folder / "scores"),
             "--judges_dir", str(judges), "--config", str(SCORING),
             "--world_utts", str(args.world_utts)]
        )  # fmt: skip
    for name, row in zip(names, rows, strict=True):
        summary = read_json(folder / "scores" / name / args.set / "summary.json")
        row |= {measure: summary["metrics"].get(measure) for measure in MEASURES}
    return rows


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recipe", type=Path, default=Path("egs2/mini_singing/speechlm1"))
    parser.add_argument("--flow", default="flow_default", help="folder in exp/")
    parser.add_argument("--vocoder", default="vocoder_default", help="folder in exp/")
    parser.add_argument("--set", default="dev")
    parser.add_argument("--codec_ssl", type=Path, help="sampled tokens instead of the real ones")
    parser.add_argument("--sampling", type=Path, help="decode_flow.yaml: what is not varied")
    parser.add_argument("--judges_dir", type=Path, help="default: exp/judges of the recipe")
    parser.add_argument("--utts", type=int, default=20)
    parser.add_argument("--world_utts", type=int, default=8, help="utterances with MCD")
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--solvers", nargs="+", default=SOLVERS)
    add_arguments(parser)
    return parser


def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    start(args)
    args.recipe = args.recipe.resolve()
    sampling = load_sampling(args.sampling or args.recipe / "conf/decode_flow.yaml")
    configs = [
        replace(sampling, solver=solver, n_steps=n) for solver in args.solvers for n in args.steps
    ]
    setup = load(args)
    with tempfile.TemporaryDirectory() as folder:
        rows = table(setup, configs, args, Path(folder))
    about = f"{hardware()}; {len(setup.utts)} utterances of {args.set}, {setup.audio_sec:.0f} s"
    print(f"{about}; MCD of {args.world_utts}\n")
    print("| " + " | ".join(rows[0]) + " |\n" + "| --- " * len(rows[0]) + "|")
    for row in rows:
        cells = (f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values())
        print("| " + " | ".join(cells) + " |")
    if args.json:
        write_json(args.json, {"about": about, "rows": rows})


if __name__ == "__main__":
    main()
