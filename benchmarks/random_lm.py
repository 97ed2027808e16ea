"""Speech LMs of the recipes' sizes with random weights, and scores and codes for them."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import torch

from espnet2_ext.files import read_yaml
from espnet2_ext.score.phones import PHONES
from espnet2_ext.speechlm.build import build_speechlm
from espnet2_ext.speechlm.model import SpeechLM
from espnet2_ext.tokenizer.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "egs2/mini_singing/speechlm1/conf"
PAPER = ROOT / "egs2/TEMPLATE/speechlm1/conf/tuning/train_slm_1.7b_zero2.yaml"
# name: configuration, SSL clusters, codebooks, codes, frames of an utterance, batch of training
SIZES = {
    "tiny": (CONF / "train_speechlm_debug.yaml", 32, 2, 16, 20, 2),
    "demo": (CONF / "train_speechlm.yaml", 256, 4, 256, 300, 16),
    "1.7b": (PAPER, 5000, 8, 1024, 450, 8),
}


def build_lm(
    size: str, changes: Mapping[str, Mapping[str, object]] = MappingProxyType({})
) -> SpeechLM:
    """A speech LM of a size in `SIZES`, with random weights; `changes` to its ``*_conf``."""
    conf, ssl, n_codebooks, codes, *_ = SIZES[size]
    vocabulary = Vocabulary.build(ssl, n_codebooks, codes, PHONES)
    options = {"score_encoder_conf": {}, "prompt_encoder_conf": {}, **read_yaml(conf)}
    options |= {name: options[name] | dict(more) for name, more in changes.items()}
    if options["model_conf"].get("conditioning") == "prefix":
        options |= {f"{part}_encoder": None for part in ("score", "prompt")}
        options |= {f"{part}_encoder_conf": {} for part in ("score", "prompt")}
    bias = {m: list(span) for m, span in vocabulary.bias.items()}
    lists = {"token_list": list(vocabulary.tokens), "token_bias": bias, "phone_list": list(PHONES)}
    return build_speechlm(Namespace(**(options | lists)), str(conf))


def random_score(frames: int, generator: torch.Generator) -> torch.Tensor:
    """Score frames (F, 4) of notes of ten frames, two phones each."""
    k = torch.arange(frames)
    phones = torch.randint(2, len(PHONES), (frames // 5 + 1,), generator=generator)
    notes = torch.randint(55, 75, (frames // 10 + 1,), generator=generator)
    return torch.stack([phones[k // 5], notes[k // 10], k // 5, k // 10], 1)


def random_codes(model: SpeechLM, frames: int, generator: torch.Generator) -> torch.Tensor:
    sizes = torch.tensor([end - start for start, end in model.vocabulary.stream_slices()])
    return (torch.rand(frames, len(sizes), generator=generator) * sizes).long()
