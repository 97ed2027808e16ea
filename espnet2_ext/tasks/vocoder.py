"""Training of vocoders with ESPnet's GAN trainer, or its plain one where nothing is adversarial."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from espnet2.tasks.abs_task import optim_classes
from espnet2.train.class_choices import ClassChoices
from espnet2.train.gan_trainer import GANTrainer
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str2bool

from espnet2_ext.data.preprocessor import Crop, StreamPreprocessor
from espnet2_ext.data.streams import MEL, SAMPLE, StreamSizes
from espnet2_ext.errors import UserError
from espnet2_ext.tasks.one_line import OneLineTask
from espnet2_ext.train.epoch_seed import Repeatable
from espnet2_ext.vocoder.abs_vocoder import AbsVocoder
from espnet2_ext.vocoder.build import (
    DISCRIMINATORS,
    F0_PREDICTORS,
    VOCODERS,
    build_vocoder,
    mel_config,
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


class _ByTurns(GANTrainer):
    """ESPnet's GAN trainer; without a discriminator, its plain trainer on the generator's turn."""

    @classmethod
    def train_one_epoch(cls, model: torch.nn.Module, **kwargs: Any) -> bool:
        return _trainer_of(cls, model).train_one_epoch(model=model, **kwargs)

    @classmethod
    def validate_one_epoch(cls, model: torch.nn.Module, **kwargs: Any) -> None:
        _trainer_of(cls, model).validate_one_epoch(model=model, **kwargs)


def _trainer_of(trainer: type[_ByTurns], model: torch.nn.Module) -> Any:
    adversarial = getattr(model, "module", model).discriminator is not None
    return super(_ByTurns if adversarial else GANTrainer, trainer)


class VocoderTrainer(Repeatable, _ByTurns):
    """Takes turns where there is a discriminator, repeatable."""


class VocoderTask(OneLineTask):
    """Streams: ``mel`` and ``f0`` (kaldi_ark, at the mel's hop) and ``wav`` (sound)."""

    num_optimizers: int = 2
    class_choices_list = [vocoder_choices, f0_predictor_choices, discriminator_choices]  # noqa: RUF012
    trainer = VocoderTrainer

    @classmethod
    def check_inputs(cls, args: argparse.Namespace) -> None:
        for split in ("train", "valid"):
            streams = getattr(args, f"{split}_data_path_and_name_and_type")
            shapes = getattr(args, f"{split}_shape_file")
            for path in [*(stream[0] for stream in streams), *shapes]:
                if not Path(path).is_file():
                    raise UserError(path, "no such file", f"{split} data")

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group(description="Task related")
        group.add_argument(
            "--mel_config",
            default="conf/mel.yaml",
            help="YAML of the mel configuration; its values are stored in the run's config.yaml",
        )
        group.add_argument(
            "--crop_frames", type=int, default=64, help="mel frames of a training crop"
        )
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
        cls.trainer.seed = args.seed
        if args.skip_discriminator_prob and getattr(args, "distributed", False):
            # ESPnet's trainer draws on each rank by itself, and then their gradients do not meet
            found = f"{args.skip_discriminator_prob} with several processes"
            raise UserError("options", found, "0, or one process", "skip_discriminator_prob")
        # Generator and discriminator take turns: neither's step uses the other's parameters.
        args.unused_parameters = True
        return build_vocoder(args)

    @classmethod
    def build_optimizers(
        cls, args: argparse.Namespace, model: VocoderModel
    ) -> list[torch.optim.Optimizer]:
        optimizers = [optim_classes[args.optim](model.generator.parameters(), **args.optim_conf)]
        if model.discriminator is not None:
            optimizers.append(
                optim_classes[args.optim2](model.discriminator.parameters(), **args.optim2_conf)
            )
        return optimizers
