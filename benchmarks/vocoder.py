"""The vocoders against librosa's Griffin-Lim; a long song in parts against one piece.

``python benchmarks/vocoder.py`` times random weights of the embedded recipe's sizes;
``--vocoder_exp`` a trained vocoder. RTF = compute time / audio time. Memory is the peak of a
process that does nothing else, less what it has before.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import memory
from acoustic import librosa_griffin_lim, load_vocoder, random_features
from timing import Row, add_arguments, compare, finish, start

from espnet2_ext.vocoder import inference

CONFIGS = {
    "source_filter": "train_vocoder.yaml",
    "hifigan": "tuning/train_vocoder_hifigan.yaml",
    "nsf_hifigan": "tuning/train_vocoder_nsf_hifigan.yaml",
}
WHOLE = 10**9


def growth_mib(args: argparse.Namespace) -> None:
    """Print how much the peak of this process grows while it sings a song of ``--grow`` seconds."""
    vocoder = load_vocoder(args.vocoder_exp, CONFIGS[args.kind], args.device)
    if args.whole:
        inference.CHUNK_FRAMES = WHOLE
    vocoder.generate(*([x] for x in random_features(100, vocoder.mel)))
    n_frames = round(args.grow * vocoder.mel.fs / vocoder.mel.hop_length)
    features = random_features(n_frames, vocoder.mel)
    memory.forget_peak()
    before = memory.mib(memory.RESIDENT)
    vocoder.generate(*([x] for x in features))
    print(memory.mib(memory.PEAK) - before)


def grown(args: argparse.Namespace, kind: str, sec: float, *options: str) -> float:
    """`growth_mib` of a process of its own."""
    command = [sys.executable, __file__, "--grow", str(sec), "--kind", kind, *options]
    if kind == "source_filter" and args.vocoder_exp is not None:
        command += ["--vocoder_exp", str(args.vocoder_exp)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def rows(args: argparse.Namespace) -> Iterator[Row]:
    """Time of each vocoder, then memory by length."""
    for kind, config in CONFIGS.items():
        trained = args.vocoder_exp if kind == "source_filter" else None
        vocoder = load_vocoder(trained, config, args.device, args.bfloat16)
        mel, f0 = random_features(
            round(args.sec * vocoder.mel.fs / vocoder.mel.hop_length), vocoder.mel
        )
        yield compare(
            kind, lambda v=vocoder, m=mel, f=f0: v.generate([m], [f]),
            lambda v=vocoder, m=mel: librosa_griffin_lim(m, v.mel),
            unit="RTF", repeats=args.repeats, per=args.sec,
            note=f"{args.sec:.0f} s, batch 1; peer: librosa's Griffin-Lim, 32 iterations",
        )  # fmt: skip
    for sec in args.song_sec:
        parts, whole = grown(args, args.kind, sec), grown(args, args.kind, sec, "--whole")
        samples = sec * vocoder.mel.fs * 4 / 2**20
        note = f"{args.kind}; its samples are {samples:.0f} MiB; peer: in one piece"
        yield Row(f"memory, {sec:.0f} s", parts, whole, whole / parts, "MiB", note)


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--vocoder_exp", type=Path, help="exp/vocoder_*; default: random weights")
    parser.add_argument("--sec", type=float, default=10.0, help="length that is timed")
    parser.add_argument("--song_sec", type=float, nargs="*", default=[60.0, 120.0, 240.0])
    parser.add_argument("--kind", choices=CONFIGS, default="source_filter", help="of the memory")
    parser.add_argument("--grow", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--whole", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--bfloat16", action="store_true", help="autocast")
    parser.add_argument("--device", default="cpu")
    add_arguments(parser)
    return parser


def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    start(args)
    if args.grow:
        growth_mib(args)
    else:
        finish(rows(args), args)


if __name__ == "__main__":
    main()
