"""Lyrics (a table of texts, with tags such as [S1] for a second voice) to the stream lyrics_ids."""

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--text", type=Path, required=True, help="utterance and its lyrics, line by line")
    add(
        "--output_dir",
        type=Path,
        required=True,
        help="where the arrays and their table are written",
    )


def run(args: argparse.Namespace) -> None:
    import numpy as np

    from espnet2_ext.data.lyric_symbols import lyric_ids, lyric_symbols
    from espnet2_ext.data.once import write_once
    from espnet2_ext.files import read_table

    def encode(text: str, utt: str) -> np.ndarray:
        place = f"{args.text}: {utt}"
        return np.array(lyric_ids(lyric_symbols(text, place), place), np.int32)

    texts = read_table(args.text)
    args.output_dir.mkdir(parents=True, exist_ok=True)
    n = write_once(args.output_dir, "lyrics_ids", texts, encode)
    print(f"{args.output_dir / 'lyrics_ids.scp'}: {n} distinct texts of {len(texts)} utterances")
