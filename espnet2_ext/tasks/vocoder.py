"""Training of vocoders with ESPnet's GAN trainer, or its plain one where nothing is adversarial."""

import argparse

import numpy as np
from espnet2.train.class_choices import ClassChoices
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str2bool

from espnet2_ext.audio.mel import mel_config
from espnet2_ext.data.preprocessor import Crop, StreamPreprocessor
from espnet2_ext.data.streams import MEL, SAMPLE, StreamSizes
from espnet2_ext.tasks.adversarial import AdversarialTask
from espnet2_ext.vocoder.abs_vocoder import AbsVocoder
from espnet2_ext.vocoder.build import (
    DISCRIMINATORS,
    F0_PREDICTORS,
    VOCODERS,
    build_vocoder,
)
from espnet2_ext.vocoder.model import VocoderModel

vocoder_choices = ClassChoices(
    "vocoder",
    classes=VOCODERS,
    type_check=AbsVocoder,
    default="source_filter",
)
f0_predictor_choices = ClassChoices(
    "f0_predictor", classes=F0_PREDICTORS, default=None, optional=True
)
discriminator_choices = ClassChoices(
    "discriminator", classes=DISCRIMINATORS, default=None, optional=True
)


class VocoderTask(AdversarialTask):
    """Streams: ``mel`` and ``f0`` (kaldi_ark, at the mel's hop) and ``wav`` (sound)."""

    class_choices_list = [vocoder_choices, f0_predictor_choices, discriminator_choices]  # noqa: RUF012

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group(description="Task related")
        cls.add_mel_options(group)
        group.add_argument(
            "--model_conf",
            action=NestedDictAction,
            default={},
            help="keyword arguments of VocoderModel",
        )
        group.add_argument(
            "--use_preprocessor", type=str2bool, default=True, help="crop (always needed)"
        )
        for choices in cls.class_choices_list:
            choices.add_arguments(group)

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> StreamPreprocessor:
        """Checks, and equal crops; what is shorter, and audio shorter than its mel, is silent."""
        mel = mel_config(args)
        return StreamPreprocessor(
            StreamSizes(n_mels=mel.n_mels),
            leader="mel",
            clocks={MEL: 1, SAMPLE: mel.hop_length},
            crop=Crop(args.crop_frames, equal=True, padding={"mel": float(np.log(mel.floor))}),
            train=train,
        )

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        return ("mel",) if inference else ("mel", "wav")

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        return ("f0",)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> VocoderModel:
        cls.prepare_turns(args)
        return build_vocoder(args)
