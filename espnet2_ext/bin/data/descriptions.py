"""One utterance for each description of an utterance (all of them in training), or one drawn.

Writes instruction.txt and lyrics.txt (texts), described2utt, and the tables of --tables_dir with a
line for each description.
"""

import argparse
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.lock import hold_to_the_end


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--data_dir", type=Path, required=True, help="attributes.jsonl, instructions.jsonl, text")
    add("--tables_dir", type=Path, nargs="*", default=[], help="whose *.scp and utt2num_frames")
    add("--kinds", nargs="+", help="only utterances of these kinds: song, speech, dialogue")
    add("--draw", type=int, metavar="SEED", help="one description each, drawn; default: all")
    add("--output_dir", type=Path, required=True, help="where the tables are written")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.data.described import INSTRUCTIONS, KINDS, read_described
    from espnet2_ext.data.descriptions import describe, write_descriptions
    from espnet2_ext.files import read_table

    for kind in args.kinds or ():
        if kind not in KINDS:
            raise UserError("--kinds", kind, f"one of {', '.join(KINDS)}")
    hold_to_the_end(args.output_dir)
    described = read_described(args.data_dir)
    if not described:
        raise UserError(args.data_dir, "no attributes.jsonl", "descriptions (docs/mini_song.md)")
    if args.kinds:
        described = {u: d for u, d in described.items() if d.attributes["kind"] in args.kinds}
    texts = read_table(args.data_dir / "text")
    found = describe(described, texts, args.draw, str(args.data_dir / INSTRUCTIONS))
    tables = [p for d in args.tables_dir for p in sorted([*d.glob("*.scp"), d / "utt2num_frames"])]
    write_descriptions(args.output_dir, found, [path for path in tables if path.is_file()])
    print(f"{args.output_dir}: {len(found)} descriptions of {len(described)} utterances")
