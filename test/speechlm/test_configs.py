"""Every shipped configuration of the speech LM builds."""

from argparse import Namespace
from pathlib import Path

import pytest
import torch

from espnet2_ext.files import read_yaml
from espnet2_ext.speechlm.build import build_speechlm
from espnet2_ext.speechlm.inference import load_decoding
from espnet2_ext.tokenizer.vocabulary import Vocabulary
from espnet2_ext.train.zero_config import zero_config

from .conftest import PHONES

REPO = Path(__file__).parents[2]
TRAIN = sorted(REPO.glob("egs2/*/*/conf/**/*train_speechlm*.yaml"))
DECODE = sorted(REPO.glob("egs2/*/*/conf/**/*decode_speechlm*.yaml"))


def names(paths):
    return [str(p.relative_to(REPO / "egs2")) for p in paths]


@pytest.mark.parametrize("path", TRAIN, ids=names(TRAIN))
def test_training_configuration(path):
    conf = read_yaml(path)
    vocabulary = Vocabulary.build(50, 4, 32, PHONES)
    parts = {k: v for k, v in conf.items() if k.startswith(("model", "corelm", "score", "prompt"))}
    args = Namespace(
        token_list=list(vocabulary.tokens), token_bias=vocabulary.bias, phone_list=PHONES,
        **{"score_encoder_conf": {}, "prompt_encoder_conf": {}, **parts},
    )  # fmt: skip
    with torch.device("meta"):
        model = build_speechlm(args, str(path))
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    assert millions < 10
    zero_config(REPO / "conf/ds_zero2.json", conf.get("deepspeed_conf", {}), False, 1000)


@pytest.mark.parametrize("path", DECODE, ids=names(DECODE))
def test_decoding_configuration(path):
    assert load_decoding(path).max_frames >= 1
