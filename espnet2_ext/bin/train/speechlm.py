"""Train a speech LM (stage 8), or collect its statistics (stage 7)."""

import os


def call(argv: list[str]) -> None:
    """With ESPnet's options and those of `SpeechLMTask`."""
    ngpu = argv[argv.index("--ngpu") + 1] if "--ngpu" in argv[:-1] else "0"
    if ngpu == "0":
        # DeepSpeed looks for a GPU when it is imported; without this it would take one.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    from espnet2_ext.tasks.speechlm import SpeechLMTask

    SpeechLMTask.main(cmd=argv)
