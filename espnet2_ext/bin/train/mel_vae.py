"""Train a mel-VAE: mels to latents at a lower rate, and back."""


def call(argv: list[str]) -> None:
    """With the options of ESPnet's GAN tasks and those of `MelVAETask`."""
    from espnet2_ext.tasks.mel_vae import MelVAETask

    MelVAETask.main(cmd=argv)
