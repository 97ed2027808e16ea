"""Every shipped configuration of the speech LM builds."""

from argparse import Namespace
from pathlib import Path

import pytest
import torch

from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.speechlm.adaptation import AdaptationConfig
from espnet2_ext.speechlm.build import build_speechlm
from espnet2_ext.speechlm.inference import load_decoding
from espnet2_ext.tokenizer.vocabulary import Vocabulary
from espnet2_ext.train.zero_config import zero_config

from .conftest import PHONES

REPO = Path(__file__).parents[2]
TRAIN = sorted(REPO.glob("egs2/*/*/conf/**/*train_speechlm*.yaml"))
ADAPT = sorted(REPO.glob("egs2/*/*/conf/tuning/adapt_*.yaml"))
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


@pytest.mark.parametrize("path", ADAPT, ids=names(ADAPT))
def test_adaptations_differ_from_each_other_in_the_method_alone(path):
    conf, full = read_yaml(path), read_yaml(path.with_name("adapt_full.yaml"))
    adaptation = parse_config(AdaptationConfig, conf.pop("adaptation_conf"), path)
    assert adaptation.method == path.stem.removeprefix("adapt_")
    full.pop("adaptation_conf")
    assert conf == full
    pretrained = read_yaml(path.parents[1] / "train_speechlm.yaml")
    for part in ("model_conf", "corelm_conf", "score_encoder_conf", "prompt_encoder_conf"):
        assert conf[part] == pretrained[part]


@pytest.mark.parametrize("path", DECODE, ids=names(DECODE))
def test_decoding_configuration(path):
    assert load_decoding(path).max_frames >= 1
