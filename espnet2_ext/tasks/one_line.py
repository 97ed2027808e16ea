"""What all our tasks do unlike ESPnet's: refuse in one line, where its parser prints its usage."""

import argparse

from espnet2.tasks.abs_task import AbsTask

from espnet2_ext.errors import UserError


class OneLineTask(AbsTask):
    """An ESPnet task; a wrong option is a `UserError`."""

    @classmethod
    def get_parser(cls) -> argparse.ArgumentParser:
        parser = super().get_parser()
        # ESPnet plots the attentions of its own layers, of which our models have none.
        parser.set_defaults(num_att_plot=0)

        def refuse(message: str) -> None:
            raise UserError("options", message)

        parser.error = refuse
        return parser
