"""ESPnet task of the speech LM: data, model and trainer behind ESPnet's own command line."""

import argparse
import logging
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from espnet2.tasks.abs_task import IteratorOptions
from espnet2.train.class_choices import ClassChoices
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str2bool, str_or_none
from torch import Tensor, nn

from espnet2_ext.checkpoint import build_within
from espnet2_ext.conditions.registry import streams_read
from espnet2_ext.data.preprocessor import StreamPreprocessor
from espnet2_ext.data.streams import TOKEN, StreamSizes
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config
from espnet2_ext.speechlm.adaptation import AdaptationConfig, adapt
from espnet2_ext.speechlm.build import CORELMS, PROMPT_ENCODERS, SCORE_ENCODERS, build_speechlm
from espnet2_ext.speechlm.codec_start import start_from_codec
from espnet2_ext.speechlm.model import SpeechLM, stream_sizes
from espnet2_ext.speechlm.pretrained import (
    PretrainedConfig,
    initialise,
    merge_conf,
    read_pretrained,
)
from espnet2_ext.speechlm.template import SYNCHRONOUS, read_vocabulary
from espnet2_ext.tasks.one_line import OneLineTask
from espnet2_ext.tokenizer.svs_lb import read_label_config
from espnet2_ext.train.pack_sampler import Pack, PackBatchSampler
from espnet2_ext.train.zero_trainer import ZeroTrainer

GROWTH = 2**28
"""Numbers that a model may have beyond the checkpoint it starts from, such as new tokens."""
PACK = "pack"  # our batch type, beside ESPnet's
_STAND_IN = {"model_type": "llama", "hidden_size": 8, "intermediate_size": 8,
             "num_hidden_layers": 1, "num_attention_heads": 1}  # fmt: skip

corelm_choices = ClassChoices("corelm", CORELMS, nn.Module, default="ar_delay")
score_encoder_choices = ClassChoices("score_encoder", SCORE_ENCODERS, nn.Module, optional=True)
prompt_encoder_choices = ClassChoices("prompt_encoder", PROMPT_ENCODERS, nn.Module, optional=True)


class SpeechLMTask(OneLineTask):
    """Speech LM for singing: codec and SSL tokens from score frames and a singer's prompt."""

    num_optimizers: int = 0  # DeepSpeed makes the optimizer, from its JSON
    class_choices_list = [corelm_choices, score_encoder_choices, prompt_encoder_choices]  # noqa: RUF012
    trainer = ZeroTrainer

    @classmethod
    def get_parser(cls) -> argparse.ArgumentParser:
        parser = super().get_parser()
        for action in parser._actions:
            if action.dest in ("batch_type", "valid_batch_type"):
                action.choices = [*action.choices, PACK]
                action.help = f'{action.help or ""}"{PACK}":\nSee PackBatchSampler\n'
        return parser

    @classmethod
    def build_shares(
        cls, args: argparse.Namespace, iter_options: IteratorOptions, mode: str, world: int
    ) -> list[list[Pack]]:
        """ESPnet's, and with batch type ``pack`` so many real frames for each process."""
        if iter_options.batch_type != PACK:
            return super().build_shares(args, iter_options, mode, world)
        sampler = PackBatchSampler(
            iter_options.batch_bins, iter_options.shape_files, args.seed, world, args.min_batch_size
        )
        logging.info(f"[{mode}] Batch sampler: {sampler}")
        return sampler.shares

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("Task related")
        add = group.add_argument
        add(
            "--token_list", type=str_or_none, help="token_list.json; token_bias.json lies beside it"
        )
        add("--token_bias", default=None, help=argparse.SUPPRESS)
        add("--phone_list", type=str_or_none, help="Phones in the order of their ids, one a line")
        add("--tokenizer_dir", type=str_or_none, help="How svs_lb is written: its config.yaml")
        add("--model_conf", action=NestedDictAction, default={}, help="See SpeechLMConfig")
        add("--pretrained", type=str_or_none,
            help="Start from this LM: a folder, its weights, or owner/name on the hub")  # fmt: skip
        add("--pretrained_conf", action=NestedDictAction, default={}, help="See PretrainedConfig")
        add("--adaptation_conf", action=NestedDictAction, default={},
            help="Which of its parameters train: see AdaptationConfig")  # fmt: skip
        add("--deepspeed_conf", action=NestedDictAction, default={}, help="See ZeroOverrides")
        add("--checkpoint_interval", type=int, default=500,
            help="Batches between resume states within an epoch; 0: at its end only")  # fmt: skip
        add("--conditions", action=NestedDictAction, default={},
            help="Beside score and prompt: name of a condition and its options")  # fmt: skip
        add("--use_preprocessor", type=str2bool, default=True, help="Give vectors their shape")
        for choices in cls.class_choices_list:
            choices.add_arguments(group)

    @classmethod
    def build_optimizers(cls, args: argparse.Namespace, model: nn.Module) -> list:
        """None: DeepSpeed builds its own."""
        return []

    @classmethod
    def build_preprocess_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> StreamPreprocessor | None:
        """Checks; the model cuts prompts, as its configuration has them."""
        if not args.use_preprocessor:
            return None
        codes = stream_sizes(read_vocabulary(args.token_list, args.token_bias))
        # a prefix may tell a score on a clock of its own
        synchronous = args.model_conf.get("conditioning", SYNCHRONOUS) == SYNCHRONOUS
        clocks = {TOKEN: 1} if synchronous else {}
        return StreamPreprocessor(StreamSizes(codes), "codec_ssl", clocks, train=train)

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        return ("score_frames",) if inference else ("codec_ssl", "score_frames")

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        return ("prompt", "svs_frames", *streams_read())

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> SpeechLM:
        place = str(getattr(args, "config", None) or "config")
        if getattr(args, "tokenizer_dir", None) is not None:
            take_label_config(args, place)
        source = getattr(args, "pretrained", None)
        adaptation = parse_config(
            AdaptationConfig, getattr(args, "adaptation_conf", {}), f"{place}: adaptation_conf"
        )
        if source is None:
            if adaptation.method != "full":
                raise UserError(place, "missing", f"for method {adaptation.method}", "pretrained")
            model = build_speechlm(args, place)
            if model.config.codec_start and not getattr(args, "collect_stats", False):
                start_from_codec(model, codec_tables(args, place), args.seed)
            return model
        if getattr(args, "collect_stats", False):
            # the data's shapes need no weights, and many jobs collect them
            args.corelm_conf = {"backbone": _STAND_IN}
            return build_speechlm(args, place)
        config = parse_config(PretrainedConfig, args.pretrained_conf, f"{place}: pretrained_conf")
        pretrained = read_pretrained(source, config)
        args.corelm_conf = merge_conf(pretrained, args.corelm_conf, place)
        model = build_within(
            lambda: build_speechlm(args, place), pretrained.state, pretrained.place, GROWTH
        )
        initialise(model, pretrained, config.seed)
        adapt(model, adaptation, pretrained.vocabulary)
        return model

    @classmethod
    def check_inputs(cls, args: argparse.Namespace) -> None:
        check_files(args)


