"""Adapting a pretrained speech LM: all of it, by LoRA, or with its backbone frozen.

In the last two the decoder and the old rows of embedding and head stay as they are, bit for bit;
what pretraining cannot know trains in all three: rows of new tokens, the task's markers, a head of
new codes, embeddings of new streams, and what is no part of the core LM (score and prompt encoder).
"""

from dataclasses import dataclass

import torch
from torch import BoolTensor

from espnet2_ext.speechlm.grow import new_rows
from espnet2_ext.speechlm.model import SpeechLM
from espnet2_ext.tokenizer.vocabulary import Vocabulary, special_tokens
from espnet2_ext.train.partial import AdapterConfig, add_lora, hold_rows

METHODS = ("full", "lora", "frozen")
ROWS = ("new", "all")


@dataclass
class AdaptationConfig(AdapterConfig):
    """Which parameters of a pretrained speech LM train; the other options are its adapters'.

    Args:
        method: ``full``, ``lora`` (adapters in the decoder) or ``frozen``.
        rows: Rows of embedding and heads that train, unless the method is full: ``new`` ones with
            the task's markers, or ``all``.
    """

    method: str = "full"
    rows: str = "new"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method not in METHODS:
            raise ValueError(f"method {self.method!r} is not one of {', '.join(METHODS)}")
        if self.rows not in ROWS:
            raise ValueError(f"rows {self.rows!r} is not one of {', '.join(ROWS)}")


def adapt(model: SpeechLM, config: AdaptationConfig, old: Vocabulary) -> None:
    """Prepare a model for training, in place.

    Args:
        model: With the pretrained weights, its vocabulary grown.
        config: Options.
        old: The pretrained vocabulary, before it grew.

    Raises:
        UserError: the decoder has no layer that one of the targets names.
    """
    core = model.corelm
    if config.method != "full":
        core.requires_grad_(False)
        held = _rows_to_hold(model, old)
        for weight in {core.emb.weight, core.lm_head.weight}:
            weight.requires_grad_(True)
            if config.rows == "new":
                hold_rows(weight, held)
        if core.aux_lm_head is not None:
            # with codes of another tokenizer `grow` starts all its rows anew
            anew = old.stream_slices() != model.vocabulary.stream_slices()
            core.aux_lm_head.requires_grad_(anew or config.rows == "all")
        if old.nq < core.nq:
            # streams that the pretrained model did not have
            core.head_emb.requires_grad_(True)
            hold_rows(core.head_emb.weight, torch.arange(len(core.head_emb.weight)) < old.nq)
    if config.method == "lora":
        add_lora(core.decoders, config.targets, config.r, config.alpha, config.dropout)


def _rows_to_hold(model: SpeechLM, old: Vocabulary) -> BoolTensor:
    vocabulary, template = model.vocabulary, model.assembler.template
    held = torch.ones(len(vocabulary), dtype=torch.bool)
    held[[row.id for row in new_rows(old, vocabulary)]] = False
    # A pretrained list that has these markers may never have been trained on them.
    held[vocabulary.task(template.task)] = False
    held[[vocabulary.modality(entry.modality) for entry in template.conditions]] = False
    if not old.nq:
        held[: len(special_tokens())] = False  # a text LM has none of them
    return held
