"""Train a flow of a mel-VAE's latents, or collect its statistics."""


def call(argv: list[str]) -> None:
    """With ESPnet's options and those of `LatentFlowTask`."""
    from espnet2_ext.tasks.latent_flow import LatentFlowTask

    LatentFlowTask.main(cmd=argv)
