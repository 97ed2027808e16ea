"""Instructions (a table of texts) to the stream that a flow of latents reads of them.

With --model a frozen language model's hidden states (``instruction``), each distinct text computed
once; with --pieces the ids of a SentencePiece model (``instruction_ids``), which is fitted to the
texts where there is none.
"""

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    from espnet2_ext.device import device_name

    add = parser.add_argument
    add("--text", type=Path, required=True, help="utterance and its instruction, line by line")
    add(
        "--output_dir",
        type=Path,
        required=True,
        help="where the arrays and their table are written",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", help="language model: a folder, or owner/name on the hub")
    which.add_argument(
        "--pieces", type=Path, help="SentencePiece model, fitted where it is missing"
    )
    add("--layer", type=int, default=-1, help="hidden states of which layer; -1: the last")
    add("--n_symbols", type=int, default=1000, help="pieces of a model that is fitted, at most")
    add(
        "--device",
        type=device_name,
        default="cpu",
        help="where the language model computes: cpu, cuda or cuda:N",
    )
    add(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="of the language model's products",
    )


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.data.once import write_once
    from espnet2_ext.files import atomic_path, read_table
    from espnet2_ext.tokenizer.text_states import TextPieces, TextStates

    texts = read_table(args.text)
    args.output_dir.mkdir(parents=True, exist_ok=True)
    if args.model:
        name = "instruction"
        encode = TextStates(args.model, args.layer, args.device, args.dtype)
    else:
        name = "instruction_ids"
        if not args.pieces.exists():
            with atomic_path(args.pieces) as part:
                Path(part).write_bytes(
                    TextPieces.fit(dict.fromkeys(texts.values()), args.n_symbols)
                )
        encode = TextPieces(args.pieces)
    n = write_once(
        args.output_dir, name, texts, lambda text, utt: encode(text, f"{args.text}: {utt}")
    )
    print(f"{args.output_dir / name}.scp: {n} distinct texts of {len(texts)} utterances")
