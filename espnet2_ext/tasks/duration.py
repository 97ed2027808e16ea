"""ESPnet2 task of the phone-duration model."""

import argparse
from collections.abc import Collection
from typing import ClassVar

from espnet2.utils.nested_dict_action import NestedDictAction

from espnet2_ext.data.preprocessor import StreamPreprocessor
from espnet2_ext.data.streams import NOTE, StreamSizes
from espnet2_ext.duration.inference import build_net
from espnet2_ext.duration.model import DurationModel
from espnet2_ext.score.phones import PHONES
from espnet2_ext.tasks.one_line import OneLineTask
from espnet2_ext.train.epoch_seed import EpochSeededTrainer


class DurationTask(OneLineTask):
    """Trains `DurationModel` on notes and how a label performed them, with ESPnet's trainer,
    seeded anew each epoch."""

    num_optimizers = 1
    class_choices_list: ClassVar[list] = []
    trainer = EpochSeededTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add this task's options to ESPnet's."""
        group = parser.add_argument_group("Duration")
        group.add_argument("--model_conf", action=NestedDictAction, default={})
        group.add_argument(
            "--phone_list", nargs="*", default=list(PHONES), help="phones in the order of their ids"
        )

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> StreamPreprocessor:
        """Checks."""
        return StreamPreprocessor(StreamSizes(), leader="notes", clocks={NOTE: 1}, train=train)

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Streams that training cannot do without."""
        return ("notes",) if inference else ("notes", "targets")

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> Collection[str]:
        """None."""
        return ()

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> DurationModel:
        """Build from parsed options."""
        cls.trainer.seed = args.seed
        return DurationModel(build_net(vars(args), getattr(args, "config", None) or "options"))
