"""Make a listening test from decode folders, and analyse what its listeners saved.

``listening_test DIR... -o page/`` writes static pages; ``listening_test analyse RESULTS... --key
key.json`` reads the files that listeners sent back (``analyse --help`` has its options).
"""

import argparse
import sys
from pathlib import Path

from espnet2_ext.errors import UserError, cli
from espnet2_ext.lock import hold_to_the_end

ANALYSE = ("analyse", "analyze")
EPILOG = """examples:
  listening_test lm=exp/a codec=exp/b -o page --reference dump/raw/test --kinds mos mushra
  listening_test analyse sent/*.json --key key.json -o analysis     (see: analyse --help)

Give page/ to the listeners: as a folder or on any web server; nothing else is needed. Keep key.json
to yourself. Listeners named 1, 2, 3... (index.html?listener=1) fill the Latin squares evenly.
"""


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "systems",
        nargs="+",
        metavar="DIR",
        help="folder with wav.scp or wav/, or an scp; NAME=DIR gives it a name",
    )
    parser.add_argument("-o", "--out_dir", type=Path, required=True, help="the page's folder")
    parser.add_argument("--key", type=Path, help="who is who; default: key.json beside the page")
    parser.add_argument(
        "--kinds",
        nargs="+",
        default=["mos"],
        metavar="KIND",
        help="mos, ab, abx, mushra: one section each, in this order",
    )
    parser.add_argument("--reference", type=Path, help="recordings, for mushra")
    parser.add_argument("--num_utts", type=int, default=10, help="of each split; 0: all")
    parser.add_argument(
        "--splits",
        nargs="+",
        default=[],
        metavar="NAME=FILE",
        help="utterances to draw from: a list, a wav.scp or a data directory",
    )
    parser.add_argument(
        "--parts", type=int, default=1, help="divide the utterances; a listener hears one part"
    )
    parser.add_argument("--pairs", nargs="+", default=[], metavar="A,B", help="of ab, abx; or all")
    parser.add_argument(
        "--order",
        choices=("latin", "random"),
        default="latin",
        help="balanced over listeners, or shuffled for each",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="mos: each listener hears an utterance by one system alone",
    )
    parser.add_argument("--catch", type=int, default=0, help="attention trials in each section")
    parser.add_argument("--mid_anchor", action="store_true", help="mushra: a 7 kHz anchor too")
    parser.add_argument(
        "--no_preference", action=argparse.BooleanOptionalAction, default=True, help="ab: offer it"
    )
    parser.add_argument("--headphones_check", action="store_true", help="six trials with tones")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lang", choices=("en", "zh", "ja"), default="en", help="of the page")
    parser.add_argument("--title", default="", help="it must not name a system")
    parser.add_argument("--question", default="", help="mos: what is rated")
    parser.add_argument("--instructions", type=Path, help="text instead of the welcoming words")
    parser.add_argument("--loudness", type=float, default=-23.0, help="LUFS of every sample")
    parser.add_argument("--fs", type=int, default=0, help="Hz; default: the highest rate given")
    return parser


def get_analysis_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="listening_test analyse", description="Analyse the results of a listening test."
    )
    parser.add_argument(
        "results", nargs="+", type=Path, help="files that listeners saved, or folders"
    )
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument(
        "-o",
        "--out_dir",
        type=Path,
        default=Path("analysis"),
        help="for analysis.md, analysis.json, analysis.png",
    )
    parser.add_argument("--keep_partial", action="store_true", help="take unfinished results too")
    parser.add_argument("--no_screening", action="store_true", help="keep every listener")
    parser.add_argument("--n_bootstrap", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    return parser


def analyse(argv: list[str]) -> None:
    args = get_analysis_parser().parse_args(argv)
    if args.n_bootstrap < 100:
        raise UserError("--n_bootstrap", str(args.n_bootstrap), "100 or more")
    from espnet2_ext.files import write_json, write_text
    from espnet2_ext.listening.analysis import analyse_test
    from espnet2_ext.listening.answers import read_all, read_key
    from espnet2_ext.listening.summary import draw, markdown

    key = read_key(args.key)
    listeners, rejected = read_all(args.results, key, args.keep_partial)
    analysis = analyse_test(
        key, listeners, rejected, not args.no_screening, args.n_bootstrap, args.seed
    )
    text = markdown(analysis)
    write_json(args.out_dir / "analysis.json", analysis)
    write_text(args.out_dir / "analysis.md", text)
    draw(analysis, args.out_dir / "analysis.png")
    print(text, end="")


@cli
def main(argv: list[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] and argv[0] in ANALYSE:
        analyse(argv[1:])
        return
    options = vars(get_parser().parse_args(argv))
    from espnet2_ext.listening.page import TestConfig, make_test

    out = Path(options["out_dir"])
    hold_to_the_end(out.parent, f".{out.name}.lock")
    made = make_test(TestConfig(**options))
    for kind, n in made.trials.items():
        print(f"{kind}: {n} trials for each listener")
    print(f"sound, each sample once: {made.minutes:.1f} minutes")
    lowered = f", lowered so that {made.lowered_by} does not clip" if made.lowered_by else ""
    print(f"loudness: {made.target:.1f} LUFS{lowered}")
    print(f"page: {made.page} (give away its folder; test {made.test})")
    print(f"key: {made.key} (keep it to yourself)")


if __name__ == "__main__":
    main()
