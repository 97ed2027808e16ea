"""Fréchet audio distance of each row of systems.tsv to the recordings, with the embedder named."""

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--table", type=Path, required=True, help="systems.tsv that was scored")
    add("--judges_dir", type=Path, required=True, help="whose attribute judge embeds")
    add("--against", default="ground_truth", help="row of the recordings")
    add("--kind", default="song", help="of the utterances that count: song, speech or dialogue")
    add("--f0_extractor", default="swift", help="as the judges were fitted with")
    add("--out", type=Path, required=True, help="JSON to write")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.audio.wav import read_wav
    from espnet2_ext.errors import UserError
    from espnet2_ext.evaluation.frechet import distance, moments_by_song
    from espnet2_ext.evaluation.page import read_rows
    from espnet2_ext.evaluation.songs import read_songs
    from espnet2_ext.files import read_table, write_json
    from espnet2_ext.judges.attributes import AttributeJudge, listen, read_attributes
    from espnet2_ext.judges.f0 import EXTRACTORS

    judge, extractor = AttributeJudge.load(args.judges_dir), EXTRACTORS[args.f0_extractor]
    found = {}
    for row in read_rows(args.table):
        described, songs = read_attributes(row["ref_dir"]), read_songs(row["ref_dir"])
        wavs = read_table(row["wav_scp"])
        utts = [utt for utt in wavs if described.get(utt, {}).get("kind") == args.kind]
        found[row["system"], row["split"]] = moments_by_song(
            (read_wav(wavs[utt]) for utt in utts),
            [songs.get(utt, utt) for utt in utts],
            lambda wav, fs: judge.embed(listen(wav, fs, extractor)),
        )
    rows = []
    for (system, split), moments in found.items():
        if (args.against, split) not in found:
            raise UserError(args.table, f"no row {args.against!r} of {split}", "the recordings")
        if system == args.against or not moments:
            continue
        fad = distance(moments, found[args.against, split])
        rows.append({"system": system, "split": split, "n_songs": len(moments), **fad.to_json()})
        print(f"{system} {split}: FAD {fad.text()}", flush=True)
    embedder = "trunk of the attribute judge of this run, averaged over seconds"
    write_json(args.out, {"embedder": embedder, "kind": args.kind, "rows": rows})
