"""Batches of a given number of real frames, for models that pack: nothing is sorted by length."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from espnet2.fileio.read_text import load_num_sequence_text
from espnet2.samplers.abs_sampler import AbsSampler

from espnet2_ext.errors import UserError

Pack = tuple[str, ...]
_OPEN = 64  # packs that may still grow: keeps the time linear in the number of utterances


class PackBatchSampler(AbsSampler):
    """First-fit over shuffled utterances: each goes into the first pack with room for it.

    A batch is one pack for each process, so that each of them computes about `batch_bins` values
    and never more. The same seed gives the same batches, so a resumed training goes on with them;
    their order changes with the epoch, as with ESPnet's samplers.

    Args:
        batch_bins: Most values of a process's share of a batch, summed over the shape files; a
            longer utterance is a share of its own.
        shape_files: ``utterance length,dimension`` a line.
        seed: Of the shuffling.
        world: Processes.
        min_batch_size: Fewest utterances of a batch; where it takes that, shares are larger.

    Raises:
        UserError: there are fewer utterances than processes, or shape files of other utterances.
    """

    def __init__(
        self,
        batch_bins: int,
        shape_files: Sequence[str],
        seed: int,
        world: int = 1,
        min_batch_size: int = 1,
    ) -> None:
        shapes = [load_num_sequence_text(path, loader_type="csv_int") for path in shape_files]
        for path, shape in zip(shape_files, shapes, strict=True):
            if shape.keys() != shapes[0].keys():
                raise UserError(path, "other utterances", f"those of {shape_files[0]}")
        bins = {utt: sum(math.prod(shape[utt]) for shape in shapes) for utt in shapes[0]}
        fewest = max(world, min_batch_size)
        if len(bins) < fewest:
            raise UserError(shape_files[0], f"{len(bins)} utterances", f"at least {fewest}")
        longer = sum(n > batch_bins for n in bins.values())
        if longer:
            logging.warning(
                "%s: %d utterances are longer than batch_bins, %d, the longest has %d: each is a "
                "share of its own", shape_files[0], longer, batch_bins, max(bins.values()),
            )  # fmt: skip
        self.batch_bins, self.world = batch_bins, world
        packs = join_small(first_fit(bins, batch_bins, seed), math.ceil(min_batch_size / world))
        self.shares = share_out(packs, bins, world)
        self.fill = sum(bins.values()) / (len(self.shares) * world * batch_bins)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(N-batch={len(self)}, batch_bins={self.batch_bins} for each of "
            f"{self.world} processes, {self.fill:.1%} full)"
        )

    def __len__(self) -> int:
        return len(self.shares)

    def __iter__(self) -> Iterator[Pack]:
        """The utterances of each batch, of all processes together."""
        return (sum(shares, ()) for shares in self.shares)


def first_fit(bins: Mapping[str, int], budget: int, seed: int) -> list[Pack]:
    """Packs of at most `budget` bins, from utterances in an order drawn with `seed`."""
    names = list(bins)
    open_, done = [], []  # [room, utterances]
    for i in np.random.RandomState(seed).permutation(len(names)):
        size = bins[names[i]]
        for pack in open_:
            if size <= pack[0]:
                break
        else:
            pack = [budget, []]
            open_.append(pack)
        pack[0] -= size
        pack[1].append(names[i])
        if len(open_) > _OPEN:
            fullest = min(range(len(open_)), key=lambda k: open_[k][0])
            done.append(open_.pop(fullest))
    return [tuple(utterances) for _, utterances in done + open_]


def join_small(batches: Sequence[Pack], fewest: int) -> list[Pack]:
    """Let batches of fewer than `fewest` utterances join one another, the last a large one."""
    joined, waiting = [], ()
    for batch in batches:
        if len(batch) < fewest:
            batch = waiting = waiting + tuple(batch)
            if len(waiting) < fewest:
                continue
            waiting = ()
        joined.append(tuple(batch))
    if waiting:
        joined.append(joined.pop() + waiting if joined else waiting)
    return joined


def share_out(packs: Sequence[Pack], bins: Mapping[str, int], world: int) -> list[list[Pack]]:
    """Batches of one pack for each of `world` processes, and none without an utterance.

    Of the packs that are left over, the largest are halved until each process has one. Where they
    are too few utterances for that, packs of the batches before give some away. Where those have
    none to spare either, the processes of the last batch take what is left over beside their own.
    """
    whole = len(packs) // world * world
    shares = [list(packs[i : i + world]) for i in range(0, whole, world)]
    rest = list(packs[whole:])
    if not rest:
        return shares

    def load(pack: Pack) -> int:
        return sum(bins[utt] for utt in pack)

    missing = world - sum(map(len, rest))
    for batch in reversed(shares):
        if missing <= 0:
            break
        for i, pack in enumerate(batch):
            given = max(0, min(missing, len(pack) - 1))
            rest += [(utt,) for utt in pack[len(pack) - given :]]
            batch[i] = pack[: len(pack) - given]
            missing -= given
    if missing > 0:
        for pack in rest:
            smallest = min(range(world), key=lambda i: load(shares[-1][i]))
            shares[-1][smallest] += pack
        return shares
    while len(rest) < world:
        largest = max((pack for pack in rest if len(pack) > 1), key=load)
        rest.remove(largest)
        rest += _halves(largest, bins)
    return [*shares, rest]


def _halves(pack: Pack, bins: Mapping[str, int]) -> list[Pack]:
    """Two packs of about as many bins: the longest utterances go first."""
    halves: tuple[list[str], list[str]] = [], []
    loads = [0, 0]
    for utt in sorted(pack, key=lambda utt: -bins[utt]):
        i = loads.index(min(loads))
        halves[i].append(utt)
        loads[i] += bins[utt]
    return [tuple(half) for half in halves]
