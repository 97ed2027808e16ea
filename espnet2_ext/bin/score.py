"""Score systems' wavs against the real recordings; resumes where it stopped.

One system on one split by options, or many by ``--table``: tab-separated lines with the columns
system, split, ref_dir, wav_scp, timing, f0_source, where the judges are loaded only once.
"""

import argparse
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from espnet2_ext.errors import UserError, cli
from espnet2_ext.evaluation.measures import MEASURES, METRICS
from espnet2_ext.evaluation.rendered import NO_WAVS
from espnet2_ext.evaluation.rendition import Judges, Task, digest_of
from espnet2_ext.evaluation.scoring import ScoringConfig, score_all, world_subset
from espnet2_ext.evaluation.songs import UTT2SONG, read_songs, with_songs
from espnet2_ext.evaluation.table import summarize
from espnet2_ext.files import read_table, read_text, write_json, write_table
from espnet2_ext.ids import check_id
from espnet2_ext.judges.attributes import NAME as ATTRIBUTE_JUDGE
from espnet2_ext.judges.attributes import AttributeJudge, read_attributes
from espnet2_ext.judges.data import require
from espnet2_ext.judges.f0 import EXTRACTORS
from espnet2_ext.judges.learned import load_learned
from espnet2_ext.judges.melody import NAME as MELODY_JUDGE
from espnet2_ext.judges.melody import MelodyJudge
from espnet2_ext.judges.phone_recognizer import CtcPhoneRecognizer, HfPhoneRecognizer
from espnet2_ext.judges.quality import read_quality, require_qualified
from espnet2_ext.judges.singer_embedder import ConvSingerEmbedder
from espnet2_ext.judges.store import load_centroids
from espnet2_ext.lock import hold_to_the_end
from espnet2_ext.metrics.mos import MODELS, load_mos
from espnet2_ext.metrics.speaker import load_speaker_model
from espnet2_ext.one_thread import one_thread
from espnet2_ext.score.formats.espnet_format import read_scores

COLUMNS = ("system", "split", "ref_dir", "wav_scp", "timing", "f0_source")
TIMINGS = ("label", "model")
EXTRAS = ("f0_dtw", "lsd")
"""Settings of `ScoringConfig` that an option overrides."""


@dataclass(frozen=True)
class Row:
    """A system on a split: where its wavs (scp, or a folder of UTT.wav) and references are."""

    system: str
    split: str
    ref_dir: Path
    wavs: Path
    out_dir: Path
    timing: str
    f0_source: str


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", help="row of the table")
    parser.add_argument("--split")
    parser.add_argument("--ref_dir", help="data directory of the real recordings")
    parser.add_argument("--wav_scp", help="the system's wavs")
    parser.add_argument("--wav_dir", help="the same as a folder of UTT.wav")
    parser.add_argument("--timing", default="label", choices=TIMINGS, help="of the phones")
    parser.add_argument("--f0_source", default="", help="where the vocoder's F0 came from")
    parser.add_argument("--out_dir", help="e.g. exp/scores/SYSTEM/SPLIT")
    parser.add_argument("--table", help="many systems and splits instead of the options above")
    parser.add_argument("--scores_dir", help="with --table: SYSTEM/SPLIT goes here")
    parser.add_argument("--judges_dir", required=True, help="written by bin.fit judges")
    parser.add_argument("--config", help="conf/scoring.yaml")
    parser.add_argument("--cache_dir", help="features of references (default: in --judges_dir)")
    parser.add_argument("--nj", type=int, default=1, help="processes")
    parser.add_argument("--world_utts", type=int, help="utterances with WORLD metrics; overrides")
    for extra in EXTRAS:
        parser.add_argument(f"--{extra}", choices=["true", "false"], help="overrides --config's")
    parser.add_argument("--fetch_mos", default="false", choices=["true", "false"])
    return parser


