"""Predict the phone times of every score of a data directory, as a new data directory."""

import argparse
import logging
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.lock import hold_to_the_end


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data_dir", type=Path, required=True, help="its label is not used")
    parser.add_argument("--config", type=Path, required=True, help="config.yaml of the experiment")
    parser.add_argument(
        "--checkpoint", type=Path, required=True, help="weights of the duration model"
    )
    parser.add_argument(
        "--inference_config", type=Path, help="YAML with temperature (0: the median) and seed"
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="data directory to write")


def run(args: argparse.Namespace) -> None:
    if args.output_dir.resolve() == args.data_dir.resolve():
        raise UserError(args.output_dir, "the data directory itself", "another directory")
    from espnet2_ext.duration.evaluate import compare
    from espnet2_ext.duration.inference import DurationInference, load_sampling
    from espnet2_ext.files import read_table
    from espnet2_ext.score.formats.espnet_format import Entry, read_scores, write_data_dir

    hold_to_the_end(args.output_dir)
    model = DurationInference.load(args.config, args.checkpoint)
    sampling = load_sampling(args.inference_config)
    labelled = read_scores(args.data_dir)
    wavs, speakers = (read_table(args.data_dir / name) for name in ("wav.scp", "utt2spk"))
    entries = []
    for utt, score in labelled.items():
        for table, name in ((wavs, "wav.scp"), (speakers, "utt2spk")):
            if utt not in table:
                raise UserError(args.data_dir / name, f"no line for {utt!r}", "each id")
        timed = model.generate(score, f"{args.data_dir}: {utt}", sampling)
        entries.append(Entry(utt, wavs[utt], speakers[utt], timed, language=score.language))
    license_file = args.data_dir / "LICENSE.txt"
    license_text = license_file.read_text(encoding="utf-8") if license_file.is_file() else None
    write_data_dir(args.output_dir, entries, license_text)
    error = compare([entry.score for entry in entries], [labelled[e.utt] for e in entries])
    logging.info("%s against the label: %s", args.output_dir, error)
