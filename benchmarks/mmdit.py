"""An MM-DiT's sampling against a plain loop: RTF of 8 utterances, with guidance by condition.

``python benchmarks/mmdit.py`` takes random weights of a small model on the CPU, ``--device cuda
--size paper`` those of 1.34 B parameters. The peer is `plain_flow.py`: one utterance at a time,
text encoded anew at every step, guidance as a pass for each set of conditions. Before anything is
timed both draw from the same noise, and their latents must be equal. RTF = compute time / audio
time.
"""

import argparse
from argparse import Namespace
from collections.abc import Iterator

import timing
import torch
from plain_flow import plain_sample
from timing import Row, compare

from espnet2_ext.data.lyric_symbols import LYRIC_SYMBOLS
from espnet2_ext.flow.build import build_model
from espnet2_ext.flow.latent_inference import LatentInference
from espnet2_ext.flow.sampler import SamplingConfig
from espnet2_ext.flow.token_embedding import Geometry

SIZES = {  # the network; seconds of audio; steps
    "debug": ({"channels": 16, "n_heads": 2, "n_joint": 1, "n_single": 1}, 0.5, 2),
    "demo": ({"channels": 64, "n_heads": 4, "n_joint": 4, "n_single": 2}, 2.0, 8),
    "paper": ({"channels": 1024, "n_heads": 16, "n_joint": 14, "n_single": 6}, 10.0, 25),
}
GEOMETRY = Geometry(latent_dim=40, latent_fps=44100 / 1024)
STATE_DIM, PHONES_PER_SEC, BATCH = 64, 10, 8
WEIGHTS = {"lyrics": 2.0, "instruction": 3.0}
TOLERANCE = 1e-3


class Work:
    """A model and utterances for it, which are 60 to 100% as long as the longest.

    Args:
        size: Of `SIZES`.
        device: To compute on.
    """

    def __init__(self, size: str, device: str) -> None:
        torch.manual_seed(0)
        network, sec, n_steps = SIZES[size]
        args = Namespace(
            model_conf={
                "space": {"output": "latent", "predict_f0": False},
                **{"residual": "none", "ema_decay": 0.0, "bfloat16": "off"},
            },
            condition_conf={
                **{
                    "channels": network["channels"],
                    "tokens": False,
                    "pitch": "none",
                    "prompt": False,
                },
                "more": {"instruction": {"dim": STATE_DIM}, "lyrics": {"n_heads": 2}},
            },
            velocity="mmdit",
            velocity_conf=network,
        )
        model = build_model(args, GEOMETRY)
        for weight in model.parameters():
            if weight.dim() > 1:
                torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
        self.flow = LatentInference(model.to(device))
        self.config = SamplingConfig(n_steps=n_steps, guidance_by=WEIGHTS)
        self.device = device
        secs = [sec * (1 - 0.4 * k / (BATCH - 1)) for k in range(BATCH)]
        self.lengths = [round(s * GEOMETRY.latent_fps) for s in secs]
        self.streams = {
            "instruction": [torch.randn(40 - k, STATE_DIM) for k in range(BATCH)],
            "lyrics_ids": [
                torch.randint(len(LYRIC_SYMBOLS), (max(1, round(s * PHONES_PER_SEC)),))
                for s in secs
            ],
        }
        self.audio_sec = sum(self.lengths) / GEOMETRY.latent_fps

    def ours(self) -> list[torch.Tensor]:
        """Latents of all utterances, together."""
        return self.flow.generate(self.lengths, self.streams, self.config)

    def peer(self) -> list[torch.Tensor]:
        """Latents of all utterances, one at a time."""
        found = []
        for k, length in enumerate(self.lengths):
            noise = self.flow.noise(length, f"{self.config.seed} {k}").to(self.device)
            rows = {name: values[k].to(self.device) for name, values in self.streams.items()}
            x = plain_sample(self.flow.model, noise, rows, self.config.n_steps, WEIGHTS)
            found.append(x.cpu())
        return found

    def largest_difference(self) -> float:
        """Between our latents and the peer's, from one noise."""
        pairs = zip(self.ours(), self.peer(), strict=True)
        return max(float((a - b).abs().max()) for a, b in pairs)


def rows(args: argparse.Namespace) -> Iterator[Row]:
    """The one row of the table."""
    work = Work(args.size, args.device)
    difference = work.largest_difference()  # which also warms up
    if not difference < TOLERANCE:
        raise SystemExit(f"latents differ by {difference:.2g}")
    yield compare(
        f"MM-DiT, batch {BATCH}",
        work.ours,
        work.peer,
        unit="RTF",
        repeats=args.repeats,
        warmup=0,
        per=work.audio_sec,
        note=f"{args.size}, {work.audio_sec:.0f} s of audio, Euler, {work.config.n_steps} steps, 2 "
        f"conditions guided; latents equal to {TOLERANCE:g}",
    )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=SIZES, default="demo")
    timing.run_on_device(parser, rows, argv)


if __name__ == "__main__":
    main()
