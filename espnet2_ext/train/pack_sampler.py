"""Batches of a given number of real frames, for models that pack: nothing is sorted by length."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from espnet2.fileio.read_text import load_num_sequence_text
from espnet2.samplers.abs_sampler import AbsSampler

from espnet2_ext.errors import UserError

_OPEN = 64  # batches that may still grow: keeps the time linear in the number of utterances


class PackBatchSampler(AbsSampler):
    """First-fit over shuffled utterances: each goes into the first batch with room for it.

    The same seed gives the same batches, so a resumed training goes on with them; their order
    changes with the epoch, as with ESPnet's samplers.

    Args:
        batch_bins: Most values of a batch, summed over the shape files; a longer utterance is a
            batch of its own.
        shape_files: ``utterance length,dimension`` a line.
        seed: Of the shuffling.
        min_batch_size: Fewest utterances of a batch, so that each process has one.
    """

    def __init__(
        self, batch_bins: int, shape_files: Sequence[str], seed: int, min_batch_size: int = 1
    ) -> None:
        shapes = [load_num_sequence_text(path, loader_type="csv_int") for path in shape_files]
        for path, shape in zip(shape_files, shapes, strict=True):
            if shape.keys() != shapes[0].keys():
                raise UserError(path, "other utterances", f"those of {shape_files[0]}")
        bins = {utt: sum(int(np.prod(shape[utt])) for shape in shapes) for utt in shapes[0]}
        if len(bins) < min_batch_size:
            raise UserError(shape_files[0], f"{len(bins)} utterances", f"at least {min_batch_size}")
        self.batch_bins, self._bins = batch_bins, bins
        self.batches = _share(first_fit(bins, batch_bins, seed), bins, min_batch_size)
        self.fill = sum(bins.values()) / (len(self.batches) * batch_bins)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(N-batch={len(self)}, batch_bins={self.batch_bins}, "
            f"{self.fill:.1%} full)"
        )

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return iter(self.batches)

    def shard(self, batch: Sequence[str], world: int) -> list[tuple[str, ...]]:
        """Split a batch among processes, each with about as many bins: the longest go first."""
        shares: list[list[str]] = [[] for _ in range(world)]
        loads = [0] * world
        for utt in sorted(batch, key=lambda utt: -self._bins[utt]):
            # a process without utterances comes first, however few bins there are
            rank = min(range(world), key=lambda r: (bool(shares[r]), loads[r]))
            shares[rank].append(utt)
            loads[rank] += self._bins[utt]
        return [tuple(share) for share in shares]


def first_fit(bins: Mapping[str, int], budget: int, seed: int) -> list[tuple[str, ...]]:
    """Batches of at most `budget` bins, from utterances in an order drawn with `seed`."""
    names = list(bins)
    open_, done = [], []  # [room, utterances]
    for i in np.random.RandomState(seed).permutation(len(names)):
        size = bins[names[i]]
        for batch in open_:
            if size <= batch[0]:
                break
        else:
            batch = [budget, []]
            open_.append(batch)
        batch[0] -= size
        batch[1].append(names[i])
        if len(open_) > _OPEN:
            fullest = min(range(len(open_)), key=lambda k: open_[k][0])
            done.append(open_.pop(fullest))
    return [tuple(utterances) for _, utterances in done + open_]


def _share(
    batches: list[tuple[str, ...]], bins: Mapping[str, int], fewest: int
) -> list[tuple[str, ...]]:
    """Let batches that are too few for all processes join the smallest other one."""

    def size(batch: tuple[str, ...]) -> int:
        return sum(bins[utt] for utt in batch)

    while len(batches) > 1:
        small = min(range(len(batches)), key=lambda i: len(batches[i]))
        if len(batches[small]) >= fewest:
            break
        batch = batches.pop(small)
        host = min(range(len(batches)), key=lambda i: size(batches[i]))
        batches[host] += batch
    return batches
