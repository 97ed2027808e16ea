"""Download a model, and print where its files are."""

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="owner/name, owner/name@revision, or a URL of an archive")
    parser.add_argument(
        "--cache_dir", type=Path, help="where downloads are kept; default: the hub's own cache"
    )
    parser.add_argument("--offline", action="store_true", help="what was downloaded before alone")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.inference import pack_hub

    print(pack_hub.locate(args.model, args.offline, args.cache_dir))
