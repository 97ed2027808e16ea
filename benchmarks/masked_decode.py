"""Masked decoding against MaskGCT's loop: ms per frame of an utterance alone and in a batch of 16.

``python benchmarks/masked_decode.py`` takes random weights of the demo's size on the CPU,
``--device cuda --size maskgct`` MaskGCT's. The peer is `plain_masked.py`: one utterance at a time,
guidance as a second pass, everything computed anew at each step. Both decode with MaskGCT's
options: 12 layers of 1024 codes in [25, 10, 1, ...] steps, and 8192 semantic codes in 25 steps.
Before anything is timed, both decode with the same noise, and their tokens must be equal.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace

import timing
import torch
from plain_masked import plain_decode
from timing import Row, compare

from espnet2_ext.masked.config import MaskedConfig, NetworkConfig
from espnet2_ext.masked.decoding import decode
from espnet2_ext.masked.generator import MaskedTokens
from espnet2_ext.masked.maskgct import ACOUSTIC_DECODING, SEMANTIC_DECODING
from espnet2_ext.masked.noise import Noise
from espnet2_ext.masked.steering import Steering
from espnet2_ext.masked.task import Task

SIZES = {  # width, heads and blocks of the semantic and of the acoustic model; frames
    "debug": ((32, 2, 2), (32, 2, 2), 20),
    "demo": ((192, 4, 4), (192, 4, 4), 250),
    "maskgct": ((1536, 16, 16), (1024, 16, 16), 500),
}
BATCH = 16
STAGES = {
    "semantic": ((8192,), SEMANTIC_DECODING, "8192 codes, 25 steps, phones before"),
    "acoustic": ((1024,) * 12, ACOUSTIC_DECODING, "12 x 1024 codes, 45 steps"),
}


@dataclass(frozen=True)
class Utterance:
    """Codes of a prompt and what steers prompt and target."""

    prompt: torch.Tensor
    n_frames: int
    frames: torch.Tensor | None
    prefix: torch.Tensor | None


class Work:
    """A model and utterances for it, which are 60 to 100% as long as the longest.

    Args:
        stage: Of `STAGES`.
        size: Of `SIZES`.
        device: To compute on.
        repeats: Timed runs.
    """

    def __init__(self, stage: str, size: str, device: str, repeats: int) -> None:
        torch.manual_seed(0)
        self.codes, self.config, self.note = STAGES[stage]
        semantic, acoustic, frames = SIZES[size]
        network = NetworkConfig(*(semantic if stage == "semantic" else acoustic))
        config = MaskedConfig(network, layer_embedding=stage == "acoustic")
        model = MaskedTokens(self.codes, config)
        for weight in model.parameters():
            if weight.dim() == 2 and weight.size(0) > 1:
                torch.nn.init.normal_(weight, std=weight.size(1) ** -0.5)
        self.model, self.device, self.repeats = model.to(device).eval(), device, repeats
        lengths = [round(frames * (1 - 0.4 * k / (BATCH - 1))) for k in range(BATCH)]
        self.utterances = [self._utterance(n, frames // 2, stage) for n in lengths]

    def _utterance(self, n: int, prompt: int, stage: str) -> Utterance:
        width = self.model.config.network.width
        codes = torch.stack([torch.randint(k, (prompt,)) for k in self.codes], 1).to(self.device)
        condition = torch.randn(prompt + n if stage == "acoustic" else (prompt + n) // 6, width)
        condition = condition.to(self.device)
        if stage == "acoustic":
            return Utterance(codes, n, condition, None)
        return Utterance(codes, n, None, condition)

    def ours(self, batch: list[Utterance], noise: Noise) -> list[torch.Tensor]:
        """Codes of the targets, all utterances together."""

        def padded(rows: list[torch.Tensor | None]) -> torch.Tensor | None:
            if rows[0] is None:
                return None
            return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)

        blank = [u.prompt.new_zeros(u.n_frames, len(self.codes)) for u in batch]
        rows = [torch.cat([u.prompt, b]) for u, b in zip(batch, blank, strict=True)]
        prompts = torch.tensor([len(u.prompt) for u in batch], device=self.device)
        lengths = torch.tensor([len(row) for row in rows], device=self.device)
        prefix, mask = padded([u.prefix for u in batch]), None
        if prefix is not None:
            mask = padded([u.prefix.new_ones(len(u.prefix), dtype=torch.bool) for u in batch])
        steering = Steering(padded([u.frames for u in batch]), prefix, mask)
        task = Task(padded(rows), lengths, prompts)
        found = decode(self.model, task, steering, None, self.config, noise).tokens
        return [row[len(u.prompt) :][: u.n_frames] for row, u in zip(found, batch, strict=True)]

    def peer(self, utterance: Utterance, noise: Noise | None) -> torch.Tensor:
        """Codes of one target."""
        u = utterance
        return plain_decode(
            self.model, u.prompt, u.n_frames, u.frames, u.prefix, self.config, noise
        )

    def check(self, batch: list[Utterance]) -> str:
        """How many tokens are equal, under the same noise."""
        found = self.ours(batch, Noise(range(len(batch))))
        equal = total = 0
        for seed, (utterance, ours) in enumerate(zip(batch, found, strict=True)):
            same = ours == self.peer(utterance, Noise([seed]))
            equal, total = equal + int(same.sum()), total + same.numel()
        return "tokens equal" if equal == total else f"{equal} of {total} tokens equal"

    def row(self, name: str, size: int, bfloat16: bool = False) -> Row:
        """Ours, `size` utterances together, against the plain loop over one of middle length."""
        self.config = replace(self.config, bfloat16=False)
        first = (BATCH - size) // 2
        batch, one = self.utterances[first : first + size], self.utterances[BATCH // 2]
        frames = sum(u.n_frames for u in batch)
        note = f"{size} utterance{'s' * (size > 1)}, {self.note}, prompt {len(one.prompt)} frames"
        equal = self.check(batch[:: max(1, size // 4)])  # which also warms up
        noise = Noise(range(size))
        if bfloat16:
            note, equal = f"{note}, in bfloat16 (peer in float32)", f"in float32 {equal}"
            self.config = replace(self.config, bfloat16=True)
        return compare(
            name,
            lambda: self.ours(batch, noise),
            lambda: self.peer(one, None),
            unit="ms/frame",
            repeats=self.repeats,
            warmup=0,
            per=frames / 1000,
            peer_per=one.n_frames / 1000,
            note=f"{note}; {equal}",
        )


def rows(args: argparse.Namespace) -> Iterator[Row]:
    """All rows of the table."""
    for stage in STAGES:
        work = Work(stage, args.size, args.device, args.repeats)
        for size in (1, BATCH):
            yield work.row(f"{stage}, batch {size}", size)
            if args.bfloat16:
                yield work.row(f"{stage}, batch {size}, bfloat16", size, True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=SIZES, default="demo")
    parser.add_argument("--bfloat16", action="store_true", help="also our products in 16 bits")
    timing.run_on_device(parser, rows, argv)


if __name__ == "__main__":
    main()
