"""In whose voice are singers sung that no model was trained on? Rank among these singers alone.

    python benchmarks/unseen_singers.py --table exp/scores/systems.tsv --split test_singer \\
        --judges exp/judges --speech dump/raw/speech --out unseen_singers.json

The column "singer acc" of the result tables ranks all singers of the corpus, of whom most are
known to the models. Here a singer is one of those of the split: a wav counts where the mean
embedding of its own singer's recordings, without the one of the same phrase, is the nearest.
Embeddings are those of the recipe's judge; intervals are over songs.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.bin.score import read_hypotheses, read_rows
from espnet2_ext.errors import UserError, cli
from espnet2_ext.evaluation.bootstrap import Interval, bootstrap
from espnet2_ext.evaluation.rendered import NO_WAVS
from espnet2_ext.evaluation.songs import read_songs
from espnet2_ext.files import read_table, write_json
from espnet2_ext.judges.singer_embedder import ConvSingerEmbedder
from espnet2_ext.judges.store import embed_folder
from espnet2_ext.metrics.similarity import SingerCentroids
from espnet2_ext.one_thread import one_thread


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--table", required=True, help="exp/scores/systems.tsv of the recipe")
    parser.add_argument("--split", default="test_singer", help="whose singers are ranked")
    parser.add_argument("--judges", required=True, help="exp/judges of the recipe")
    parser.add_argument("--speech", help="more recordings of the singers: dump/raw/speech")
    parser.add_argument("--out", type=Path, help="JSON file")
    return parser


def by_song(measured: list[np.ndarray], column: int) -> Interval:
    """Mean of a column of all rows, songs (n, 2) being drawn whole."""
    return bootstrap(
        len(measured),
        lambda drawn: float(np.concatenate([measured[song][:, column] for song in drawn]).mean()),
    )


@cli
@one_thread()
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    place = "unseen_singers"
    rows = [r for r in read_rows(args.table, place) if r.split == args.split and r.wavs != NO_WAVS]
    if not rows:
        raise UserError(args.table, f"no rows of {args.split!r}", "a split of the table", "--split")
    folder = rows[0].ref_dir
    embedder = ConvSingerEmbedder.load(args.judges)
    embeddings, singers = embed_folder(embedder, folder)
    names = set(singers.values())
    if len(names) < 2:
        raise UserError(folder, f"{len(names)} singer", "at least 2", "utt2spk")
    if args.speech:
        spoken, speakers = embed_folder(embedder, args.speech)
        known = {utt: name for utt, name in speakers.items() if name in names}
        embeddings |= {utt: spoken[utt] for utt in known}
        singers = {**known, **singers}
    centroids, songs = SingerCentroids(embeddings, singers), read_songs(folder)
    wavs, results = read_table(folder / "wav.scp"), []
    for row in rows:
        of_song: dict[str, list[tuple[float, float]]] = {}
        for utt, path in read_hypotheses(row.wavs, wavs, row.ref_dir).items():
            found = centroids.compare(embedder.embed(*read_wav(path)), singers[utt], utt)
            of_song.setdefault(songs.get(utt, utt), []).append((found.first, found.cosine))
        measured = [np.array(pairs, float) for pairs in of_song.values()]
        results.append({
            "system": row.system, "split": row.split, "n_utt": sum(map(len, measured)),
            "n_song": len(measured), "n_singers": len(names),
            "unseen_acc": by_song(measured, 0).to_json(), "cosine": by_song(measured, 1).to_json(),
        })  # fmt: skip
    print(json.dumps(results, indent=1))
    if args.out:
        write_json(args.out, results)


if __name__ == "__main__":
    main()
