"""Build a mel-VAE with its losses from options: for training, and without ESPnet's slow imports."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from espnet2_ext.audio.mel import MelConfig, mel_config
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config
from espnet2_ext.mel_vae.autoencoder import MelAutoencoder
from espnet2_ext.mel_vae.discriminator import PatchDiscriminator
from espnet2_ext.mel_vae.model import MelVAEModel


def build_mel_vae(args: Namespace, place: str | Path = "") -> MelVAEModel:
    """Build the untrained model that options (a run's ``config.yaml``) describe.

    Args:
        args: mel_config, autoencoder_conf, discriminator_conf (None: no discriminator), model_conf.
        place: The file they come from, for errors.

    Raises:
        UserError: an unknown option, or a value that cannot be.
    """
    prefix = f"{place}: " if place else ""
    try:
        mel: MelConfig = mel_config(args, prefix)
        parts: dict[str, Any] = {
            "autoencoder": parse_config(
                MelAutoencoder, args.autoencoder_conf, f"{prefix}autoencoder_conf", mel=mel
            ),
            "discriminator": None,
        }
        if args.discriminator_conf is not None:
            parts["discriminator"] = parse_config(
                PatchDiscriminator, args.discriminator_conf, f"{prefix}discriminator_conf"
            )
        return parse_config(MelVAEModel, args.model_conf, f"{prefix}model_conf", **parts)
    except AttributeError as error:
        raise UserError(place, f"not a mel-VAE's configuration ({error})") from None
