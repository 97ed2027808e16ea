"""What tasks with a discriminator share: a trainer that takes turns, data, two optimizers."""

import argparse
from pathlib import Path
from typing import Any

import torch
from espnet2.tasks.abs_task import optim_classes
from espnet2.train.gan_trainer import GANTrainer

from espnet2_ext.errors import UserError
from espnet2_ext.tasks.one_line import OneLineTask
from espnet2_ext.train.epoch_seed import Repeatable
from espnet2_ext.train.model_by_turns import ModelByTurns


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


class TrainerByTurns(Repeatable, _ByTurns):
    """Takes turns where there is a discriminator, repeatable."""


class AdversarialTask(OneLineTask):
    """A task whose model is a `ModelByTurns`; it needs no statistics and no vocabulary."""

    num_optimizers: int = 2
    trainer = TrainerByTurns

    @classmethod
    def check_inputs(cls, args: argparse.Namespace) -> None:
        for split in ("train", "valid"):
            streams = getattr(args, f"{split}_data_path_and_name_and_type")
            shapes = getattr(args, f"{split}_shape_file")
            for path in [*(stream[0] for stream in streams), *shapes]:
                if not Path(path).is_file():
                    raise UserError(path, "no such file", f"{split} data")

    @staticmethod
    def add_mel_options(group: Any) -> None:
        """``--mel_config`` and ``--crop_frames``, for a model of mels."""
        group.add_argument(
            "--mel_config",
            default="conf/mel.yaml",
            help="YAML of the mel configuration; its values are stored in the run's config.yaml",
        )
        group.add_argument(
            "--crop_frames", type=int, default=64, help="mel frames of a training crop"
        )

    @classmethod
    def prepare_turns(cls, args: argparse.Namespace) -> None:
        """Set the trainer's seed, and what turns ask of ESPnet; before a model is built.

        Raises:
            UserError: several processes would skip discriminators each by itself.
        """
        cls.trainer.seed = args.seed
        if args.skip_discriminator_prob and getattr(args, "distributed", False):
            # ESPnet's trainer draws on each rank by itself, and then their gradients do not meet
            found = f"{args.skip_discriminator_prob} with several processes"
            raise UserError("options", found, "0, or one process", "skip_discriminator_prob")
        # Generator and discriminator take turns: neither's step uses the other's parameters.
        args.unused_parameters = True

    @classmethod
    def build_optimizers(
        cls, args: argparse.Namespace, model: ModelByTurns
    ) -> list[torch.optim.Optimizer]:
        """One for the generator; one for the discriminator where there is one."""
        optimizers = [optim_classes[args.optim](model.generator.parameters(), **args.optim_conf)]
        if model.discriminator is not None:
            optimizers.append(
                optim_classes[args.optim2](model.discriminator.parameters(), **args.optim2_conf)
            )
        return optimizers
