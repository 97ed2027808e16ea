"""Training the speech LM: packing, target-only chunked loss, gradient checkpointing, each timed.

``python benchmarks/training.py --size demo`` (random weights; ``--exp DIR`` takes the model of an
experiment). A step is forward and backward, without the optimizer, on batches that real samplers
draw from a corpus of one of two spreads of length, the same for ours and the peer:

- ``embedded``: quantiles of the embedded corpus' training set (472 utterances of 4.6 to 8 s);
- ``wide``: an assumption for segmented real songs: log-normal, mean 5 s as published for Opencpop
  (5.2 h in 3,756 utterances), standard deviation 2.5 s, 1 to 15 s.

The time is that of a target token (frame x stream) that is not padding. The full-vocabulary loss is
a plain one: logits of every position and stream over the whole vocabulary, those of the target
counted. Memory: peak bytes of tensors that a step makes, parameters' gradients included; on a GPU
what its allocator says.
"""

import argparse
import tempfile
import weakref
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from random_lm import SIZES, build_lm, random_codes, random_score
from timing import Row, add_arguments, compare, finish, start
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from espnet2_ext.data.batch import Batch
from espnet2_ext.files import read_yaml
from espnet2_ext.speechlm.build import build_speechlm
from espnet2_ext.speechlm.model import SpeechLM

FPS = 50
FRAMES = {"tiny": 100, "demo": 1600, "1.7b": 3200}  # of a batch
PARTS = ("packing", "loss", "checkpointing")
POOL = 480  # utterances of a corpus
# frames of the embedded corpus' utterances: quantiles 0, .05, ... 1
EMBEDDED = (
    229, 257, 265, 270, 276, 280, 289, 294, 297, 300, 306, 317, 324, 325, 336, 341, 345, 372, 382,
    397, 402,
)  # fmt: skip
Streams = dict[str, Tensor]


def corpus_lengths(spread: str, n: int = POOL) -> list[int]:
    """Frames of `n` utterances, in random order."""
    rng = np.random.default_rng(0)
    if spread == "embedded":
        lengths = np.quantile(EMBEDDED, rng.random(n))
    else:
        sigma = np.sqrt(np.log(1 + (2.5 / 5) ** 2))
        sec = rng.lognormal(np.log(5) - sigma**2 / 2, sigma, n)
        lengths = FPS * np.clip(sec, 1, 15)
    return [round(float(x)) for x in lengths]


def draw_batches(
    sampler: str, lengths: Sequence[int], nq: int, frames: int, steps: int
) -> list[tuple[str, ...]]:
    """`steps` batches, evenly spaced over those that a sampler makes of a corpus.

    Args:
        sampler: ``pack``, or ESPnet's ``unsorted`` or ``numel``.
        lengths: Frames of the utterances.
        nq: Streams.
        frames: Of a batch: real ones, with ``numel`` padded ones, with ``unsorted`` on average.
        steps: Batches to take.
    """
    from espnet2.samplers.num_elements_batch_sampler import NumElementsBatchSampler
    from espnet2.samplers.unsorted_batch_sampler import UnsortedBatchSampler

    from espnet2_ext.train.pack_sampler import PackBatchSampler

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "shape")
        Path(path).write_text("".join(f"{i} {n},{nq}\n" for i, n in enumerate(lengths)))
        if sampler == "pack":
            batches = list(PackBatchSampler(frames * nq, [path], seed=0))
        elif sampler == "numel":
            batches = list(NumElementsBatchSampler(frames * nq, [path]))
        else:
            size = max(round(frames / np.mean(lengths)), 1)
            batches = list(UnsortedBatchSampler(size, path, drop_last=True))
    chosen = np.linspace(0, len(batches) - 1, min(steps, len(batches))).round().astype(int)
    return [batches[i] for i in chosen]


def make_batch(
    model: SpeechLM, utterances: Sequence[str], lengths: Sequence[int], device: str
) -> Streams:
    """Random data of these utterances; a prompt is as long as another utterance of the corpus."""
    batch: dict[str, list[Tensor]] = {"codec_ssl": [], "score_frames": [], "prompt": []}
    for utt in map(int, utterances):
        generator = torch.Generator().manual_seed(utt)
        prompt = lengths[(utt + 1) % len(lengths)]
        batch["codec_ssl"].append(random_codes(model, lengths[utt], generator))
        batch["score_frames"].append(random_score(lengths[utt], generator))
        batch["prompt"].append(random_codes(model, prompt, generator))
    data = {k: nn.utils.rnn.pad_sequence(v, batch_first=True) for k, v in batch.items()}
    data |= {f"{k}_lengths": torch.tensor([len(x) for x in v]) for k, v in batch.items()}
    return {k: v.to(device) for k, v in data.items()}


