"""Our decoder of Llama and Qwen2 computes what transformers' computes, bit for bit."""

import subprocess
import sys

import pytest
import torch

from espnet2_ext.speechlm.cache import KeyValueCache
from espnet2_ext.speechlm.corelm import DelayLM
from espnet2_ext.speechlm.hf_cache import HfKeyValueCache
from espnet2_ext.speechlm.lean import LeanDecoder
from espnet2_ext.speechlm.llama import LlamaConfig, LlamaDecoder

SIZES = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2}
BACKBONES = {
    "llama": {"model_type": "llama", "num_attention_heads": 3, **SIZES},
    "llama, shared keys": {
        "model_type": "llama", "num_attention_heads": 4, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5, **SIZES,
    },
    "qwen2": {
        "model_type": "qwen2", "num_attention_heads": 4, "num_key_value_heads": 2, **SIZES
    },
}  # fmt: skip


@pytest.fixture(params=BACKBONES)
def pair(request) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Transformers' decoder and ours, with the same weights."""
    cores = [
        DelayLM(20, [(4, 10), (10, 16)], 3, BACKBONES[request.param], for_inference=ours)
        for ours in (False, True)
    ]
    theirs, ours = (core.eval() for core in cores)
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        for name, weight in theirs.backbone.named_parameters():
            weight.normal_(1.0 if "norm" in name else 0.0, 0.3)
    ours.load_state_dict(theirs.state_dict())
    assert isinstance(ours.backbone, LlamaDecoder)
    return theirs.backbone, ours.backbone


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sequence(pair, dtype):
    x = torch.randn(2, 7, 24, dtype=dtype)
    theirs, ours = (
        decoder.to(dtype)(inputs_embeds=x, use_cache=False).last_hidden_state for decoder in pair
    )
    assert torch.equal(ours, theirs)


@torch.no_grad()
def test_a_padded_prefix_and_what_follows_it(pair):
    x = torch.randn(2, 9, 24)
    places = torch.arange(6)
    there = places >= torch.tensor([[0], [2]])
    mask = (places <= places[:, None]) & (there[:, None] | (places == places[:, None]))
    positions = (places - torch.tensor([[0], [2]])).clamp(min=0)
    outputs = []
    for decoder, make in zip(pair, (HfKeyValueCache, KeyValueCache), strict=True):
        cache = make(9)
        options = {"past_key_values": cache, "use_cache": True}
        states = [
            decoder(
                inputs_embeds=x[:, :6], attention_mask=mask[:, None], position_ids=positions,
                **options,
            ).last_hidden_state
        ]  # fmt: skip
        for t in range(6, 9):
            cache.seek(t)
            hidden = torch.zeros(2, 1, 1, t + 1)
            hidden[1, ..., :2] = float("-inf")
            states.append(
                decoder(
                    inputs_embeds=x[:, t : t + 1], attention_mask=hidden,
                    position_ids=torch.tensor([[t], [t - 2]]), **options,
                ).last_hidden_state
            )  # fmt: skip
        outputs.append(torch.cat(states, 1))
    theirs, ours = outputs
    assert torch.equal(ours[:, :6], theirs[:, :6])
    assert torch.allclose(ours[:, 6:], theirs[:, 6:], atol=1e-5)  # singing takes the lean step


@torch.no_grad()
def test_the_lean_step_takes_it_as_it_takes_theirs(pair):
    steps = []
    for decoder in pair:
        assert LeanDecoder.fits(decoder)
        step, cache = LeanDecoder(decoder, 4), KeyValueCache(4)
        torch.manual_seed(1)
        states = []
        for t in range(4):
            cache.seek(t)
            states.append(step(torch.randn(2, 24), torch.tensor([t, t]), None, cache).clone())
        steps.append(torch.stack(states))
    assert torch.equal(*steps)


@pytest.mark.parametrize(
    "changed",
    [
        {"model_type": "gpt2"},
        {"rope_parameters": {"rope_type": "yarn", "factor": 2.0}},
        {"hidden_act": "gelu"},
        {"attention_bias": True},
        {"hidden_size": "24"},
        {"num_key_value_heads": None},
    ],
)
def test_another_decoder_is_transformers_own(changed):
    assert LlamaConfig.of(BACKBONES["qwen2"]) is not None
    assert LlamaConfig.of({**BACKBONES["qwen2"], **changed}) is None
    whole = {k: v for k, v in BACKBONES["qwen2"].items() if k != "num_key_value_heads"}
    assert LlamaConfig.of(whole) is None  # transformers' default is not the number of heads
    assert LlamaConfig.of({**BACKBONES["llama"], "rope_theta": 500000.0}).rope_theta == 500000.0


@pytest.mark.slow
def test_singing_imports_neither_transformers_nor_a_compiler():
    script = (
        "import sys, torch\n"
        "from espnet2_ext.inference.synthesizer import SingingSynthesizer\n"
        "from espnet2_ext.speechlm.inference import SpeechLMInference\n"
        "from espnet2_ext.vocoder.inference import VocoderInference\n"
        "from espnet2_ext.flow.inference import FlowInference\n"
        "from espnet2_ext.audio.mel import LogMel, MelConfig\n"
        "from espnet2_ext.speechlm.corelm import DelayLM\n"
        f"DelayLM(20, [(4, 10)], 3, {BACKBONES['llama']}, for_inference=True)\n"
        "LogMel(MelConfig())\n"
        "slow = {'transformers', 'torch._dynamo', 'scipy.signal', 'numba', 'deepspeed', 'peft'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
