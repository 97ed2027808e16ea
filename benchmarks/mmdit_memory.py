"""Memory per GPU of training an MM-DiT of the papers' size, under ZeRO-2: a Markdown table.

``python benchmarks/mmdit_memory.py`` builds the network on the CPU (about 6 GiB), runs it forward
on two short utterances under bfloat16 autocast, and counts the bytes that autograd keeps. They grow
in proportion to the latent frames, since attention keeps none of its weights; from two lengths
follows what a frame costs. Model states are those of `speechlm.memory`. With checkpointing a block
keeps its inputs alone, and one block lives whole at a time.
"""

import argparse

import torch

from espnet2_ext.networks.mmdit import MMDiT
from espnet2_ext.speechlm.memory import GIB, model_states

WIDTH, LATENT_DIM, TEXT_PER_FRAME = 1024, 40, 0.25
LENGTHS = (40, 80)
GPUS = (1, 2, 4, 8)


def kept_bytes(network: MMDiT, frames: int) -> int:
    """Bytes that autograd keeps of one utterance, the weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in weights:
            kept[place] = tensor
        return tensor

    text = round(TEXT_PER_FRAME * frames)
    inputs = (
        torch.randn(1, frames, LATENT_DIM), torch.rand(1), torch.randn(1, frames, WIDTH),
        torch.ones(1, frames, 1, dtype=torch.bool), None,
        torch.randn(1, text, WIDTH, requires_grad=True), torch.ones(1, text, dtype=torch.bool),
    )  # fmt: skip
    counted = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with counted, torch.autocast("cpu", torch.bfloat16):
        network(*inputs)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=13760, help="latent frames of a GPU's batch")
    parser.add_argument("--width", type=int, default=WIDTH, help="smaller: to try it")
    args = parser.parse_args(argv)
    network = MMDiT(LATENT_DIM, WIDTH, 0, WIDTH, channels=args.width)
    n_blocks = len(network.joint) + len(network.single)
    short, long = (kept_bytes(network, length) for length in LENGTHS)
    of_frame = (long - short) / (LENGTHS[1] - LENGTHS[0])
    inputs = (1 + TEXT_PER_FRAME) * args.width * 4
    checkpointed = args.frames * (n_blocks * inputs + of_frame / n_blocks)
    parameters = sum(p.numel() for p in network.parameters())
    print(f"{parameters:,} parameters; {of_frame / 2**20:.2f} MiB for each latent frame\n")
    print("| GPUs | model states | activations | total | activations, checkpointed | total |")
    print("|---|---|---|---|---|---|")
    for n in GPUS:
        states = model_states(parameters, n).total
        whole = args.frames * of_frame
        row = (states, whole, states + whole, checkpointed, states + checkpointed)
        print(f"| {n} | " + " | ".join(f"{value / GIB:.1f}" for value in row) + " |")


if __name__ == "__main__":
    main()