def take_label_config(args: argparse.Namespace, place: str) -> None:
    """Have the prefix written as the tokenizer writes svs_lb.

    Raises:
        UserError: the configuration says otherwise, or svs_frames are missing or not wanted.
    """
    source = Path(args.tokenizer_dir) / "config.yaml"
    svs_lb = read_label_config(source)
    said = args.model_conf.setdefault("svs_placeholder", svs_lb.placeholder)
    if said != svs_lb.placeholder:
        raise UserError(f"{place}: model_conf", f"{said}", f"{svs_lb.placeholder}, as svs_lb in "
                        f"{source} has it (or nothing)", "svs_placeholder")  # fmt: skip
    given = "svs_frames" in [name for _, name, _ in args.train_data_path_and_name_and_type]
    if given != (svs_lb.rounding == "per_phone"):
        found, expected = ("svs_frames", "none") if given else ("no svs_frames", "their stream")
        raise UserError("data", found, f"{expected}, for rounding {svs_lb.rounding} in {source}")


def codec_tables(args: argparse.Namespace, place: str) -> Tensor:
    """Embeddings of the codec of ``--tokenizer_dir`` by codebook and code."""
    if getattr(args, "tokenizer_dir", None) is None:
        raise UserError(place, "missing", "a path, for codec_start", "tokenizer_dir")
    from espnet2_ext.tokenizer.embedding_tables import embedding_tables
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    codec = Tokenizers.load(args.tokenizer_dir).codec
    return embedding_tables(codec, args.tokenizer_dir)[0]


def check_files(args: argparse.Namespace) -> None:
    """Refuse a missing input before anything slow begins."""
    named: Collection[tuple[Any, str]] = [
        *((entry[0], "data") for entry in args.train_data_path_and_name_and_type),
        *((entry[0], "data") for entry in args.valid_data_path_and_name_and_type),
        *((path, "shape file") for path in (*args.train_shape_file, *args.valid_shape_file)),
        (args.token_list, "--token_list"),
        (args.phone_list, "--phone_list"),
    ]
    if not args.collect_stats:
        named = [*named, (args.deepspeed_config, "--deepspeed_config")]
    for path, what in named:
        if path is None:
            raise UserError("options", "missing", "a path", what)
        if isinstance(path, str | Path) and not Path(path).is_file():
            raise UserError(path, "no such file", what)
    if args.ngpu > 0 and not torch.cuda.is_available():
        print("no GPU here: --ngpu 0 trains on the CPU", file=sys.stderr)
        raise UserError("--ngpu", str(args.ngpu), "0 where there is no GPU")
