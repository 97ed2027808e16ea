"""What the epoch changes in a training's data: its prompts, and its workers' random numbers."""

import functools
import random
from collections.abc import Iterator, Mapping
from typing import Any

import kaldiio
import numpy as np
import torch.distributed as dist
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from torch.utils.data import DataLoader

from espnet2_ext.tokenizer.prompts import EpochPrompts


class DrawnPrompts(Mapping):
    """ESPnet's loader of the data type ``prompt_pool``: utt -> codec_ssl of this epoch's prompt.

    Args:
        path: prompts.json of a token directory.
    """

    def __init__(self, path: str) -> None:
        self.prompts, self.epoch = EpochPrompts(path), 0

    def __getitem__(self, utt: str) -> np.ndarray:
        return kaldiio.load_mat(self.prompts.pointer(utt, self.epoch))

    def __len__(self) -> int:
        return len(self.prompts.utt2spk)

    def __iter__(self) -> Iterator[str]:
        return iter(self.prompts.utt2spk)


PROMPT_POOL = {
    "func": DrawnPrompts,
    "kwargs": [],
    "help": "prompts.json of a token directory: in each epoch another utterance of the singer.",
}


class EpochIterFactory(AbsIterFactory):
    """An iterator factory whose dataset knows the epoch, and whose ranks draw other numbers.

    ESPnet seeds the loader's workers by epoch, on all ranks alike.

    Args:
        factory: ESPnet's.
        seed: Of the training.
    """

    def __init__(self, factory: Any, seed: int) -> None:
        self.factory, self.seed = factory, seed

    def build_iter(self, epoch: int, shuffle: bool | None = None) -> DataLoader:
        for loader in self.factory.dataset.loader_dict.values():
            if isinstance(loader, DrawnPrompts):
                loader.epoch = epoch  # before the workers copy the dataset
        batches = self.factory.build_iter(epoch, shuffle)
        batches.worker_init_fn = functools.partial(_seed_worker, rank_seed(self.seed, epoch))
        return batches


def rank_seed(seed: int, epoch: int) -> int:
    """A seed of 32 bits for this process of a training, in this epoch."""
    rank = dist.get_rank() if dist.is_initialized() else 0
    return int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1)[0])


def _seed_worker(seed: int, worker: int) -> None:
    random.seed(f"{seed} {worker}")
    np.random.seed(np.random.SeedSequence([seed, worker]).generate_state(4))
