"""The flow: batched by length against one utterance at a time, and with the vocoder's time added.

``python benchmarks/flow.py`` times random weights of the embedded recipe's sizes; ``--flow_exp``
and ``--vocoder_exp`` trained ones. RTF = compute time / audio time.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from acoustic import (
    librosa_griffin_lim,
    load_flow,
    load_vocoder,
    random_utterances,
    sampling,
)
from timing import Row, add_arguments, compare, finish, start


def rows(args: argparse.Namespace) -> Iterator[Row]:
    """Flow alone, its autocast, its steps, and flow with vocoder."""
    config = sampling()
    flow = load_flow(args.flow_exp, args.device)
    lengths = [
        round((0.5 + k / args.utterances) * args.sec * flow.mel.fps) for k in range(args.utterances)
    ]
    utterances = random_utterances(flow, lengths)
    audio = sum(lengths) / flow.mel.fps
    shortest, longest = lengths[0] / flow.mel.fps, lengths[-1] / flow.mel.fps
    about = f"{len(lengths)} utterances of {shortest:.1f} to {longest:.1f} s"
    steps = f"{config.solver}, {config.n_steps} steps"
    timed = {"unit": "RTF", "repeats": args.repeats, "per": audio}

    def alone() -> None:
        for one in zip(*utterances, strict=True):
            flow.generate(*([x] for x in one), config)

    yield compare(
        "flow", lambda: flow.generate(*utterances, config), alone,
        note=f"{about}, {steps}; peer: one at a time", **timed,
    )  # fmt: skip
    exact = load_flow(args.flow_exp, args.device, "off")
    half = load_flow(args.flow_exp, args.device, "on")
    yield compare(
        "flow, bfloat16", lambda: half.generate(*utterances, config),
        lambda: exact.generate(*utterances, config),
        note=f"{about}, {steps}; peer: float32", **timed,
    )  # fmt: skip
    twenty = replace(config, n_steps=20)
    yield compare(
        "flow, few steps", lambda: flow.generate(*utterances, config),
        lambda: flow.generate(*utterances, twenty),
        note=f"{about}, {steps}; peer: 20 steps", **timed,
    )  # fmt: skip
    vocoder = load_vocoder(args.vocoder_exp, device=args.device)

    def sing() -> None:
        features = flow.generate(*utterances, config)
        vocoder.generate([f.mel for f in features], [f.f0 for f in features])

    def plain() -> None:
        for one in zip(*utterances, strict=True):
            (features,) = flow.generate(*([x] for x in one), config)
            librosa_griffin_lim(features.mel, flow.mel)

    yield compare(
        "flow + vocoder", sing, plain,
        note=f"{about}, {steps}; peer: one at a time, librosa's Griffin-Lim of 32 iterations",
        **timed,
    )  # fmt: skip


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--flow_exp", type=Path, help="exp/flow_*; default: random weights")
    parser.add_argument("--vocoder_exp", type=Path, help="exp/vocoder_*; default: random weights")
    parser.add_argument("--utterances", type=int, default=8)
    parser.add_argument("--sec", type=float, default=5.0, help="mean length of an utterance")
    parser.add_argument("--device", default="cpu")
    add_arguments(parser)
    return parser


def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    start(args)
    finish(rows(args), args)


if __name__ == "__main__":
    main()
