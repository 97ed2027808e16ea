"""Train the flow (stage 10), or collect its statistics."""


def call(argv: list[str]) -> None:
    """With ESPnet's options and those of `MelFlowTask`."""
    from espnet2_ext.tasks.mel_flow import MelFlowTask

    MelFlowTask.main(cmd=argv)
