"""ESPnet2 task of singing voice transcription: codec codes to the pitch token of each frame."""

import argparse
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from espnet2_ext.data.preprocessor import Crop, StreamPreprocessor
from espnet2_ext.data.streams import TOKEN, StreamSizes, StreamTables
from espnet2_ext.errors import UserError
from espnet2_ext.score.lyrics.languages import vowels_among
from espnet2_ext.tasks.one_line import OneLineTask, add_token_options
from espnet2_ext.tokenizer.embedding_tables import embedding_tables
from espnet2_ext.tokenizer.tokenizers import Tokenizers
from espnet2_ext.train.epoch_seed import EpochSeededTrainer
from espnet2_ext.transcription.build import CodeGeometry, build_net, start_from_codec
from espnet2_ext.transcription.model import TranscriptionModel


class TranscriptionTask(OneLineTask):
    """Trains `TranscriptionModel` with ESPnet's trainer, seeded anew each epoch.

    Data streams, all kaldi_ark: ``score_frames``, and ``codec_ssl`` or ``codes``.
    """

    num_optimizers = 1
    class_choices_list: ClassVar[list] = []
    trainer = EpochSeededTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add this task's options to ESPnet's."""
        add_token_options(parser.add_argument_group("Transcription"), "geometry")

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> StreamPreprocessor:
        """Checks, and crops in training."""
        return StreamPreprocessor(
            StreamSizes(CodeGeometry(**args.geometry).sizes),
            leader="score_frames",
            clocks={TOKEN: 1},
            crop=Crop(args.crop_frames),
            train=train and not args.collect_stats,
        )

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Streams that training cannot do without."""
        return () if inference else ("score_frames",)

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> Collection[str]:
        """The codes, with the SSL token or without it."""
        return ("codec_ssl", "codes")

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> TranscriptionModel:
        """Build from parsed options; a new model notes its geometry there, for config.yaml."""
        cls.trainer.seed = args.seed
        place = getattr(args, "config", None) or "transcription configuration"
        if not args.tokenizer_dir:
            raise UserError(place, "missing", "a tokenizer folder", "tokenizer_dir")
        tokenizers = Tokenizers.load(args.tokenizer_dir)
        geometry = CodeGeometry.of(tokenizers, _training_codes(args, tokenizers)).asdict()
        given = {**geometry, **(args.geometry or {})}
        if given != geometry:
            raise UserError(place, f"{args.geometry}", f"{args.tokenizer_dir}'s sizes", "geometry")
        args.geometry = geometry
        net = build_net(vars(args), place)
        if net.config.codec_start:
            tables, _ = embedding_tables(tokenizers.codec, args.tokenizer_dir)
            start_from_codec(net, tables)
        return TranscriptionModel(net, vowels_among(tokenizers.phones))


def _training_codes(args: argparse.Namespace, tokenizers: Tokenizers) -> Iterator[Tensor]:
    """Codec codes of the training set's utterances (L, N), in the order of their names."""
    sizes = StreamSizes(tokenizers.sizes)
    for path, name, _ in getattr(args, "train_data_path_and_name_and_type", None) or ():
        if name in ("codec_ssl", "codes"):
            tables = StreamTables({name: Path(path)}, sizes)
            skipped = int(name == "codec_ssl")
            for key in tables.keys:
                yield torch.from_numpy(tables[key][name].astype(np.int64))[:, skipped:]
            return
