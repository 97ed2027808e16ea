"""ESPnet2 task of the masked generators: scores to semantic tokens, and these to acoustic ones."""

import argparse
from collections.abc import Collection
from typing import ClassVar

from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str_or_none

from espnet2_ext.conditions.registry import streams_read
from espnet2_ext.data.preprocessor import Crop, StreamPreprocessor
from espnet2_ext.data.streams import TOKEN, StreamSizes
from espnet2_ext.masked.build import new_model
from espnet2_ext.masked.model import TARGETS
from espnet2_ext.masked.training import MaskedTraining
from espnet2_ext.registry import register
from espnet2_ext.tasks.one_line import OneLineTask
from espnet2_ext.train.epoch_seed import EpochSeededTrainer


class MaskedTask(OneLineTask):
    """Trains `MaskedTraining` with ESPnet's plain trainer, seeded anew each epoch.

    Data streams, all kaldi_ark: ``codec_ssl``; ``prompt``, ``score_frames`` and others as the
    configuration needs them.
    """

    num_optimizers = 1
    class_choices_list: ClassVar[list] = []
    trainer = EpochSeededTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add this task's options to ESPnet's."""
        register("espnet2.tasks.abs_task")
        add = parser.add_argument_group("Masked generator").add_argument
        add("--tokenizer_dir", type=str_or_none, help="folder written by fit_tokenizers")
        add("--sizes", action=NestedDictAction, default={},
            help="sizes of the tokens; found from tokenizer_dir")  # fmt: skip
        add("--target", choices=TARGETS, help="tokens that are generated")
        add("--model_conf", action=NestedDictAction, default={}, help="masked.config.MaskedConfig")
        add("--conditions", action=NestedDictAction, default={}, help="name: options of each")
        add("--crop_frames", type=int, default=0, help="token frames of a training crop; 0: whole")
        add("--max_prompt_frames", type=int, default=150, help="token frames of the prompt")

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> StreamPreprocessor:
        """Checks, and crops in training."""
        return StreamPreprocessor(
            StreamSizes(args.sizes["codes"]),
            leader="codec_ssl",
            clocks={TOKEN: 1},
            crop=Crop(args.crop_frames),
            max_prompt_frames=args.max_prompt_frames,
            train=train and not args.collect_stats,
        )

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Streams that training cannot do without."""
        return ("codec_ssl",)

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> Collection[str]:
        """Streams that some configurations need."""
        return tuple(dict.fromkeys(("prompt", *streams_read())))

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> MaskedTraining:
        """Build from parsed options; a new model notes its sizes there, for config.yaml."""
        cls.trainer.seed = args.seed
        return new_model(args, getattr(args, "config", None) or "masked configuration")
