"""Make the embedded synthetic singing corpus."""

import argparse
import logging
import time

from espnet2_ext.errors import UserError, cli


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="corpus directory, new or to be continued")
    parser.add_argument("--minutes", type=float, default=50, help="singing in all splits (min)")
    parser.add_argument(
        "--speech_minutes", type=float, help="speech (min); 0: none (10; none of a voicebank)"
    )  # fmt: skip
    parser.add_argument(
        "--cast", default="few",
        help="few: eight singers, one held out, who differ little; many: 40 with voices and habits "
        "of their own, 8 held out, and more songs in dev, test and test_singer",
    )  # fmt: skip
    parser.add_argument("--singers", type=int, help="singers (8; 40 of --cast many)")
    parser.add_argument("--unseen", type=int, help="of them held out of training (1; 8)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fs", type=int, default=24000, help="sampling rate (Hz)")
    parser.add_argument(
        "--freedom", type=float, default=1.0,
        help="how far takes of a score differ: factor on what each draws of timing, pitch, "
        "vibrato, loudness, voice quality",
    )  # fmt: skip
    parser.add_argument("--takes", type=int, default=1, help="takes of each phrase of test")
    parser.add_argument(
        "--languages",
        help="of the lyrics, with commas: zh (in Opencpop's layout), en, or zh,en, sung by all",
    )  # fmt: skip
    parser.add_argument(
        "--source", nargs="+", default=["espeak"], metavar=("SOURCE", "DIR"),
        help="espeak, or voicebank DIR: the voice of a UTAU voicebank (CV or VCV, Japanese), "
        "whose terms become the corpus'",
    )  # fmt: skip
    parser.add_argument("--nj", type=int, default=2, help="processes; the corpus does not depend")
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = vars(get_parser().parse_args(argv))
    out, nj = args.pop("out"), args.pop("nj")
    from espnet2_ext.corpora.mini.config import CorpusConfig
    from espnet2_ext.corpora.mini_singing import make_corpus

    source, *folders = args.pop("source")
    if (source, len(folders)) not in (("espeak", 0), ("voicebank", 1)):
        found = " ".join([source, *folders])
        raise UserError("--source", found, "espeak, or voicebank and its folder")
    if nj < 1:
        raise UserError("--nj", str(nj), "1 or more")
    try:
        config = CorpusConfig(**args, voicebank=next(iter(folders), None))
    except ValueError as error:
        raise UserError("options", str(error)) from None
    start = time.monotonic()
    if make_corpus(out, config, nj):
        logging.info("%s: made in %.0f s", out, time.monotonic() - start)
    else:
        logging.info("%s: complete already, nothing to do", out)


if __name__ == "__main__":
    main()
