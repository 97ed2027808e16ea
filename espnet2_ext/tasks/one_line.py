"""What all our tasks do unlike ESPnet's: safe options, refusal in one line, new draws by epoch."""

import argparse
from typing import Any

from espnet2.tasks.abs_task import AbsTask

from espnet2_ext.errors import UserError
from espnet2_ext.registry import register
from espnet2_ext.tasks.options import read_safely
from espnet2_ext.train.epoch_data import EpochIterFactory


class OneLineTask(AbsTask):
    """An ESPnet task; a wrong option is a `UserError`, and its data knows the epoch."""

    @classmethod
    def build_iter_factory(
        cls, args: argparse.Namespace, *arguments: Any, **options: Any
    ) -> EpochIterFactory:
        return EpochIterFactory(super().build_iter_factory(args, *arguments, **options), args.seed)

    @classmethod
    def get_parser(cls) -> argparse.ArgumentParser:
        register("espnet2.train.dataset")
        parser = super().get_parser()
        # ESPnet plots the attentions of its own layers, of which our models have none.
        parser.set_defaults(num_att_plot=0)

        def refuse(message: str) -> None:
            raise UserError("options", message)

        parser.error = refuse
        read_safely(parser)
        return parser
