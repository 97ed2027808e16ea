"""Train a masked generator: text (a score) to semantic tokens, or semantic to acoustic ones."""


def call(argv: list[str]) -> None:
    """With ESPnet's options and those of `MaskedTask`."""
    from espnet2_ext.tasks.masked import MaskedTask

    MaskedTask.main(cmd=argv)
