"""Train the flow (stage 10), or collect its statistics, with ESPnet's options."""

from collections.abc import Sequence

from espnet2_ext.errors import cli


def get_parser():
    """ESPnet's parser with the options of `MelFlowTask`."""
    from espnet2_ext.tasks.mel_flow import MelFlowTask

    return MelFlowTask.get_parser()


@cli
def main(argv: Sequence[str] | None = None) -> None:
    """Train from a list of arguments, or the command line."""
    from espnet2_ext.tasks.mel_flow import MelFlowTask

    MelFlowTask.main(cmd=argv)


if __name__ == "__main__":
    main()
