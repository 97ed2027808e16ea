"""Decoding against the plain loop: ms per frame of an utterance alone and in a batch of 32.

``python benchmarks/decode.py`` takes the embedded corpus' model with random weights on the CPU,
``--exp DIR`` a trained one, ``--device cuda --size 1.7b`` the paper's on a GPU. The peer is
`plain_decoding.py`: one utterance at a time. Both draw with the same options from the same scores
and prompts; scores are 60 to 100% as long as the longest.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import random_lm
import timing
import torch
from plain_decoding import plain_decode
from timing import Row, compare

from espnet2_ext.speechlm.inference import DecodingConfig, SpeechLMInference

PUBLISHED = DecodingConfig(method="sampling", temperature=0.8, top_k=30)
BATCH = 32


class Work:
    """Scores and prompts for a model, and the two ways to sing them.

    Args:
        lm: The model.
        frames: Of the longest score.
        repeats: Timed runs.
    """

    def __init__(self, lm: SpeechLMInference, frames: int, repeats: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.lm, self.longest, self.repeats = lm, frames, repeats
        lengths = [round(frames * (1 - 0.4 * k / (BATCH - 1))) for k in range(BATCH)]
        self.scores = [random_lm.random_score(n, generator) for n in lengths]
        self.prompts = [random_lm.random_codes(lm.model, frames // 3, generator) for _ in lengths]

    def row(self, name: str, batch: int, config: DecodingConfig, note: str) -> Row:
        """Ours, `batch` utterances together, against the plain loop over one of middle length."""
        config = replace(config, batch_size=batch * config.nbest)
        first = (BATCH - batch) // 2
        scores, prompts = (x[first : first + batch] for x in (self.scores, self.prompts))
        one = self.scores[BATCH // 2], self.prompts[BATCH // 2]

        def ours() -> int:
            sung = self.lm.generate(scores, prompts, config)
            return config.nbest * sum(len(s.tokens) for s in sung)

        def peer() -> int:
            # candidates one after another, each with a prefix of its own
            return sum(len(plain_decode(self.lm.model, *one, config)) for _ in range(config.nbest))

        done = {"per": ours() / 1000, "peer_per": peer() / 1000}  # and a warm-up
        return compare(
            name, ours, peer, unit="ms/frame", repeats=self.repeats, warmup=0, note=note, **done
        )


def rows(args: argparse.Namespace) -> Iterator[Row]:
    """All rows of the table."""
    dtype = torch.bfloat16 if args.device.startswith("cuda") else torch.float32
    if args.exp is None:
        lm = SpeechLMInference(random_lm.build_lm(args.size).to(args.device, dtype))
    else:
        weights = args.exp / "valid.loss.best.pth"
        name = str(dtype).removeprefix("torch.")
        lm = SpeechLMInference.load(args.exp / "config.yaml", weights, args.device, name)
    frames = args.frames or random_lm.SIZES[args.size][4]
    work = Work(lm, frames, args.repeats)
    what = f"top-k {PUBLISHED.top_k}, {round(0.6 * frames)}-{frames} frames"
    yield work.row("batch1", 1, PUBLISHED, f"1 utterance, {what}")
    yield work.row("batch32", BATCH, PUBLISHED, f"{BATCH} utterances together, {what}")
    if args.only_targets:
        return
    nbest = replace(PUBLISHED, nbest=8)
    yield work.row("nbest8", 1, nbest, "1 utterance, 8 candidates of one prefix; a frame of each")
    free = replace(PUBLISHED, method="greedy", fixed_length=False, max_frames=frames // 2)
    yield work.row("free_length", BATCH, free, f"{BATCH} utterances to their end, greedy")
    if lm.model.synchronous:
        mixed = replace(PUBLISHED, temperature=0.3, top_k=5, score_weight=0.5)
        note = (
            f"{BATCH} utterances as the demo decodes: with the score's own prediction (not in peer)"
        )
        yield work.row("score_weight", BATCH, mixed, note)
    if args.exp is None and args.size != "1.7b":  # whose conditioning is the prefix anyway
        changes = {"model_conf": {"conditioning": "prefix"}}
        lm = SpeechLMInference(random_lm.build_lm(args.size, changes).to(args.device, dtype))
        work = Work(lm, frames, args.repeats)
        yield work.row(
            "prefix", BATCH, PUBLISHED, f"{BATCH} utterances, score and prompt as prefix"
        )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--exp", type=Path, help="a trained experiment: config.yaml and weights")
    parser.add_argument("--size", choices=random_lm.SIZES, default="demo", help="without --exp")
    parser.add_argument("--frames", type=int, help="of the longest score (default: the size's)")
    parser.add_argument("--only_targets", action="store_true", help="batch1 and batch32 alone")
    timing.run_on_device(parser, rows, argv)


if __name__ == "__main__":
    main()