@cli
@one_thread()
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    config = ScoringConfig.load(args.config)
    for extra in EXTRAS:
        if getattr(args, extra) is not None:
            config = replace(config, **{extra: getattr(args, extra) == "true"})
    rows = read_rows(args.table, args.scores_dir) if args.table else [_row(args)]
    hold_to_the_end(args.scores_dir or args.out_dir)
    judges = _load_judges(Path(args.judges_dir), config, args.fetch_mos == "true")
    for row in rows:
        _score(row, judges, config, args)


def read_rows(table: str, scores_dir: str | None) -> list[Row]:
    """Read ``--table``; raises `UserError` naming the line that is wrong."""
    if not scores_dir:
        raise UserError(table, "no --scores_dir", "the folder for SYSTEM/SPLIT")
    header, *lines = read_text(table).rstrip("\n").split("\n")
    if tuple(header.split("\t")) != COLUMNS:
        raise UserError(f"{table}:1", repr(header), "columns " + " ".join(COLUMNS))
    rows = []
    for number, line in enumerate(lines, 2):
        cells = line.split("\t")
        if len(cells) != len(COLUMNS) or not all(cells[:4]):
            raise UserError(f"{table}:{number}", f"{len(cells)} cells", f"{len(COLUMNS)}")
        system, split, ref_dir, wavs, timing, f0_source = cells
        if timing not in TIMINGS:
            raise UserError(f"{table}:{number}", repr(timing), " or ".join(TIMINGS), "timing")
        for name, field in ((system, "system"), (split, "split")):
            check_id(name, f"{table}:{number}", field)
        out_dir = Path(scores_dir) / system / split
        rows.append(Row(system, split, Path(ref_dir), Path(wavs), out_dir, timing, f0_source))
    return rows


def _row(args: argparse.Namespace) -> Row:
    wavs = args.wav_scp or args.wav_dir
    for name in ("system", "split", "ref_dir", "out_dir"):
        if not getattr(args, name):
            raise UserError("command line", f"no --{name}", "it, or --table")
    if not wavs:
        raise UserError("command line", "no wavs", "--wav_scp or --wav_dir")
    return Row(args.system, args.split, Path(args.ref_dir), Path(wavs), Path(args.out_dir),
               args.timing, args.f0_source)  # fmt: skip


def _score(row: Row, judges: Judges, config: ScoringConfig, args: argparse.Namespace) -> None:
    refs, singers = read_table(row.ref_dir / "wav.scp"), read_table(row.ref_dir / "utt2spk")
    scores = read_scores(row.ref_dir)
    attributes = read_attributes(row.ref_dir)
    hyps = read_hypotheses(row.wavs, refs, row.ref_dir)
    limit = config.world_limit(row.split) if args.world_utts is None else args.world_utts
    # Drawn from the references, so that every system of a split is measured on the same ones.
    with_world = world_subset(refs, limit, config.seed)
    tasks = []
    for utt, wav in hyps.items():
        singer = require(singers, utt, row.ref_dir / "utt2spk")
        if singer not in judges.centroids.singers:
            raise UserError(
                args.judges_dir, f"no recording of {singer!r}",
                "the singer's real audio in --centroid_dirs of bin.fit judges", utt,
            )  # fmt: skip
        if utt not in scores:
            raise UserError(row.ref_dir / "score.scp", f"no line for {utt!r}", "each id of wav.scp")
        world, about = utt in with_world, attributes.get(utt, {})
        tasks.append(Task(utt, wav, refs[utt], scores[utt], singer, world, about))
    cache_dir = Path(args.cache_dir or Path(args.judges_dir) / "cache")
    logging.info("%s on %s", row.system, row.split)
    utts = score_all(tasks, judges, row.out_dir / "utts", cache_dir, args.nj, config.f0_dtw,
                     config.espnet_svs, config.lsd)  # fmt: skip
    songs = read_songs(row.ref_dir)
    if songs:  # tables that are made from the scores alone need them too
        write_table(row.out_dir / UTT2SONG, {utt: songs[utt] for utt in hyps if utt in songs})
    missing = sorted(refs.keys() - hyps.keys())
    if missing:
        logging.warning("%d of %d utterances have no wav: %s ...",
                        len(missing), len(refs), missing[0])  # fmt: skip
    facts = {
        "n_missing": len(missing),
        "timing": row.timing,
        "f0_source": row.f0_source,
        "not_measured": not_measured(judges, row.wavs != NO_WAVS),
    }
    summary = summarize(row.system, row.split, with_songs(utts, songs), facts)
    write_json(row.out_dir / "summary.json", summary)
    print(f"{row.system} {row.split}: {summary['n_utt']} utterances, "
          f"{summary['n_utt_world']} with WORLD")  # fmt: skip
    for metric in METRICS:
        value = summary["metrics"][metric.name]
        shown = "n/a" if value is None else f"{value:.{metric.digits}f}"
        print(f"  {metric.name:14s} {shown:>8s}   {metric.head}", flush=True)


