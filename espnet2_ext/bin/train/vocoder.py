"""Train a vocoder (stage 12)."""


def call(argv: list[str]) -> None:
    """With the options of ESPnet's GAN tasks and those of `VocoderTask`."""
    from espnet2_ext.tasks.vocoder import VocoderTask

    VocoderTask.main(cmd=argv)
