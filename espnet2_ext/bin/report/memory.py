"""Memory per GPU of training a speech LM under ZeRO-2: a Markdown table, nothing allocated."""

import argparse
from pathlib import Path

from espnet2_ext.errors import UserError


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--config", type=Path, required=True, help="training YAML with a backbone")
    add("--token_list", type=Path, help="token_list.json; default: OpusLM 1.7B's, with Opencpop's")
    add("--positions", type=int, default=4000, help="positions per batch and GPU, padding included")
    add("--frames", type=int, default=800, help="target frames among them")
    add(
        "--gpus",
        type=int,
        nargs="+",
        default=[1, 2, 4, 8],
        help="numbers of GPUs that memory is counted for",
    )


def run(args: argparse.Namespace) -> None:
    if min(*args.gpus, args.positions, args.frames) < 1 or args.frames > args.positions:
        raise UserError("options", "no GPU, position or frame, or more frames than positions")
    from espnet2_ext.score.phones import PHONES
    from espnet2_ext.speechlm.memory import (
        build_on_meta,
        count_parameters,
        memory_table,
        opuslm_vocabulary,
    )
    from espnet2_ext.tokenizer.vocabulary import Vocabulary

    if args.token_list:
        vocabulary = Vocabulary.load(args.token_list.parent)
    else:
        vocabulary = Vocabulary.build(5000, 8, 1024, PHONES, base=opuslm_vocabulary())
    model = build_on_meta(args.config, vocabulary)
    total, trained = count_parameters(model)
    print(f"{total:,} parameters, {trained:,} trained, {len(vocabulary):,} tokens; GiB per GPU of")
    print(f"{args.positions:,} positions with {args.frames:,} target frames, 16-bit values\n")
    print("\n".join(memory_table(model, args.positions, args.frames, args.gpus)))
