"""Scores of a data directory frame by frame, as score_frames.scp: what the models are told to sing.

Also svs_frames.scp, where the tokenizer's svs_lb rounds otherwise.

Of audio that is tokenized this is made in stage 5; here of scores without audio, or with other
phone times than the audio's.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.lock import hold_to_the_end


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data_dir", type=Path, required=True, help="label, score.scp, text")
    parser.add_argument("--tokenizer_dir", type=Path, required=True, help="its phones, frame rate")
    parser.add_argument(
        "--output_dir", type=Path, required=True, help="where the tables are written"
    )


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.files import ArkWriter
    from espnet2_ext.score.formats.espnet_format import read_scores
    from espnet2_ext.score.frames import expand
    from espnet2_ext.tokenizer.dump import SCORE_FRAMES, SVS_FRAMES, score_arks
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    hold_to_the_end(args.output_dir)
    tokenizers = Tokenizers.load(args.tokenizer_dir)
    (args.output_dir / f"{SVS_FRAMES}.scp").unlink(missing_ok=True)  # of another tokenizer
    with ExitStack() as stack:
        arks = {
            name: stack.enter_context(ArkWriter(args.output_dir, name))
            for name in score_arks(tokenizers.svs_lb)
        }
        for utt, score in read_scores(args.data_dir).items():
            try:
                frames = expand(score, tokenizers.phone_ids, tokenizers.mel.fps)
                label = tokenizers.label_frames(score)
            except ValueError as error:
                raise UserError(f"{args.data_dir}: {utt}", str(error)) from None
            arks[SCORE_FRAMES][utt] = frames.stacked().reshape(-1)
            if SVS_FRAMES in arks:
                arks[SVS_FRAMES][utt] = label.stacked().reshape(-1)
