"""Scores of a data directory on the clock of a mel-VAE's latents, as score_frames.scp.

Where the directory has attributes.jsonl, what is said and not sung gets no notes.
"""

import argparse
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.lock import hold_to_the_end


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--data_dir", type=Path, required=True, help="label, score.scp, text")
    add("--latents_dir", type=Path, required=True, help="of `infer latents`: clock and lengths")
    add(
        "--output_dir",
        type=Path,
        required=True,
        help="where the arrays and their table are written",
    )


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.data.described import read_described
    from espnet2_ext.data.latent_scores import latent_score
    from espnet2_ext.files import ArkWriter, read_counts, read_json, read_table
    from espnet2_ext.inference.mel_vae_steps import LATENTS_FILE
    from espnet2_ext.score.formats.espnet_format import read_scores

    hold_to_the_end(args.output_dir)
    fps = read_json(args.latents_dir / LATENTS_FILE)["frames_per_sec"]
    lengths = read_counts(args.latents_dir / "utt2num_frames")
    texts, kinds = read_table(args.data_dir / "text"), {}
    for utt, item in read_described(args.data_dir).items():
        kinds[utt] = item.attributes.get("kind", "song")
    with ArkWriter(args.output_dir, "score_frames") as ark:
        for utt, score in read_scores(args.data_dir).items():
            if utt not in lengths:
                raise UserError(args.latents_dir / "utt2num_frames", f"no {utt}", "every utterance")
            spoken = kinds.get(utt, "song") != "song"
            try:
                frames = latent_score(score, fps, lengths[utt], texts[utt].split(), spoken)
            except ValueError as error:
                raise UserError(f"{args.data_dir}: {utt}", str(error)) from None
            ark[utt] = frames.reshape(-1)
