"""Pack a flow of latents, its mel-VAE and vocoder: what `sing --instruction` and `speak` open."""

import argparse
import logging
from pathlib import Path

from espnet2_ext.bin.pack import about_of, licence_of
from espnet2_ext.errors import UserError, cli
from espnet2_ext.files import read_json, read_table, read_yaml
from espnet2_ext.inference.described_pack import MODELS


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    for model in MODELS:
        add(f"--{model}_dir", type=Path, required=True, help="experiment folder")
        add(f"--{model}_file", default="valid.loss.best.pth", help="checkpoint in it")
    add("--sampling_config", type=Path, help="inference options of the flow")
    add("--pieces", type=Path, required=True, help="SentencePiece model of the instructions")
    add("--latents_json", type=Path, required=True, help="of `infer latents`: the latents' clock")
    add("--data_dir", type=Path, required=True, help="of the training split")
    add("--results", type=Path, help="results.json")
    add("--name", required=True)
    add("--corpus", required=True, help="corpus of origin")
    add("--command", default="", help="command that trained the models")
    add("--out", type=Path, required=True, help=".zip to write")
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    from espnet2_ext.data.described import read_described
    from espnet2_ext.duration.phone_means import PhoneMeans
    from espnet2_ext.inference.described_pack import DescribedSources, write_described_pack
    from espnet2_ext.score.formats.espnet_format import read_scores

    described = read_described(args.data_dir)
    spoken = {utt for utt, item in described.items() if item.attributes["kind"] == "speech"}
    scores = read_scores(args.data_dir)
    try:
        means = PhoneMeans.of(s for utt, s in scores.items() if utt in spoken or not spoken)
    except ValueError as error:
        raise UserError(args.data_dir, str(error)) from None
    sources = DescribedSources(
        models={m: (getattr(args, f"{m}_dir"), getattr(args, f"{m}_file")) for m in MODELS},
        sampling=read_yaml(args.sampling_config) if args.sampling_config else {},
        pieces=args.pieces,
        means=means,
        frames_per_sec=read_json(args.latents_json)["frames_per_sec"],
        licence=licence_of(args.data_dir),
        results=read_json(args.results) if args.results else None,
    )
    languages = sorted(set(read_table(args.data_dir / "utt2lang").values()))
    about = {**about_of(args), "languages": languages}
    out = write_described_pack(sources, args.out, about)
    logging.info("%s: %.1f MB", out, out.stat().st_size / 1e6)


if __name__ == "__main__":
    main()
