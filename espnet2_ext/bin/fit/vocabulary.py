"""Stage 6: token_list.json and token_bias.json in ESPnet-SpeechLM's layout."""

import argparse
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, read_table, write_table
from espnet2_ext.lock import hold_to_the_end


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tokenizer_dir", type=Path, required=True, help="tokenizers whose codes become symbols"
    )
    parser.add_argument(
        "--out_dir", type=Path, required=True, help="where the vocabulary is written"
    )
    parser.add_argument(
        "--data_json", type=Path, nargs="*", default=[], help="check that all their tokens exist"
    )
    parser.add_argument(
        "--base_dir",
        help="vocabulary to extend, ids kept: a folder of token_list.json and token_bias.json, a "
        "pretrained model's folder, or owner/name on the Hugging Face hub",
    )
    parser.add_argument(
        "--reinit_audio",
        action="store_true",
        help="the base's SSL and codec tokens are another tokenizer's: append our own",
    )
    parser.add_argument("--offline", action="store_true", help="take the hub's cache alone")
    parser.add_argument(
        "--tasks", nargs="+", default=["svs"], help="svs, codec_ssl_tts: whose tokens it holds"
    )


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    hold_to_the_end(args.out_dir)
    base = None
    if args.base_dir:
        from espnet2_ext.speechlm.pretrained import PretrainedConfig, pretrained_vocabulary

        base = pretrained_vocabulary(args.base_dir, PretrainedConfig(offline=args.offline))
    vocabulary = Tokenizers.load(args.tokenizer_dir).vocabulary(base, args.tasks, args.reinit_audio)
    for path in args.data_json:
        for entry in read_json(path)["data_files"]:
            table, modality, _ = entry.split(",")
            if modality != "svs_lb" or "svs" not in args.tasks:
                continue
            for utt, line in read_table(table).items():
                unknown = next((t for t in line.split() if t not in vocabulary.index), None)
                if unknown:
                    raise UserError(f"{table}: {utt}", f"{unknown!r}", "a token of the vocabulary")
    if base is not None:
        from espnet2_ext.speechlm.grow import new_rows, row_table

        write_table(args.out_dir / "new_tokens", row_table(new_rows(base, vocabulary), base))
    vocabulary.save(args.out_dir)
    print(f"{args.out_dir}: {len(vocabulary)} tokens, {vocabulary.nq} streams")
