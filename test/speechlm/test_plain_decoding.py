"""Decoding against the plain loop, token for token; the lean step against Hugging Face's."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers.cache_utils import DynamicCache

from espnet2_ext.speechlm.cache import KeyValueCache
from espnet2_ext.speechlm.corelm import DelayLM
from espnet2_ext.speechlm.inference import SpeechLMInference
from espnet2_ext.speechlm.lean import LeanDecoder
from espnet2_ext.speechlm.sampling import DecodingConfig

from .conftest import make_model, make_utterance

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
plain_decode = pytest.importorskip("plain_decoding").plain_decode

SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
BACKBONES = {
    "llama": {"model_type": "llama", "num_attention_heads": 4, "num_key_value_heads": 2, **SMALL},
    "qwen2": {"model_type": "qwen2", "num_attention_heads": 4, "num_key_value_heads": 2, **SMALL},
    "gpt_neox": {"model_type": "gpt_neox", "num_attention_heads": 4, **SMALL},
    "builtin": {"model_type": "builtin", "n_ctx": 99, "n_state": 32, "n_head": 2, "n_layer": 2},
}
GREEDY = DecodingConfig(method="greedy", batch_size=8)


def sharpened(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)
    return model


def assert_equal_to_plain(device, conditioning, backbone, config):
    model = make_model(conditioning, corelm_conf={"backbone": BACKBONES[backbone]})
    inference = SpeechLMInference(sharpened(model).double().to(device))
    utterances = [make_utterance(F, P, seed=F) for F, P in ((7, 4), (13, 6), (10, 2))]
    together = inference.generate(
        [u.score_frames for u in utterances], [u.prompt for u in utterances], config
    )
    for made, u in zip(together, utterances, strict=True):
        plain = plain_decode(model, u.score_frames, u.prompt, config)
        assert torch.equal(made.tokens, plain.cpu())


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("conditioning", ["synchronous", "prefix"])
def test_greedy_decoding_is_the_plain_loops(conditioning, backbone):
    assert_equal_to_plain("cpu", conditioning, backbone, GREEDY)


@pytest.mark.parametrize("conditioning", ["synchronous", "prefix"])
@pytest.mark.parametrize("seed", range(3))
def test_greedy_decoding_of_free_length_is_the_plain_loops(conditioning, seed):
    config = replace(GREEDY, fixed_length=False, max_frames=18)
    model = sharpened(make_model(conditioning, seed=seed)).double()
    with torch.no_grad():  # an end now and then
        model.corelm.lm_head.weight[model.corelm.eos] *= 3.0
    utterances = [make_utterance(F, P, seed=F) for F, P in ((7, 4), (13, 6), (10, 2), (9, 3))]
    together = SpeechLMInference(model).generate(
        [u.score_frames for u in utterances], [u.prompt for u in utterances], config
    )
    lengths = set()
    for made, u in zip(together, utterances, strict=True):
        assert torch.equal(made.tokens, plain_decode(model, u.score_frames, u.prompt, config))
        lengths.add(len(made.tokens))
    assert all(1 <= n <= 18 for n in lengths)


def test_candidates_of_one_prefix_are_those_of_prefixes_of_their_own():
    """Greedy candidates are all alike, and like the one that is sung without others."""
    inference = SpeechLMInference(sharpened(make_model("prefix")).double())
    u = make_utterance(9, 4)
    (alone,) = inference.generate([u.score_frames], [u.prompt], GREEDY)
    (best,) = inference.generate([u.score_frames], [u.prompt], replace(GREEDY, nbest=4))
    assert torch.equal(alone.tokens, best.tokens)
    assert alone.score == pytest.approx(best.score)


@pytest.mark.parametrize("backbone", ["llama", "qwen2"])
@pytest.mark.parametrize("rope", ["default", "llama3"])
def test_the_lean_step_is_hugging_faces(backbone, rope):
    torch.manual_seed(0)
    options = dict(BACKBONES[backbone])
    if rope == "llama3":
        options["rope_parameters"] = {
            "rope_type": "llama3", "rope_theta": 1e4, "factor": 4.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 8,
        }  # fmt: skip
    module = DelayLM(20, [(2, 8), (8, 14)], 1, options).eval().backbone
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    assert LeanDecoder.fits(module)
    lean, cache, growing = LeanDecoder(module, 12), KeyValueCache(12), DynamicCache()
    x = torch.randn(3, 10, 32)
    with torch.no_grad():
        for t in range(10):
            cache.seek(t)
            ours = lean(x[:, t], torch.full((3,), t), None, cache)
            theirs = module(inputs_embeds=x[:, t, None], past_key_values=growing, use_cache=True)
            torch.testing.assert_close(ours, theirs.last_hidden_state[:, 0], rtol=1e-4, atol=1e-5)


def test_what_the_lean_step_does_not_compute_is_left_to_the_library():
    def backbone(**changes):
        return DelayLM(20, [(2, 8), (8, 14)], 1, {**BACKBONES["qwen2"], **changes}).backbone

    assert LeanDecoder.fits(backbone())
    assert not LeanDecoder.fits(
        backbone(use_sliding_window=True, sliding_window=4, max_window_layers=1)
    )
    assert not LeanDecoder.fits(DelayLM(20, [(2, 8), (8, 14)], 1, BACKBONES["gpt_neox"]).backbone)
    adapted = backbone()
    adapted.layers[0].self_attn.q_proj = torch.nn.Sequential(adapted.layers[0].self_attn.q_proj)
    assert not LeanDecoder.fits(adapted)


@pytest.mark.parametrize("conditioning", ["synchronous", "prefix"])
@pytest.mark.parametrize("fixed", [True, False])
def test_a_step_with_its_number_on_the_device_is_the_same(conditioning, fixed, monkeypatch):
    """The form that a CUDA graph captures: fixed shapes, places on the device, masks."""
    from espnet2_ext.speechlm import decoding

    u = [make_utterance(F, P, seed=F) for F, P in ((7, 4), (19, 6), (10, 2), (3, 3))]
    config = replace(GREEDY, fixed_length=fixed, max_frames=20)
    inference = SpeechLMInference(sharpened(make_model(conditioning)).double())

    def sing():
        return inference.generate([x.score_frames for x in u], [x.prompt for x in u], config)

    expected, seen = sing(), []

    class OnDevice(decoding._Batch):
        def step(self, j, key=None):
            key = (self.seen_keys(j), self.picked)
            seen.append(key)
            super().step(torch.tensor([j]), key)

    monkeypatch.setattr(decoding, "_Batch", OnDevice)
    monkeypatch.setattr(decoding, "KEYS", 8)
    for one, other in zip(expected, sing(), strict=True):
        assert torch.equal(one.tokens, other.tokens)
        assert one.score == pytest.approx(other.score)
    assert len({end for end, _ in seen}) > 1


@pytest.mark.gpu
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("conditioning", ["synchronous", "prefix"])
@pytest.mark.parametrize("fixed", [True, False])
def test_graphs_decode_as_the_plain_loop_does(conditioning, backbone, fixed, monkeypatch, caplog):
    from espnet2_ext.speechlm import decoding

    monkeypatch.setattr(decoding, "KEYS", 8)
    config = replace(GREEDY, fixed_length=fixed, max_frames=18)
    assert_equal_to_plain("cuda", conditioning, backbone, config)
    assert "without CUDA graphs" not in caplog.text