def step(model: SpeechLM, batch: Streams, **conf: object) -> None:
    """Forward and backward with changed options of the model."""
    for name, value in conf.items():
        setattr(model.config, name, value)
    model.zero_grad(set_to_none=True)
    model(**batch)[0].backward()


def packing_rows(
    model: SpeechLM, frames: int, steps: int, repeats: int, device: str
) -> Iterator[Row]:
    """Packed batches against ESPnet's padded ones, by the time of a real token."""
    nq = model.vocabulary.nq
    for spread in ("embedded", "wide"):
        lengths = corpus_lengths(spread)
        work = {}
        for sampler in ("pack", "unsorted", "numel"):
            names = draw_batches(sampler, lengths, nq, frames, steps)
            batches = [make_batch(model, batch, lengths, device) for batch in names]
            real = sum(int(b["codec_ssl_lengths"].sum()) for b in batches)
            padded = sum(b["codec_ssl"].shape[:2].numel() for b in batches)
            work[sampler] = batches, nq * real, 1 - real / padded

        def run(sampler: str, work: dict = work) -> Callable[[], None]:
            def all_batches() -> None:
                for batch in work[sampler][0]:
                    step(model, batch, packing=sampler == "pack")

            return all_batches

        _, ours_tokens, _ = work["pack"]
        for sampler in ("unsorted", "numel"):
            _, tokens, padding = work[sampler]
            note = f"{frames} frames a batch; the peer's frames are {padding:.0%} padding"
            yield compare(
                f"packed, {spread} lengths, against {sampler}", run("pack"), run(sampler),
                unit="ms/1k tokens", repeats=repeats, per=ours_tokens / 1e6,
                peer_per=tokens / 1e6, note=note,
            )  # fmt: skip


@dataclass(frozen=True)
class LossInputs:
    """What `SpeechLM._score` gets of a batch; the hidden states (N, d) are a leaf of the graph."""

    hidden: Tensor
    place: Tensor
    score: Tensor | None
    codes: Tensor
    mask: Tensor

    @classmethod
    def of(cls, model: SpeechLM, batch: Streams) -> "LossInputs":
        got = []
        plain = model._score
        model._score = lambda *arguments: got.append(arguments) or plain(*arguments)
        with torch.no_grad():
            model.score(Batch(batch))
        del model._score  # the class' own again
        hidden, place, score, codes, mask = got[0]
        return cls(hidden.clone().requires_grad_(), place, score, codes, mask)


def target_loss(model: SpeechLM, x: LossInputs, chunk: int) -> None:
    """Our loss and its gradients, `chunk` target frames at a time."""
    model.config.loss_chunk = chunk
    model.zero_grad(set_to_none=True)
    scored = model._score(x.hidden, x.place, x.score, x.codes, x.mask)
    (-scored.log_prob.sum() - scored.eos_log_prob.sum()).backward()


def full_vocabulary_loss(model: SpeechLM, x: LossInputs) -> None:
    """The peer: softmax over all tokens at every position of every stream."""
    core, nq = model.corelm, model.vocabulary.nq
    b, k = x.mask.nonzero(as_tuple=True)
    model.zero_grad(set_to_none=True)
    losses = []
    for q, offset in enumerate(model.offsets.tolist()):
        target = torch.full((len(x.hidden),), -100, device=x.hidden.device)
        target[x.place[b] + k + q] = x.codes[b, k, q] + offset
        if q == 0:
            target[x.place + x.mask.sum(1)] = core.eos
        h = x.hidden + core.head_emb.weight[q]
        if x.score is not None:
            at_frame = model.score_head(x.score[b, k]).chunk(nq, -1)[q]
            h = h.index_add(0, x.place[b] + k + q, at_frame.to(h.dtype))
        logits = (h @ core.lm_head.weight.T).float()
        losses.append(nn.functional.cross_entropy(logits, target, reduction="sum"))
    sum(losses).backward()


