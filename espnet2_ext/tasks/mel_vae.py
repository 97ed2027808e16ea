"""Training of a mel-VAE by ESPnet's GAN trainer, or its plain one without a discriminator."""

import argparse
import math
from typing import ClassVar

from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str2bool

from espnet2_ext.audio.mel import mel_config
from espnet2_ext.data.preprocessor import Crop, StreamPreprocessor
from espnet2_ext.data.streams import MEL, StreamSizes
from espnet2_ext.errors import UserError
from espnet2_ext.mel_vae.build import build_mel_vae
from espnet2_ext.mel_vae.model import MelVAEModel
from espnet2_ext.tasks.adversarial import AdversarialTask


class MelVAETask(AdversarialTask):
    """Stream: ``mel`` (kaldi_ark)."""

    class_choices_list: ClassVar[list] = []

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group(description="Mel-VAE")
        cls.add_mel_options(group)
        add = group.add_argument
        add("--autoencoder_conf", action=NestedDictAction, default={},
            help="keyword arguments of MelAutoencoder")  # fmt: skip
        add("--discriminator_conf", action=NestedDictAction, default=None,
            help="keyword arguments of PatchDiscriminator; left out: no discriminator")  # fmt: skip
        add("--model_conf", action=NestedDictAction, default={},
            help="keyword arguments of MelVAEModel")  # fmt: skip
        add("--use_preprocessor", type=str2bool, default=True, help="crop (always needed)")

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> StreamPreprocessor:
        """Checks, and equal crops; what is shorter is silent."""
        mel = mel_config(args)
        return StreamPreprocessor(
            StreamSizes(n_mels=mel.n_mels),
            leader="mel",
            clocks={MEL: 1},
            crop=Crop(args.crop_frames, equal=True, padding={"mel": math.log(mel.floor)}),
            train=train,
        )

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        return ("mel",)

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        return ()

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> MelVAEModel:
        cls.prepare_turns(args)
        model = build_mel_vae(args)
        if args.crop_frames < 1 or args.crop_frames % model.generator.mel_frames:
            expected = f"a multiple of {model.generator.mel_frames}, mel frames of a latent frame"
            raise UserError("options", f"{args.crop_frames}", expected, "crop_frames")
        return model
