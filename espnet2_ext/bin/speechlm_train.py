"""Collect statistics of, or train, a speech LM (ESPnet's options; see --help)."""

import os
import sys
from collections.abc import Sequence

from espnet2_ext.errors import cli


def get_parser():
    from espnet2_ext.tasks.speechlm import SpeechLMTask

    return SpeechLMTask.get_parser()


@cli
def main(argv: Sequence[str] | None = None) -> None:
    argv = list(sys.argv[1:] if argv is None else argv)
    ngpu = argv[argv.index("--ngpu") + 1] if "--ngpu" in argv[:-1] else "0"
    if ngpu == "0":
        # DeepSpeed looks for a GPU when it is imported; without this it would take one.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    from espnet2_ext.tasks.speechlm import SpeechLMTask

    SpeechLMTask.main(cmd=argv)


if __name__ == "__main__":
    main()
