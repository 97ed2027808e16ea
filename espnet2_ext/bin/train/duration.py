"""Train the phone-duration model on the labels of a data directory.

``python -m espnet2_ext.bin.train duration --config conf/train_duration.yaml --train_dir data/train
--valid_dir data/dev --output_dir exp/duration``; every other option goes to ESPnet's trainer.
"""

import argparse
import logging
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.lock import hold_to_the_end


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--train_dir", type=Path, required=True, help="data directory with labels")
    parser.add_argument("--valid_dir", type=Path, required=True, help="data directory with labels")
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--config", type=Path, help="YAML of ESPnet's training options")
    return parser


def call(argv: list[str]) -> None:
    """With these options, and those of `DurationTask`."""
    args, others = get_parser().parse_known_args(argv)
    if args.config is not None and not args.config.is_file():
        raise UserError(args.config, "no such file", "a YAML of training options")
    from espnet2_ext.duration.data import prepare_notes
    from espnet2_ext.score.formats.phone_set import phones_of

    hold_to_the_end(args.output_dir)
    phones = phones_of(args.train_dir)
    train = prepare_notes(args.train_dir, args.output_dir / "notes" / "train", phones)
    valid = prepare_notes(args.valid_dir, args.output_dir / "notes" / "valid", phones)
    logging.info("%d and %d scores to train and validate", train.n_utterances, valid.n_utterances)
    from espnet2_ext.tasks.duration import DurationTask

    config = ["--config", str(args.config)] if args.config else []
    data = [*train.options("train"), *valid.options("valid")]
    data += ["--phone_list", *phones]
    DurationTask.main(cmd=[*config, *data, "--output_dir", str(args.output_dir), *others])
