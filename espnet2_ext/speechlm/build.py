"""Build the speech LM from its configuration; light enough for inference."""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from espnet2_ext.conditions.condition import Sizes
from espnet2_ext.conditions.prompt import PooledPrompt
from espnet2_ext.conditions.registry import ConditionSet
from espnet2_ext.conditions.score import ScoreCondition
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config
from espnet2_ext.speechlm.config import SpeechLMConfig
from espnet2_ext.speechlm.corelm import DelayLM
from espnet2_ext.speechlm.model import SpeechLM, stream_sizes
from espnet2_ext.speechlm.template import phones_in, read_vocabulary

CORELMS = {"ar_delay": DelayLM}
SCORE_ENCODERS = {"conv": ScoreCondition}
PROMPT_ENCODERS = {"pooled": PooledPrompt}


def build_speechlm(args: Namespace, place: str = "config", for_inference: bool = False) -> SpeechLM:
    """Build the model that `args` (an ESPnet configuration) describes.

    The token list, token bias and phone list are read into `args`, so that a configuration
    written from it stands by itself.

    Args:
        args: The configuration.
        place: Where it was read, for errors.
        for_inference: The model is to decode, not to be trained (see `DelayLM`).

    Raises:
        UserError: an unknown key or class, or a vocabulary that does not fit.
    """
    for name in ("token_list", "phone_list"):
        if getattr(args, name, None) is None:
            raise UserError(place, "missing", "a path", name)
    config = parse_config(SpeechLMConfig, args.model_conf, f"{place}: model_conf")
    vocabulary = read_vocabulary(args.token_list, args.token_bias)
    phones = phones_in(args.phone_list, place)
    args.token_list, args.phone_list = list(vocabulary.tokens), phones
    args.token_bias = {m: list(span) for m, span in vocabulary.bias.items()}
    corelm = _build(CORELMS, args.corelm, args.corelm_conf, f"{place}: corelm_conf",
                    vocab_size=len(vocabulary), stream_slices=vocabulary.stream_slices(),
                    eos=vocabulary.sos_eos, for_inference=for_inference)  # fmt: skip
    sizes = Sizes(corelm.d_model, stream_sizes(vocabulary), n_phones=len(phones))
    score_encoder = _build(SCORE_ENCODERS, args.score_encoder, args.score_encoder_conf,
                           f"{place}: score_encoder_conf", sizes=sizes)  # fmt: skip
    prompt_encoder = _build(PROMPT_ENCODERS, args.prompt_encoder, args.prompt_encoder_conf,
                            f"{place}: prompt_encoder_conf", sizes=sizes)  # fmt: skip
    more = getattr(args, "conditions", None)
    more = ConditionSet(more, sizes, f"{place}: conditions") if more else None
    try:
        return SpeechLM(vocabulary, phones, corelm, config, score_encoder, prompt_encoder, more)
    except ValueError as error:
        raise UserError(place, str(error)) from None


def _build(
    classes: Mapping[str, type], name: str | None, conf: Mapping[str, Any], place: str, **given: Any
) -> Any:
    if name is None:
        return None
    if not isinstance(name, str) or name not in classes:
        raise UserError(place, f"unknown class {name!r}", f"one of {', '.join(classes)}")
    return parse_config(classes[name], conf, place, **given)
