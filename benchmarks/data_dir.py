"""How long the preparation of a large data directory takes, audio apart (stages 1-3, and prompts).

``python benchmarks/data_dir.py --utts 100000``. The directory is made in a temporary folder: every
utterance has a score of its own and a hard link to one of a few sung tones. The peer is the plain
approach, as Kaldi's scripts have it: read each table's lines once, keep those of wanted ids, write.
It checks nothing, so validation's peer is bare reading of the same files.
"""

import argparse
import itertools
import resource
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import soundfile
from sung_tones import bare_reading, make_data_dir
from timing import Row, add_arguments, compare, finish, start

from espnet2_ext.data import data_dir
from espnet2_ext.files import read_table, write_table
from espnet2_ext.lint import lint_data_dir
from espnet2_ext.tokenizer.prompts import draw_prompts

N_PARTS = 16
MIN_SEC, MAX_SEC = 0.5, 30.0


class Plain:
    """Lines of every table, by id."""

    def __init__(self, path: Path) -> None:
        self.lines = {}
        for file in sorted(path.iterdir()):
            with open(file, encoding="utf-8") as lines:
                self.lines[file.name] = {line.split(None, 1)[0]: line for line in lines}

    def write(self, path: Path, wanted: Collection[str]) -> None:
        """The lines of `wanted` ids, sorted."""
        path.mkdir(parents=True, exist_ok=True)
        for name, lines in self.lines.items():
            with open(path / name, "w", encoding="utf-8") as file:
                file.writelines(lines[utt] for utt in sorted(lines) if utt in wanted)

    def wavs(self) -> dict[str, str]:
        """Files by utterance."""
        return {utt: line.split()[1] for utt, line in self.lines["wav.scp"].items()}


def plain_fix(data: Path, out: Path) -> None:
    """Keep what every table has and whose file is there."""
    plain = Plain(data)
    everywhere = set.intersection(*(set(lines) for lines in plain.lines.values()))
    plain.write(out, {u for u, w in plain.wavs().items() if u in everywhere and Path(w).is_file()})


def plain_filter(data: Path, out: Path) -> None:
    """Keep utterances by the length that their header states."""
    plain = Plain(data)
    kept = set()
    for utt, wav in plain.wavs().items():
        info = soundfile.info(wav)
        if MIN_SEC <= info.frames / info.samplerate <= MAX_SEC:
            kept.add(utt)
    plain.write(out, kept)


def plain_split(data: Path, out: Path) -> None:
    """Parts of equal size."""
    plain = Plain(data)
    utts = sorted(plain.wavs())
    bounds = [len(utts) * i // N_PARTS for i in range(N_PARTS + 1)]
    for part, (first, last) in enumerate(itertools.pairwise(bounds)):
        plain.write(out / str(part), set(utts[first:last]))


def plain_combine(parts: list[Path], out: Path) -> None:
    """All lines of all parts, sorted."""
    joint = Plain(parts[0])
    for part in parts[1:]:
        for name, lines in Plain(part).lines.items():
            joint.lines[name].update(lines)
    joint.write(out, joint.wavs())


def rows(n_utts: int, repeats: int, folder: Path) -> Iterator[Row]:
    """Every step of the preparation, on a directory of `n_utts`, then their sum."""
    data = make_data_dir(folder, n_utts)
    half = folder / "half"
    utts = sorted(Plain(data).wavs())[::2]
    ours, plain = folder / "ours", folder / "plain"
    parts = [ours / "split" / str(part) for part in range(N_PARTS)]
    plain_parts = [plain / "split" / str(part) for part in range(N_PARTS)]
    tokens = folder / "tokens"
    speakers = data_dir.DataDir.read(data).tables["utt2spk"]
    write_table(tokens / "utt2spk", speakers)
    write_table(tokens / "utt2phrase", {utt: f"{n}" for n, utt in enumerate(speakers)})
    phrases = read_table(tokens / "utt2phrase")
    write_table(tokens / "codec_ssl.scp", {utt: f"codec.ark:{n}" for n, utt in enumerate(speakers)})

    def validate() -> None:
        findings = lint_data_dir(data, level="header", max_long_sec=None)
        if findings:
            raise RuntimeError(f"{findings[0]}")

    steps: list[tuple[str, Callable[[], object], Callable[[], object] | None]] = [
        ("validate", validate, lambda: bare_reading(data, "header")),
        ("fix", lambda: data_dir.fix(data, ours / "fix"), lambda: plain_fix(data, plain / "fix")),
        ("filter by length",
         lambda: data_dir.filter_by_length(data, ours / "filter", MIN_SEC, MAX_SEC),
         lambda: plain_filter(data, plain / "filter")),
        ("subset of half", lambda: data_dir.subset(data, half, utts=utts),
         lambda: Plain(data).write(plain / "half", set(utts))),
        (f"split into {N_PARTS}", lambda: data_dir.split(data, parts),
         lambda: plain_split(data, plain / "split")),
        (f"combine {N_PARTS}", lambda: data_dir.combine(parts, ours / "combined"),
         lambda: plain_combine(plain_parts, plain / "combined")),
        ("draw prompts", lambda: draw_prompts(speakers, phrases, [tokens], 0), None),
    ]  # fmt: skip
    done = []
    for name, step, peer in steps:
        note = f"{n_utts} utterances"
        if name == "validate":
            note += "; peer: bare reading of tables, scores, headers"
        elif peer is not None:
            note += "; peer: plain filtering of lines"
        row = compare(name, step, peer, repeats=repeats, warmup=0, note=note)
        done.append(row)
        yield row
    total, plain_total = sum(r.ours for r in done), sum(r.peer or 0.0 for r in done)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    note = f"{n_utts} utterances; 100,000 have ten minutes; peak of this process {peak:.0f} MiB"
    yield Row("all", total, plain_total, plain_total / total, "s", note)


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--utts", type=int, default=100_000, help="size of the directory")
    parser.add_argument("--dir", type=Path, help="where the temporary folder goes")
    add_arguments(parser)
    parser.set_defaults(repeats=1)
    return parser


def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    start(args)
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        finish(rows(args.utts, args.repeats, Path(folder)), args)


if __name__ == "__main__":
    sys.exit(main())
