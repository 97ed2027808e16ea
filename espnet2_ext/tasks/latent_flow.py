"""ESPnet2 task of a flow of latents: any conditions to those of a mel-VAE."""

import argparse
from collections.abc import Collection
from pathlib import Path

from espnet2_ext.conditions.registry import streams_read
from espnet2_ext.data.latent_scores import N_PHONES
from espnet2_ext.data.preprocessor import Crop, StreamPreprocessor
from espnet2_ext.data.streams import LATENT, TOKEN, StreamSizes
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config, read_json
from espnet2_ext.flow.build import build_model
from espnet2_ext.flow.model import MelFlow
from espnet2_ext.flow.token_embedding import Geometry
from espnet2_ext.tasks.mel_flow import MelFlowTask


class LatentFlowTask(MelFlowTask):
    """Trains `MelFlow` on ``latents``, with ``space: {output: latent, predict_f0: false}``.

    Sizes are those of the latents, ``--latents_json``, with the phone set of `data.latent_scores`;
    or they are named: ``geometry: {latent_dim: 40, latent_fps: 43.07, n_phones: 61}``. Streams that
    elsewhere have one frame per token, such as ``score_frames``, have one per latent frame.
    """

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add this task's options to those of `MelFlowTask`."""
        super().add_task_arguments(parser)
        help = "latents.json of the training set (`infer latents`): sizes"
        parser.add_argument("--latents_json", type=Path, help=help)

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> StreamPreprocessor:
        """Checks, and crops in training (``crop_frames`` latent frames)."""
        return StreamPreprocessor(
            StreamSizes(latent_dim=args.geometry["latent_dim"]),
            leader="latents",
            clocks={LATENT: 1, TOKEN: 1},
            crop=Crop(args.crop_frames),
            max_prompt_frames=args.max_prompt_frames,
            train=train and not args.collect_stats,
        )

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Streams that training cannot do without."""
        return () if inference else ("latents",)

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> Collection[str]:
        """Streams that some configurations need."""
        return streams_read()

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> MelFlow:
        """Build from parsed options.

        Raises:
            UserError: the sizes are missing, or the space is another one.
        """
        cls.trainer.seed = args.seed
        place = getattr(args, "config", None) or "flow configuration"
        if args.latents_json:
            args.geometry = _sizes_of(args.latents_json)
            args.latents_json = str(args.latents_json)
        geometry = parse_config(Geometry, args.geometry, f"{place}: geometry")
        model = build_model(args, geometry, place)
        if model.clock != "latents":
            raise UserError(place, model.config.space.output, "latent", "model_conf: space: output")
        args.geometry = geometry.asdict()
        return model


def _sizes_of(latents_json: Path) -> dict[str, float]:
    facts = read_json(latents_json)
    try:
        latent_dim, latent_fps = facts["channels"], facts["frames_per_sec"]
    except (KeyError, TypeError):
        found = "no channels or frames_per_sec"
        raise UserError(latents_json, found, "latents.json of `infer latents`") from None
    return {"latent_dim": latent_dim, "latent_fps": latent_fps, "n_phones": N_PHONES}
