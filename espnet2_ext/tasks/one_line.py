"""What all our tasks do unlike ESPnet's: safe options, refusal in one line, new draws by epoch."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espnet2.tasks.abs_task import AbsTask
from espnet2.utils.types import str2bool

from espnet2_ext.checkpoint import require_plain
from espnet2_ext.errors import UserError
from espnet2_ext.no_code import pickles_allowed, plain_values_only
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
        """ESPnet's main, which runs no code of the files that it reads.

        Raises:
            UserError: the options name something wrongly; weights or a state to resume from are no
                plain values.
        """
        if args is None:
            args = cls.get_parser().parse_args(cmd)
            cls.check_inputs(args)
        if args.unsafe_resume:
            with pickles_allowed():
                return super().main(args=args, cmd=cmd)
        state = Path(args.output_dir or ".") / "checkpoint.pth"
        if args.resume and state.is_file():
            require_plain(state, "a state that ESPnet wrote; --unsafe_resume true unpickles any")
        with plain_values_only():
            return super().main(args=args, cmd=cmd)
