"""Write the recordings that prompted a set's utterances, as a wav.scp of their ids.

Token directories know prompts as tokens; `report leakage` and `report prompt_shift` compare outputs
with the sound. One data directory for each token directory that prompts came from, of one name.
"""

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--token_dir", type=Path, required=True, help="dump/tokens/SET: prompt.scp, prompts.json")
    add("--raw_dir", type=Path, required=True, help="dump/raw: a data directory for each set")
    add("--out", type=Path, required=True, help="table to write")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.errors import UserError
    from espnet2_ext.files import read_table, write_table
    from espnet2_ext.tokenizer.prompts import prompt_utts

    prompts = prompt_utts(args.token_dir)
    places = {folder: args.raw_dir / folder.name / "wav.scp" for folder, _ in prompts.values()}
    wavs = {folder: read_table(place) for folder, place in places.items()}
    for folder, name in prompts.values():
        if name not in wavs[folder]:
            raise UserError(places[folder], f"no line for {name!r}", f"those of {folder}")
    write_table(args.out, {utt: wavs[folder][name] for utt, (folder, name) in prompts.items()})
    print(f"{args.out}: prompts of {len(prompts)} utterances")
