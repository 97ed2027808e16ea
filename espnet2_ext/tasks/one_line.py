"""What all our tasks do unlike ESPnet's: safe options, refusal in one line, new draws by epoch."""

import argparse
import itertools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist
from espnet2.iterators.sequence_iter_factory import SequenceIterFactory
from espnet2.samplers.build_batch_sampler import build_batch_sampler
from espnet2.tasks.abs_task import AbsTask, IteratorOptions
from espnet2.train.collate_fn import CommonCollateFn
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str2bool, str_or_none

from espnet2_ext.checkpoint import require_plain
from espnet2_ext.errors import UserError
from espnet2_ext.lock import hold_training
from espnet2_ext.no_code import plain_values_only
from espnet2_ext.pickles import pickles_allowed
from espnet2_ext.registry import register
from espnet2_ext.tasks.options import read_safely
from espnet2_ext.train.epoch_data import EpochIterFactory
from espnet2_ext.train.pack_sampler import Pack, join_small


def add_token_options(group: Any, sizes: str) -> None:
    """Options of every task whose model is built for a recipe's tokens.

    Args:
        group: Of ESPnet's parser.
        sizes: Name of the option that keeps the tokens' sizes in config.yaml.
    """
    add = group.add_argument
    add("--tokenizer_dir", type=str_or_none, help="folder written by fit_tokenizers")
    add(f"--{sizes}", action=NestedDictAction, default={},
        help="sizes of tokens and features; found from tokenizer_dir")  # fmt: skip
    add("--model_conf", action=NestedDictAction, default={})
    add("--crop_frames", type=int, default=0, help="token frames of a training crop; 0: whole")


class OneLineTask(AbsTask):
    """An ESPnet task; a wrong option is a `UserError`, and its data knows the epoch."""

    @classmethod
    def build_collate_fn(cls, args: argparse.Namespace, train: bool) -> CommonCollateFn:
        """Pad with zeros; every model masks by length (`data.batch.Batch`)."""
        return CommonCollateFn(float_pad_value=0.0, int_pad_value=0)

    @classmethod
    def build_iter_factory(
        cls, args: argparse.Namespace, *arguments: Any, **options: Any
    ) -> EpochIterFactory:
        return EpochIterFactory(super().build_iter_factory(args, *arguments, **options), args.seed)

    @classmethod
    def build_sequence_iter_factory(
        cls, args: argparse.Namespace, iter_options: IteratorOptions, mode: str
    ) -> SequenceIterFactory:
        """ESPnet's; a batch too small to be shared by all processes joins another."""
        world, rank = 1, 0
        if iter_options.distributed:
            world, rank = dist.get_world_size(), dist.get_rank()
        shares = cls.build_shares(args, iter_options, mode, world)[: iter_options.num_batches]
        batches = [batch[rank] for batch in shares]
        sizes = [sum(map(len, batch)) for batch in shares]
        logging.info(
            f"[{mode}] mini-batch sizes summary: N-batch={len(sizes)}, "
            f"mean={np.mean(sizes):.1f}, min={min(sizes)}, max={max(sizes)}"
        )
        return SequenceIterFactory(
            dataset=cls.build_dataset(args, iter_options, set(itertools.chain(*batches))),
            batches=batches,
            seed=args.seed,
            num_iters_per_epoch=iter_options.num_iters_per_epoch,
            shuffle=iter_options.train,
            shuffle_within_batch=args.shuffle_within_batch,
            num_workers=args.num_workers,
            collate_fn=iter_options.collate_fn,
            pin_memory=args.ngpu > 0,
        )

    @classmethod
    def build_shares(
        cls, args: argparse.Namespace, iter_options: IteratorOptions, mode: str, world: int
    ) -> list[list[Pack]]:
        """The batches of ESPnet's sampler, each as the utterances of every process.

        Raises:
            UserError: a batch, or the whole set, has fewer utterances than there are processes.
        """
        place, wanted = iter_options.shape_files[0], f"at least {world}, one for each process"
        counts = iter_options.batch_type in ("unsorted", "sorted", "folded")
        if counts and iter_options.batch_size < world:
            raise UserError("options", f"{iter_options.batch_size}", wanted, f"{mode} batch_size")
        categories = Path(iter_options.data_path_and_name_and_type[0][0]).parent / "utt2category"
        sampler = build_batch_sampler(
            type=iter_options.batch_type,
            shape_files=iter_options.shape_files,
            fold_lengths=args.fold_length,
            batch_size=iter_options.batch_size,
            batch_bins=iter_options.batch_bins,
            sort_in_batch=args.sort_in_batch,
            sort_batch=args.sort_batch,
            drop_last=args.drop_last_iter,
            utt2category_file=str(categories) if categories.exists() else None,
            # ESPnet's folded sampler cannot always make the last batch as large
            min_batch_size=args.min_batch_size if counts else max(world, args.min_batch_size),
        )
        logging.info(f"[{mode}] Batch sampler: {sampler}")
        batches = join_small(list(sampler), world)
        if len(batches[0]) < world:
            raise UserError(place, f"{len(batches[0])} utterances", wanted)
        return [[tuple(batch[r::world]) for r in range(world)] for batch in batches]

    @classmethod
    def get_parser(cls) -> argparse.ArgumentParser:
        register("espnet2.train.dataset", "espnet2.tasks.abs_task")
        parser = super().get_parser()
        # ESPnet plots the attentions of its own layers, of which our models have none.
        parser.set_defaults(num_att_plot=0)

        def refuse(message: str) -> None:
            raise UserError("options", message)

        parser.error = refuse
        read_safely(parser)
        parser.add_argument(
            "--unsafe_resume", type=str2bool, default=False,
            help="Unpickle a state to resume from whatever it holds: it may run code",
        )  # fmt: skip
        return parser

    @classmethod
    def check_inputs(cls, args: argparse.Namespace) -> None:
        """Refuse what the options name wrongly, before anything slow begins."""

    @classmethod
    def main(cls, args: argparse.Namespace | None = None, cmd: Sequence[str] | None = None) -> None:
        """ESPnet's main: it runs no code of the files that it reads, and writes its folder alone.

        Raises:
            UserError: the options name something wrongly; weights or a state to resume from are no
                plain values.
        """
        if args is None:
            args = cls.get_parser().parse_args(cmd)
            cls.check_inputs(args)
        if args.unsafe_resume:
            with pickles_allowed(), hold_training(args.output_dir):
                return super().main(args=args, cmd=cmd)
        state = Path(args.output_dir or ".") / "checkpoint.pth"
        if args.resume and state.is_file():
            require_plain(state, "a state that ESPnet wrote; --unsafe_resume true unpickles any")
        with plain_values_only(), hold_training(args.output_dir):
            return super().main(args=args, cmd=cmd)
