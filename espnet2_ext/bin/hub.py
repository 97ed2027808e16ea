"""Share packed models: upload one to the Hugging Face hub, or download one.

``python -m espnet2_ext.bin.hub upload model.zip org/name``;
``python -m espnet2_ext.bin.hub download org/name`` prints where the files are.
"""

import argparse
from pathlib import Path

from espnet2_ext.errors import cli


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    upload = commands.add_parser("upload", help="a pack's files and its model card")
    upload.add_argument("pack", type=Path)
    upload.add_argument("repo", help="owner/name")
    upload.add_argument("--private", action="store_true", help="a new repository is private")
    download = commands.add_parser("download", help="print the local folder of a model")
    download.add_argument("model", help="owner/name, owner/name@revision, or a URL of an archive")
    download.add_argument("--cache_dir", type=Path)
    download.add_argument("--offline", action="store_true", help="what was downloaded before alone")
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    from espnet2_ext.inference import pack_hub

    if args.command == "upload":
        print(pack_hub.upload(args.pack, args.repo, args.private))
    else:
        print(pack_hub.locate(args.model, args.offline, args.cache_dir))


if __name__ == "__main__":
    main()
