"""Run one of ESPnet's own command lines with the toolkit's classes registered.

usage: python -m espnet2_ext.bin.espnet MODULE [options of MODULE]
e.g.   python -m espnet2_ext.bin.espnet espnet2.bin.svs_train --help
"""

import resource
import runpy
import sys

from espnet2_ext.errors import UserError, at_end, cli
from espnet2_ext.lock import hold_training
from espnet2_ext.registry import register


@cli
def main() -> None:
    if sys.argv[1:2] in (["--help"], ["-h"]):
        print(__doc__.strip())
        return
    if len(sys.argv) < 2 or not sys.argv[1].startswith(("espnet2.bin.", "espnet2_ext.bin.")):
        raise UserError("espnet", f"module {' '.join(sys.argv[1:2]) or 'missing'}", "espnet2.bin.*")
    register()
    from espnet2_ext.tasks.options import read_safely_everywhere

    read_safely_everywhere()
    if sys.argv[1].endswith("_train"):
        end_epochs_whole()
    del sys.argv[0]
    if "--output_dir" in sys.argv[:-1]:
        at_end(hold_training(sys.argv[sys.argv.index("--output_dir") + 1]))
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    finally:
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(f"espnet: {used.ru_utime + used.ru_stime:.0f} CPU s", file=sys.stderr)


def end_epochs_whole() -> None:
    """Have ESPnet's trainers end epochs whole, however often they are killed.

    Of all tasks that are loaded: some, as that of the SVS models, name a trainer of their own.
    """
    from espnet2.tasks.abs_task import AbsTask

    from espnet2_ext.train.epoch_files import WholeEpochs

    tasks = [AbsTask]
    while tasks:
        task = tasks.pop()
        tasks += task.__subclasses__()
        if "trainer" in vars(task) and not issubclass(task.trainer, WholeEpochs):
            task.trainer = type(task.trainer.__name__, (WholeEpochs, task.trainer), {})


if __name__ == "__main__":
    main()
