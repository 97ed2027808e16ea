"""Does F0 follow the prompt? The same scores sung with prompts A and B of one singer, any system.

Takes two tables of outputs of one timing, and the recordings that prompted them. Writes
prompt_shift.json: F0 of B above A for each utterance (cents), its mean with an interval over songs,
and the share of the prompts' own interval that the outputs follow.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from espnet2_ext.errors import UserError
from espnet2_ext.files import write_json
from espnet2_ext.lock import hold_to_the_end

if TYPE_CHECKING:
    from espnet2_ext.evaluation.prompt_shift import PromptShift


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    for name in ("wav_scp", "prompt_scp"):
        what = "outputs" if name == "wav_scp" else "the recording that prompted each"
        add(f"--{name}", type=Path, nargs=2, required=True, metavar=("A", "B"), help=what)
    add("--data_dir", type=Path, required=True, help="utt2song, or utt2spk with --by singer")
    add("--by", choices=("song", "singer"), default="song", help="what intervals count")
    add("--utts", type=int, help="utterances (seeded choice); all by default")
    add("--seed", type=int, default=0, help="of that choice")
    add("--f0_extractor", default="swift", help="see judges/f0.py")
    add("--nj", type=int, default=1, help="processes that analyse recordings")
    add("--out_dir", required=True, type=Path, help="where the report is written")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.evaluation.prompt_shift import between_tables
    from espnet2_ext.evaluation.prompted import analyse, extractor_name, groups, read_prompted

    extractor_name(args.f0_extractor)
    hold_to_the_end(args.out_dir)
    a, b = (
        read_prompted(wavs, prompts, args.utts, args.seed)
        for wavs, prompts in zip(args.wav_scp, args.prompt_scp, strict=True)
    )
    if a[0].keys() != b[0].keys():
        odd = min(a[0].keys() ^ b[0].keys())
        there, lacking = args.wav_scp if odd in a[0] else args.wav_scp[::-1]
        raise UserError(lacking, f"no line for {odd!r}", f"the utterances of {there}")
    paths = [path for pair in (a, b) for table in pair for path in table.values()]
    heard = analyse(paths, args.f0_extractor, args.nj)
    group = groups(a[0], args.data_dir, args.by)
    write_shift(args.out_dir, between_tables(a, b, heard, group))


def write_shift(out_dir: Path, result: "PromptShift") -> None:
    """Write and print it; raises `UserError` where no utterance could be measured."""
    from espnet2_ext.evaluation.prompt_shift import text

    if not result.n_utt:
        raise UserError("prompt_shift", "no utterance that could be measured", "outputs with F0")
    write_json(out_dir / "prompt_shift.json", asdict(result))
    print(text(result))
