"""Train a vocoder: options of ESPnet's GAN tasks, and of ours (--vocoder, --mel_config, ...)."""

import argparse
from collections.abc import Sequence

from espnet2_ext.errors import cli
from espnet2_ext.tasks.vocoder import VocoderTask


def get_parser() -> argparse.ArgumentParser:
    return VocoderTask.get_parser()


@cli
def main(argv: Sequence[str] | None = None) -> None:
    VocoderTask.main(cmd=argv)


if __name__ == "__main__":
    main()
