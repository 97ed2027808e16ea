"""Build a vocoder with its losses from options: for training, and without ESPnet's slow imports."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from torch import nn

from espnet2_ext.audio.mel import mel_config
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config
from espnet2_ext.vocoder.abs_vocoder import AbsVocoder
from espnet2_ext.vocoder.f0_predictor import F0Predictor
from espnet2_ext.vocoder.hifigan import HiFiGANDiscriminator, HiFiGANVocoder
from espnet2_ext.vocoder.model import VocoderModel
from espnet2_ext.vocoder.nsf_hifigan import NSFHiFiGANVocoder
from espnet2_ext.vocoder.source_filter import SourceFilterVocoder
from espnet2_ext.vocoder.vocos import VocosVocoder

VOCODERS: dict[str, type[AbsVocoder]] = {
    "source_filter": SourceFilterVocoder,
    "hifigan": HiFiGANVocoder,
    "nsf_hifigan": NSFHiFiGANVocoder,
    "vocos": VocosVocoder,
}
F0_PREDICTORS: dict[str, type[nn.Module]] = {"convnext": F0Predictor}
DISCRIMINATORS: dict[str, type[nn.Module]] = {"hifigan": HiFiGANDiscriminator}


def build_vocoder(args: Namespace, place: str | Path = "") -> VocoderModel:
    """Build the untrained model that options (a run's ``config.yaml``) describe.

    Args:
        args: mel_config, and name and ``_conf`` of vocoder, f0_predictor and discriminator.
        place: The file they come from, for errors.

    Raises:
        UserError: an unknown name or option.
    """
    prefix = f"{place}: " if place else ""
    try:
        mel = mel_config(args, prefix)
        vocoder = _build(prefix, args, "vocoder", VOCODERS, mel=mel)
        predictor = _build(prefix, args, "f0_predictor", F0_PREDICTORS, mel=mel)
        discriminator = _build(prefix, args, "discriminator", DISCRIMINATORS)
        conf = args.model_conf
    except AttributeError as error:
        raise UserError(place, f"not a vocoder's configuration ({error})") from None
    if vocoder is None:
        raise UserError(place, "none", f"one of {', '.join(VOCODERS)}", "vocoder")
    return parse_config(
        VocoderModel, conf, f"{prefix}model_conf",
        vocoder=vocoder, f0_predictor=predictor, discriminator=discriminator,
    )  # fmt: skip


def _build(prefix: str, args: Namespace, part: str, choices: dict, **given: Any) -> Any:
    name, conf = getattr(args, part), getattr(args, f"{part}_conf")
    if name is None:
        return None
    if not isinstance(name, str) or name not in choices:
        raise UserError(f"{prefix}{part}", f"{name}", f"one of {', '.join(choices)}")
    return parse_config(choices[name], conf or {}, f"{prefix}{part}_conf", **given)
