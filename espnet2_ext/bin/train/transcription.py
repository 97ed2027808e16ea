"""Train the singing voice transcription model on tokens and their scores' frames."""


def call(argv: list[str]) -> None:
    """With ESPnet's options and those of `TranscriptionTask`."""
    from espnet2_ext.tasks.transcription import TranscriptionTask

    TranscriptionTask.main(cmd=argv)
