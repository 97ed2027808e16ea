"""Score a system's wavs of one split against the real recordings; resumes where it stopped."""

import argparse
import json
import logging
from pathlib import Path

import torch

from espnet2_ext.errors import UserError, cli
from espnet2_ext.files import read_table, write_json
from espnet2_ext.judges.data import require
from espnet2_ext.judges.f0 import EXTRACTORS
from espnet2_ext.judges.phone_recognizer import CtcPhoneRecognizer, HfPhoneRecognizer
from espnet2_ext.judges.singer_embedder import ConvSingerEmbedder
from espnet2_ext.judges.store import load_centroids, read_quality, require_qualified
from espnet2_ext.metrics.mos import MODELS, load_mos
from espnet2_ext.metrics.scoring import (
    Judges,
    ScoringConfig,
    Task,
    digest_of,
    score_all,
    world_subset,
)
from espnet2_ext.metrics.table import METRICS, summarize
from espnet2_ext.score.espnet_format import read_scores


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", required=True, help="row of the table")
    parser.add_argument("--split", required=True)
    parser.add_argument("--ref_dir", required=True, help="data directory of the real recordings")
    wavs = parser.add_mutually_exclusive_group(required=True)
    wavs.add_argument("--wav_scp", help="the system's wavs")
    wavs.add_argument("--wav_dir", help="the system's wavs, named UTT.wav")
    parser.add_argument("--judges_dir", required=True, help="written by bin.fit_judges")
    parser.add_argument("--out_dir", required=True, help="e.g. exp/scores/SYSTEM/SPLIT")
    parser.add_argument("--config", help="conf/scoring.yaml")
    parser.add_argument("--cache_dir", help="features of references (default: in --judges_dir)")
    parser.add_argument("--nj", type=int, default=1, help="processes")
    parser.add_argument("--world_utts", type=int, help="utterances with WORLD metrics; overrides")
    parser.add_argument("--timing", default="label", choices=["label", "model"])
    parser.add_argument("--f0_source", default="", help="where the vocoder's F0 came from")
    parser.add_argument("--fetch_mos", default="false", choices=["true", "false"])
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    torch.set_num_threads(1)
    config = ScoringConfig.load(args.config)
    ref_dir = Path(args.ref_dir)
    refs, singers = read_table(ref_dir / "wav.scp"), read_table(ref_dir / "utt2spk")
    scores = read_scores(ref_dir)
    hyps = _hypotheses(args, refs)
    limit = config.world_limit(args.split) if args.world_utts is None else args.world_utts
    # Drawn from the references, so that every system of a split is measured on the same ones.
    with_world = world_subset(refs, limit, config.seed)
    judges = _load_judges(Path(args.judges_dir), config, args.fetch_mos == "true")
    tasks = []
    for utt, wav in hyps.items():
        singer = require(singers, utt, ref_dir / "utt2spk")
        if singer not in judges.centroids.singers:
            raise UserError(
                args.judges_dir, f"no recording of {singer!r}",
                "the singer's real audio in --centroid_dirs of bin.fit_judges", utt,
            )  # fmt: skip
        if utt not in scores:
            raise UserError(ref_dir / "score.scp", f"no line for {utt!r}", "each id of wav.scp")
        tasks.append(Task(utt, wav, refs[utt], scores[utt], singer, utt in with_world))
    out_dir = Path(args.out_dir)
    cache_dir = Path(args.cache_dir or Path(args.judges_dir) / "cache")
    utts = score_all(tasks, judges, out_dir / "utts", cache_dir, args.nj, config.f0_dtw)
    missing = sorted(refs.keys() - hyps.keys())
    if missing:
        logging.warning("%d utterances of %s have no wav: %s ...",
                        len(missing), ref_dir, missing[0])  # fmt: skip
    row = summarize(
        args.system,
        args.split,
        utts,
        {
            "n_missing": len(missing),
            "timing": args.timing,
            "f0_source": args.f0_source,
            "not_measured": {k: m.reason for k, m in judges.mos.items() if m.predict is None},
        },
    )
    write_json(out_dir / "summary.json", row)
    print(f"{args.system} {args.split}: {row['n_utt']} utterances, "
          f"{row['n_utt_world']} with WORLD")  # fmt: skip
    for metric in METRICS:
        value = row["metrics"][metric.name]
        shown = "n/a" if value is None else f"{value:.{metric.digits}f}"
        print(f"  {metric.name:14s} {shown:>8s}   {metric.head}")


def _hypotheses(args: argparse.Namespace, refs: dict[str, str]) -> dict[str, str]:
    if args.wav_scp:
        hyps, place = read_table(args.wav_scp), args.wav_scp
    else:
        place = args.wav_dir
        hyps = {path.stem: str(path) for path in sorted(Path(args.wav_dir).glob("*.wav"))}
    if not hyps:
        raise UserError(place, "no wavs", "one for each utterance")
    for utt in hyps:
        if utt not in refs:
            raise UserError(place, f"unknown utterance {utt!r}", f"an id of {args.ref_dir}")
    return hyps


def _load_judges(folder: Path, config: ScoringConfig, fetch_mos: bool) -> Judges:
    require_qualified(read_quality(folder), config.f0_extractor, folder)
    if config.phone_recognizer == "ctc":
        recognizer = CtcPhoneRecognizer.load(folder)
    else:
        recognizer = HfPhoneRecognizer(config.phone_recognizer, dict(config.rename_phones))
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("singers.json")])
    return Judges(
        f0=EXTRACTORS[config.f0_extractor],
        recognizer=recognizer,
        embedder=ConvSingerEmbedder.load(folder),
        centroids=load_centroids(folder),
        mos={name: load_mos(name, fetch_mos) for name in MODELS},
        fingerprint=json.dumps(
            [config.f0_extractor, config.phone_recognizer, dict(config.rename_phones),
             [digest_of(path) for path in files]]
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
