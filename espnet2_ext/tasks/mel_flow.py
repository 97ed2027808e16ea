"""ESPnet2 task of the flow: codec_ssl tokens (and the score's pitch) to mel or codec embedding."""

import argparse
from collections.abc import Collection
from typing import ClassVar

import torch
from espnet2.train.class_choices import ClassChoices
from espnet2.utils.nested_dict_action import NestedDictAction

from espnet2_ext.conditions.registry import streams_read
from espnet2_ext.data.preprocessor import Crop, StreamPreprocessor
from espnet2_ext.data.streams import MEL, TOKEN, StreamSizes
from espnet2_ext.flow.build import VELOCITIES, new_model
from espnet2_ext.flow.model import MelFlow
from espnet2_ext.flow.token_embedding import Geometry
from espnet2_ext.registry import register
from espnet2_ext.score.length import EXACT, POLICIES
from espnet2_ext.tasks.one_line import OneLineTask, add_token_options
from espnet2_ext.train.epoch_seed import EpochSeededTrainer

velocity_choices = ClassChoices(
    "velocity", classes=VELOCITIES, type_check=torch.nn.Module, default="convnext"
)


class MelFlowTask(OneLineTask):
    """Trains `MelFlow` with ESPnet's plain trainer, seeded anew each epoch.

    Data streams, all kaldi_ark: ``codec_ssl``, ``mel``; ``score_frames`` (Flow2), ``f0``
    (predict_f0), ``prompt``, ``sampled`` (LM-sampled tokens) and ``soft`` (the codec embeddings
    expected with them) as the configuration needs them.
    """

    num_optimizers = 1
    class_choices_list: ClassVar[list] = [velocity_choices]
    trainer = EpochSeededTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add this task's options to ESPnet's."""
        register("espnet2.tasks.abs_task")
        group = parser.add_argument_group("Flow")
        add_token_options(group, "geometry")
        group.add_argument("--condition_conf", action=NestedDictAction, default={})
        group.add_argument(
            "--max_prompt_frames", type=int, default=150, help="token frames of the prompt"
        )
        group.add_argument(
            "--length_policy",
            choices=POLICIES,
            default=EXACT,
            help="of sampled tokens that are not as many as codec_ssl (score/length.py)",
        )
        for choices in cls.class_choices_list:
            choices.add_arguments(group)

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> StreamPreprocessor:
        """Checks, and crops in training."""
        geometry = Geometry(**args.geometry)
        mel = geometry.mel_config
        return StreamPreprocessor(
            StreamSizes(geometry.sizes, mel.n_mels, geometry.embed_dim),
            leader="codec_ssl",
            clocks={TOKEN: 1, MEL: mel.frames_per_token},
            crop=Crop(args.crop_frames),
            max_prompt_frames=args.max_prompt_frames,
            train=train and not args.collect_stats,
            length_policy=args.length_policy,
        )

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Streams that training cannot do without."""
        return ("codec_ssl",) if inference else ("codec_ssl", "mel")

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> Collection[str]:
        """Streams that some configurations need."""
        return ("f0", "sampled", "soft", *streams_read())

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> MelFlow:
        """Build from parsed options; a new model notes its geometry there, for config.yaml."""
        cls.trainer.seed = args.seed
        return new_model(args, getattr(args, "config", None) or "flow configuration")