class PeakBytes(TorchDispatchMode):
    """Most bytes of live tensors that were made while this is active, on the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._add(tensor.untyped_storage())
        return out

    def _add(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        n = storage.nbytes()
        self.live += n
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._drop, n)

    def _drop(self, n: int) -> None:
        self.live -= n


def peak_mib(run: Callable[[], None], device: str) -> float:
    """Most MiB that `run` has at once beyond what there was before."""
    if device.startswith("cuda"):
        run()
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    with PeakBytes() as memory:
        run()
    return memory.peak / 2**20


def memory_row(
    name: str, ours: Callable[[], None], peer: Callable[[], None], device: str, note: str
) -> Row:
    """Peak memory of both; the ratio is how many times less ours takes."""
    mine, theirs = peak_mib(ours, device), peak_mib(peer, device)
    return Row(name, mine, theirs, theirs / mine, "MiB", note)


def loss_rows(model: SpeechLM, frames: int, chunk: int, repeats: int, device: str) -> Iterator[Row]:
    """The loss alone, from the hidden states of a packed batch on."""
    lengths = corpus_lengths("wide")
    (names,) = draw_batches("pack", lengths, model.vocabulary.nq, frames, 1)
    model.config.packing = True
    x = LossInputs.of(model, make_batch(model, names, lengths, device))
    n, V = int(x.mask.sum()), len(model.vocabulary)

    def ours() -> None:
        target_loss(model, x, chunk)

    peers = {
        "the whole batch at once": lambda: target_loss(model, x, 0),
        f"all {V} tokens, all {len(x.hidden)} positions": lambda: full_vocabulary_loss(model, x),
    }
    for peer, run in peers.items():
        name, note = f"loss, {chunk} frames at a time, against {peer}", f"{n} target frames"
        yield compare(name, ours, run, repeats=repeats, note=note)
        yield memory_row(f"{name}: peak memory", ours, run, device, note)
    model.config.loss_chunk = 0


def checkpointing_rows(
    models: Callable[[bool], SpeechLM], frames: int, repeats: int, device: str
) -> Iterator[Row]:
    """A packed step with gradient checkpointing against one without."""
    lengths = corpus_lengths("wide")
    runs = []
    for checkpointing in (True, False):
        model = models(checkpointing)
        (names,) = draw_batches("pack", lengths, model.vocabulary.nq, frames, 1)
        batch = make_batch(model, names, lengths, device)
        runs.append(lambda m=model, b=batch: step(m, b, packing=True))
    note = f"{frames} frames, packed; the peer keeps all activations"
    yield compare("gradient checkpointing", *runs, repeats=repeats, note=note)
    yield memory_row("gradient checkpointing: peak memory", *runs, device, note)


def load(args: argparse.Namespace, checkpointing: bool = False) -> SpeechLM:
    """The model to train, packing allowed, on the device."""
    changes = {"corelm_conf": {"gradient_checkpointing": checkpointing}}
    if args.exp:
        options = read_yaml(args.exp / "config.yaml")
        options["corelm_conf"] |= changes["corelm_conf"]
        model = build_speechlm(Namespace(**options), str(args.exp / "config.yaml"))
    else:
        model = build_lm(args.size, changes)
    model.corelm.allow_packing()
    dtype = torch.bfloat16 if args.device.startswith("cuda") else torch.float32
    return model.to(args.device, dtype).train()


def rows(args: argparse.Namespace) -> Iterator[Row]:
    frames = args.frames or FRAMES[args.size]
    if "packing" in args.parts:
        yield from packing_rows(load(args), frames, args.steps, args.repeats, args.device)
    if "loss" in args.parts:
        yield from loss_rows(load(args), 4 * frames, args.chunk, args.repeats, args.device)
    if "checkpointing" in args.parts:
        yield from checkpointing_rows(
            lambda checkpointing: load(args, checkpointing), frames, args.repeats, args.device
        )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_arguments(parser)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", choices=SIZES, default="demo")
    parser.add_argument("--exp", type=Path, help="take the model of this experiment")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--frames", type=int, help="target frames of a batch")
    parser.add_argument("--steps", type=int, default=4, help="batches of a timed run")
    parser.add_argument("--chunk", type=int, default=512, help="frames of chunked loss")
    args = parser.parse_args(argv)
    start(args)
    torch.manual_seed(0)
    finish(rows(args), args)


if __name__ == "__main__":
    main()
