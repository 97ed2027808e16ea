"""What all our tasks refuse in one line, where ESPnet's parser prints its whole usage."""

import argparse

from espnet2.tasks.abs_task import AbsTask

from espnet2_ext.errors import UserError


class OneLineTask(AbsTask):
    """An ESPnet task; a wrong option is a `UserError`."""

    @classmethod
    def get_parser(cls) -> argparse.ArgumentParser:
        parser = super().get_parser()

        def refuse(message: str) -> None:
            raise UserError("options", message)

        parser.error = refuse
        return parser
