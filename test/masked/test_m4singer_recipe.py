"""CoMelSinger's recipe on M4Singer: its configurations, and how they start from MaskGCT's."""

import argparse
import subprocess
from pathlib import Path

import pytest
import torch

from espnet2_ext.checkpoint import save_safetensors
from espnet2_ext.files import parse_config, read_yaml
from espnet2_ext.masked import maskgct
from espnet2_ext.masked.adaptation import METHODS, MaskedAdaptation, adapt
from espnet2_ext.masked.build import build_model
from espnet2_ext.masked.inference import load_decoding
from espnet2_ext.masked.model import ACOUSTIC, SEMANTIC, TARGETS
from espnet2_ext.masked.singing import SingingConfig
from espnet2_ext.tokenizer.maskgct_codec import SSL_LAYER, MaskGCTCodecConfig
from espnet2_ext.tokenizer.maskgct_ssl import MaskGCTFeaturesConfig
from espnet2_ext.tokenizer.ssl import KMeansConfig
from espnet2_ext.tokenizer.tokenizers import TokenizerConfig
from espnet2_ext.train.init_param import init_param
from espnet2_ext.train.partial import plain_state, trainable

from . import test_maskgct as tiny

RECIPE = Path(__file__).resolve().parents[2] / "egs2/m4singer/comelsinger1"
TUNING = RECIPE / "conf/tuning"
CODES = [8192, *[1024] * 12]


def built(options: dict, target: str, codes: list[int], **network):
    conf = {**options["model_conf"]}
    conf["network"] = {**conf["network"], **network}
    sizes = {"codes": codes, "n_phones": 60}
    args = argparse.Namespace(
        target=target, model_conf=conf, conditions=options["conditions"], sizes=sizes
    )
    return build_model(args)


@pytest.mark.parametrize("method", METHODS)
def test_an_adaptation_is_that_of_table_vii_on_maskgcts_size(method):
    options = read_yaml(TUNING / f"train_acoustic_{method}.yaml")
    adaptation = parse_config(MaskedAdaptation, options["adaptation_conf"], method)
    assert adaptation.method == method
    parse_config(SingingConfig, options["singing_conf"], method)
    with torch.device("meta"):
        model = built(options, ACOUSTIC, CODES).model
        adapt(model, adaptation)
    trained, total = trainable(model)["all"]
    paper = {"full": 100.0, "lora": 6.51, "llrd": 100.0, "progressive": 16.63}
    if method in paper:
        assert 100 * trained / total == pytest.approx(paper[method], abs=0.03)
    assert options["num_iters_per_epoch"] * options["max_epoch"] == 300_000
    same = read_yaml(TUNING / "train_acoustic_lora.yaml")
    for values in (options, same):
        del values["adaptation_conf"]
        values["model_conf"].pop("virtual_tokens", None)
    assert options == same, "they differ in what adapts alone"


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_an_adaptation_starts_from_maskgcts_weights(method, tmp_path):
    torch.manual_seed(0)
    path = tmp_path / maskgct.FILES[maskgct.S2A_FULL]
    path.parent.mkdir(parents=True)
    save_safetensors(tiny.s2a_state(3), path)
    options = read_yaml(TUNING / f"train_acoustic_{method}.yaml")
    codes = [tiny.SEMANTIC, *[tiny.ACOUSTIC] * 3]
    training = built(options, ACOUSTIC, codes, width=tiny.D, heads=tiny.HEADS, n_layers=tiny.LAYERS)
    adapt(training.model, parse_config(MaskedAdaptation, options["adaptation_conf"], method))
    for given in options["init_param"]:
        init_param(given.replace("downloads/maskgct", str(tmp_path)), training, False)
    published = maskgct.read_model(tmp_path, maskgct.S2A_FULL, tiny.HEADS).state_dict()
    plain = plain_state(training.model)
    for name, value in published.items():
        assert torch.equal(plain[name], value), name


def test_the_semantic_model_starts_from_maskgcts_network(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / maskgct.FILES[maskgct.T2S]
    path.parent.mkdir(parents=True)
    save_safetensors(tiny.t2s_state(), path)
    options = read_yaml(TUNING / "paper_train_semantic.yaml")
    size = options["model_conf"]["network"]
    published = maskgct.PUBLISHED[maskgct.T2S].network
    assert (size["width"], size["heads"], size["n_layers"]) == (
        published.width, published.heads, published.n_layers,
    )  # fmt: skip
    small = {"width": tiny.D, "heads": tiny.HEADS, "n_layers": tiny.LAYERS}
    training = built(options, SEMANTIC, [tiny.SEMANTIC, 9], **small)
    for given in options["init_param"]:
        init_param(given.replace("downloads/maskgct", str(tmp_path)), training, False)
    own = training.model.state_dict()
    for name, value in maskgct.read_model(tmp_path, maskgct.T2S, tiny.HEADS).state_dict().items():
        if name.startswith("generator."):
            assert torch.equal(own[name], value), name


def test_tokens_are_maskgcts():
    path = TUNING / "paper_tokenizer.yaml"
    config = TokenizerConfig.load(path)
    codec, ssl = ({k: v for k, v in part.items() if k != "type"}
                  for part in (config.codec, config.ssl))  # fmt: skip
    assert config.codec["type"] == config.ssl["type"] == "maskgct"
    assert parse_config(MaskGCTCodecConfig, codec, path).source == ssl["source"]
    kmeans, features = KMeansConfig.split(config.ssl, path)
    assert kmeans.n_clusters == maskgct.PUBLISHED[maskgct.S2A_FULL].semantic
    assert parse_config(MaskGCTFeaturesConfig, features, path).layer == SSL_LAYER


def test_decoding_is_maskgcts():
    path = TUNING / "paper_decode_masked.yaml"
    of = {stage: load_decoding(path, stage) for stage in TARGETS}
    assert tuple(of[ACOUSTIC].steps) == tuple(maskgct.ACOUSTIC_DECODING.steps)
    for name in ("temperature", "guidance", "rescale"):
        assert getattr(of[ACOUSTIC], name) == getattr(maskgct.ACOUSTIC_DECODING, name)
    assert of[SEMANTIC].temperature == maskgct.SEMANTIC_DECODING.temperature


@pytest.mark.parametrize("size", ["paper", "small", "debug"])
def test_every_size_names_files_that_are_there(size):
    script = 'exec() { printf "%s\\n" "$@"; exit 0; }; . ./run.sh --size "$0"'
    done = subprocess.run(
        ["bash", "-euc", script, size], cwd=RECIPE, capture_output=True, text=True, check=True
    )
    words = done.stdout.splitlines()
    named = [word for word in words if word.endswith(".yaml")]
    assert len(named) >= 8 and all((RECIPE / name).is_file() for name in named)
    assert len((RECIPE / "run.sh").read_text().splitlines()) < 60
