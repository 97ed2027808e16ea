"""Whether a pack of described sound follows a description that says the opposite."""

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", required=True, help="pack of `pack_described`")
    add("--data_dir", type=Path, required=True, help="utterances with attributes.jsonl")
    add("--judges_dir", type=Path, required=True, help="of `fit judges`")
    add("--utts", type=int, default=20, help="at most so many of each kind, drawn")
    add("--f0_extractor", default="swift", help="as the judges were fitted with")
    add("--out", type=Path, required=True, help="JSON to write")


def run(args: argparse.Namespace) -> None:
    import random

    import numpy as np

    from espnet2_ext.corpora.mini_song.descriptions import describe
    from espnet2_ext.evaluation.contradiction import contradictions
    from espnet2_ext.files import read_table, write_json
    from espnet2_ext.inference.described_synthesizer import DescribedSynthesizer
    from espnet2_ext.judges.attributes import AttributeJudge, read_attributes
    from espnet2_ext.judges.f0 import EXTRACTORS
    from espnet2_ext.score.formats.espnet_format import read_scores

    described, scores = read_attributes(args.data_dir), read_scores(args.data_dir)
    texts = read_table(args.data_dir / "text")
    model = DescribedSynthesizer.from_pretrained(args.model)
    judge = AttributeJudge.load(args.judges_dir)

    def generate(utt, attributes):
        sentence = describe(attributes, "test", np.random.default_rng(0))[0]["text"]
        spoken = attributes["kind"] != "song"
        words = texts[utt].split() if spoken else ()
        return model.perform(scores[utt], sentence, words, spoken)

    found = {}
    for kind in ("song", "speech"):
        utts = [u for u, a in described.items() if a["kind"] == kind and "gender" in a]
        some = sorted(random.Random(0).sample(utts, min(args.utts, len(utts))))
        chosen = [(utt, described[utt]) for utt in some]
        if chosen:
            f0 = EXTRACTORS[args.f0_extractor]
            found[kind] = contradictions(chosen, generate, judge, f0)
            shares = {k: round(v, 3) for k, v in found[kind].items() if k != "utts"}
            print(kind, shares, flush=True)
    write_json(args.out, found)
