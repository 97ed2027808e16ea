"""The choice among codecs: fitted to the corpus, or pretrained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config
from espnet2_ext.tokenizer.codec import AudioCodec
from espnet2_ext.tokenizer.espnet_codec import ESPnetCodec, ESPnetCodecConfig
from espnet2_ext.tokenizer.maskgct_codec import MaskGCTCodec, MaskGCTCodecConfig
from espnet2_ext.tokenizer.mel_rvq import MelRVQ, MelRVQConfig

CODECS = ("mel_rvq", "espnet", "maskgct")


def codec_type(config: Mapping[str, Any], place: str | Path) -> str:
    """The ``type`` of a codec section; an unknown one is a `UserError`."""
    name = config.get("type")
    if name not in CODECS:
        expected = f"{', '.join(CODECS[:-1])} or {CODECS[-1]}"
        raise UserError(place, f"{name!r}", expected, "codec type")
    return name


def create_codec(config: Mapping[str, Any], mel: MelConfig, place: str | Path) -> AudioCodec:
    """Build the codec a ``codec`` section names: mel_rvq yet to be fitted, or a pretrained one.

    Args:
        config: The section.
        mel: The recipe's mel configuration.
        place: File the section stands in, for error messages.
    """
    options = {key: value for key, value in config.items() if key != "type"}
    codec: AudioCodec
    kind = codec_type(config, place)
    if kind == "mel_rvq":
        codec = MelRVQ(mel, parse_config(MelRVQConfig, options, place))
    elif kind == "maskgct":
        codec = MaskGCTCodec.read(parse_config(MaskGCTCodecConfig, options, place).source)
    else:
        codec = ESPnetCodec.create(parse_config(ESPnetCodecConfig, options, place), place)
    codec.check(mel, place)
    return codec.eval()


def load_codec(config: Mapping[str, Any], mel: MelConfig, folder: str | Path) -> AudioCodec:
    """Load the codec of a tokenizer folder, as `AudioCodec.save` wrote it.

    Args:
        config: The ``codec`` section of the folder's config.yaml.
        mel: The recipe's mel configuration.
        folder: Tokenizer folder.
    """
    place = Path(folder) / "config.yaml"
    codec: AudioCodec
    kind = codec_type(config, place)
    if kind == "mel_rvq":
        codec = MelRVQ.load(lambda: create_codec(config, mel, place), folder)
    else:
        codec = (MaskGCTCodec if kind == "maskgct" else ESPnetCodec).load(folder)
        codec.check(mel, place)
    return codec.eval()
