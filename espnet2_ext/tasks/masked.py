"""ESPnet2 task of the masked generators: scores to semantic tokens, and these to acoustic ones."""

import argparse
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import ClassVar

from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str_or_none
from torch import Tensor

from espnet2_ext.conditions.registry import streams_read
from espnet2_ext.data.preprocessor import Crop, StreamPreprocessor
from espnet2_ext.data.streams import TOKEN, StreamSizes
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config
from espnet2_ext.masked.adaptation import (
    MaskedAdaptation,
    adapt,
    begin_epoch,
    parameter_groups,
)
from espnet2_ext.masked.build import new_model
from espnet2_ext.masked.model import TARGETS
from espnet2_ext.masked.singing import PredictedCodes, SingingConfig, SingingLoss, Transcription
from espnet2_ext.masked.training import MaskedTraining
from espnet2_ext.registry import register
from espnet2_ext.tasks.one_line import OneLineTask, add_token_options
from espnet2_ext.train.epoch_seed import EpochSeededTrainer
from espnet2_ext.transcription.inference import TranscriptionInference
from espnet2_ext.transcription.inputs import WAYS, PartlyPredicted
from espnet2_ext.transcription.losses import transcription_loss

_DEFAULT_LR = 1e-3


class MaskedTask(OneLineTask):
    """Trains `MaskedTraining` with ESPnet's plain trainer, seeded anew each epoch.

    Data streams, all kaldi_ark: ``codec_ssl``; ``prompt``, ``score_frames`` and others as the
    configuration needs them.
    """

    num_optimizers = 1
    class_choices_list: ClassVar[list] = []
    trainer = EpochSeededTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add this task's options to ESPnet's."""
        register("espnet2.tasks.abs_task")
        group = parser.add_argument_group("Masked generator")
        add_token_options(group, "sizes")
        add = group.add_argument
        add("--target", choices=TARGETS, help="tokens that are generated")
        add("--conditions", action=NestedDictAction, default={}, help="name: options of each")
        add("--singing_conf", action=NestedDictAction, default=None,
            help="masked.singing.SingingConfig; none: the token loss alone")  # fmt: skip
        add("--transcription_dir", type=str_or_none,
            help="experiment of a transcription model, for singing_conf's svt")  # fmt: skip
        add("--transcription_file", default="valid.loss.best.pth")
        add("--adaptation_conf", action=NestedDictAction, default={},
            help="masked.adaptation.MaskedAdaptation: what trains")  # fmt: skip
        add("--max_prompt_frames", type=int, default=150, help="token frames of the prompt")

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> StreamPreprocessor:
        """Checks, and crops in training."""
        return StreamPreprocessor(
            StreamSizes(args.sizes["codes"]),
            leader="codec_ssl",
            clocks={TOKEN: 1},
            crop=Crop(args.crop_frames),
            max_prompt_frames=args.max_prompt_frames,
            train=train and not args.collect_stats,
        )

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Streams that training cannot do without."""
        return ("codec_ssl",)

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> Collection[str]:
        """Streams that some configurations need."""
        return tuple(dict.fromkeys(("prompt", *streams_read())))

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> MaskedTraining:
        """Build from parsed options; a new model notes its sizes there, for config.yaml."""
        cls.trainer.seed = args.seed
        place = getattr(args, "config", None) or "masked configuration"
        training = new_model(args, place)
        adaptation = _adaptation(args, place)
        if args.singing_conf is not None:
            config = parse_config(SingingConfig, args.singing_conf, f"{place}: singing_conf")
            training.singing = SingingLoss(config, _transcription(args, config))
        adapt(training.model, adaptation)
        training.begin = partial(begin_epoch, training.model, adaptation)
        return training

    @classmethod
    def build_optimizers(cls, args: argparse.Namespace, model: MaskedTraining) -> list:
        """ESPnet's optimizer, with the groups that the adaptation makes of the parameters."""
        from espnet2.tasks.abs_task import optim_classes

        place = getattr(args, "config", None) or "masked configuration"
        rate = args.optim_conf.get("lr", _DEFAULT_LR)
        groups = parameter_groups(model.model, _adaptation(args, place), rate)
        return [optim_classes[args.optim](groups, **args.optim_conf)]


def _adaptation(args: argparse.Namespace, place: str) -> MaskedAdaptation:
    return parse_config(MaskedAdaptation, args.adaptation_conf, f"{place}: adaptation_conf")


def _transcription(args: argparse.Namespace, config: SingingConfig) -> Transcription | None:
    """The frozen transcription model of ``--transcription_dir``, as the loss asks it.

    Raises:
        UserError: there is none, or it was made for other codes.
    """
    if not config.svt:
        return None
    if not args.transcription_dir:
        raise UserError("options", "missing", "a folder (or singing_conf svt: 0)",
                        "--transcription_dir")  # fmt: skip
    folder = Path(args.transcription_dir)
    loaded = TranscriptionInference.load(folder / "config.yaml", folder / args.transcription_file)
    net = loaded.net.requires_grad_(False)

    def pitch(heard: PredictedCodes, way: str) -> Tensor:
        read = WAYS[way](heard.logits)
        codes = PartlyPredicted(heard.codes, read, heard.layer, heard.mask)
        return net.to(heard.logits.device)(codes, heard.lengths)

    def loss(logits: Tensor, midi: Tensor, notes: Tensor, mask: Tensor) -> Tensor:
        return transcription_loss(logits, midi, notes, mask).total

    return Transcription(pitch, loss)