def read_hypotheses(wavs: Path, refs: dict[str, str], ref_dir: Path) -> Mapping[str, str | None]:
    """Utterance to wav, from an scp or a folder; raises `UserError` for one without reference.

    None for all of a row without audio (`NO_WAVS`).
    """
    if wavs == NO_WAVS:
        return dict.fromkeys(refs)
    if wavs.is_dir():
        hyps = {path.stem: str(path) for path in sorted(wavs.glob("*.wav"))}
    else:
        hyps = read_table(wavs)
    if not hyps:
        raise UserError(wavs, "no wavs", "one for each utterance")
    for utt in hyps:
        if utt not in refs:
            raise UserError(wavs, f"unknown utterance {utt!r}", f"an id of {ref_dir}")
    return hyps


def not_measured(judges: Judges, sounds: bool = True) -> dict[str, str]:
    """Why a column that was asked for is empty, of a row with audio or of one that is F0 alone."""
    if not sounds:
        of_audio = [m.name for measure in MEASURES if not (measure.of_f0 or measure.extra)
                    for m in measure.metrics]  # fmt: skip
        return dict.fromkeys(of_audio, "the written note as F0 has no audio")
    return {metric: model.reason for metric, model in judges.learned.items() if model.reason}


def _load_judges(folder: Path, config: ScoringConfig, fetch_mos: bool) -> Judges:
    require_qualified(read_quality(folder), config.f0_extractor, folder)
    if config.phone_recognizer == "ctc":
        recognizer = CtcPhoneRecognizer.load(folder)
    else:
        recognizer = HfPhoneRecognizer(config.phone_recognizer, dict(config.rename_phones))
    learned = load_learned(config.judges, fetch_mos)
    speakers = {}
    if config.speaker_model:
        speakers["spk_sim"] = load_speaker_model(config.speaker_model, fetch_mos)
    there = {
        name for name in (ATTRIBUTE_JUDGE, MELODY_JUDGE) if (folder / f"{name}.yaml").is_file()
    }
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("singers.json")])
    return Judges(
        f0=EXTRACTORS[config.f0_extractor],
        recognizer=recognizer,
        embedder=ConvSingerEmbedder.load(folder),
        centroids=load_centroids(folder),
        mos={name: load_mos(name, fetch_mos) for name in MODELS} | learned.mos,
        fingerprint=json.dumps(
            [config.f0_extractor, config.phone_recognizer, dict(config.rename_phones),
             [digest_of(path) for path in files]]
        ),
        speakers=speakers | learned.speakers,
        words=learned.words,
        attributes=AttributeJudge.load(folder) if ATTRIBUTE_JUDGE in there else None,
        melody=MelodyJudge.load(folder) if MELODY_JUDGE in there else None,
    )  # fmt: skip


if __name__ == "__main__":
    main()
