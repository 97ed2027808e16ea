"""Upload a pack's files and its model card to the Hugging Face hub."""

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pack", type=Path, help="archive of a packed model")
    parser.add_argument("repo", help="owner/name")
    parser.add_argument("--private", action="store_true", help="a new repository is private")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.inference import pack_hub

    print(pack_hub.upload(args.pack, args.repo, args.private))
