"""The memory table against DeepSpeed's estimator, and against what autograd really keeps."""

import gc
from pathlib import Path

import pytest
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_yaml
from espnet2_ext.score.phones import PHONES as OPENCPOP
from espnet2_ext.speechlm.memory import (
    activations,
    build_on_meta,
    count_parameters,
    memory_table,
    model_states,
    opuslm_vocabulary,
)
from espnet2_ext.tokenizer.vocabulary import Vocabulary
from espnet2_ext.train.zero_config import zero_config

from .conftest import make_batch, make_model, make_utterance

REPO = Path(__file__).parents[2]
PAPER = REPO / "egs2/TEMPLATE/speechlm1/conf/tuning/train_slm_1.7b_zero2.yaml"
# public figures: parameters of SmolLM2-1.7B (embedding of 49,152 tokens, tied); bytes of a 32-bit
# checkpoint of OpusLM 1.7B's architecture (espnet/multi_turn_SDS_RLAIF, 2epoch.pth), with its names
SMOLLM2_PARAMETERS, SMOLLM2_TOKENS, OPUSLM_BYTES = 1_711_376_384, 49_152, 7_469_766_446


def test_the_papers_model_has_the_published_size():
    model = build_on_meta(
        PAPER, Vocabulary.build(5000, 8, 1024, OPENCPOP, base=opuslm_vocabulary())
    )
    assert all(p.is_meta for p in model.parameters())
    decoder = sum(p.numel() for p in model.corelm.backbone.parameters())
    assert decoder + SMOLLM2_TOKENS * 2048 == SMOLLM2_PARAMETERS
    new = len(model.vocabulary) - 62_670
    assert new == 1 + len(OPENCPOP) + 128
    total, trained = count_parameters(model)
    assert total == trained
    assert 4 * (total - 2 * new * 2048) == pytest.approx(OPUSLM_BYTES, rel=1e-5)


def test_the_papers_optimizer_is_appendix_b1():
    conf = read_yaml(PAPER)
    config = zero_config(REPO / "conf/ds_zero2.json", conf["deepspeed_conf"], True, 10)
    adam, schedule, zero = (
        config["optimizer"], config["scheduler"], config["zero_optimization"]
    )  # fmt: skip
    assert adam["type"] == "Adam" and config["fp16"]["enabled"] and not config["bf16"]["enabled"]
    assert (adam["params"]["lr"], adam["params"]["betas"]) == (5e-6, [0.9, 0.95])
    assert schedule["type"] == "WarmupCosineLR"
    assert schedule["params"]["total_num_steps"] == 700_000
    assert schedule["params"]["cos_min_ratio"] == 0.3
    assert config["gradient_clipping"] == 1.0
    assert zero["stage"] == 2 and zero["overlap_comm"] and zero["contiguous_gradients"]


@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
def test_model_states_are_deepspeeds_estimate(gpus):
    from deepspeed.runtime.zero.stage_1_and_2 import estimate_zero2_model_states_mem_needs

    parameters = 1_868_208_128
    _, per_gpu = estimate_zero2_model_states_mem_needs(parameters, gpus, cpu_offload=False)
    assert model_states(parameters, gpus).total == pytest.approx(per_gpu, rel=1e-6)


def test_frozen_parameters_cost_their_16_bits():
    assert model_states(1000, 2, trained=100).total == 2000 + 300 + 600


def kept_bytes(model, batch) -> int:
    """Bytes of all distinct tensors that autograd keeps of a loss, parameters left out."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage  # alive, so that no address comes twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss, _, _ = model(**batch)
    del loss
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(
    ("model_type", "packing"), [("llama", False), ("qwen2", False), ("llama", True)]
)
def test_activations_are_what_autograd_keeps(dtype, checkpointing, model_type, packing):
    """Within 2%, and 5% of the little that checkpointing leaves (of index tensors)."""
    backbone = {"model_type": model_type, "hidden_size": 64, "intermediate_size": 192,
                "num_hidden_layers": 3, "num_attention_heads": 4,
                "num_key_value_heads": 2}  # fmt: skip
    conf = {"backbone": backbone, "gradient_checkpointing": checkpointing}
    model_conf = {"conditioning": "prefix", "packing": packing}
    model = make_model("prefix", corelm_conf=conf, model_conf=model_conf).to(dtype).train()
    batch = make_batch(make_utterance(120, 6, seed=1), make_utterance(120, 6, seed=2))
    # sos, task, three markers, score, prompt, frames, end; the delay adds nq - 1, and the
    # last position predicts nothing
    positions = 2 * (5 + 240 + 6 + 120 + 1 + 3 - 1)
    estimate = activations(model, positions, 240, dtype.itemsize)
    # the layer that the backward pass recomputes is not there after the forward pass
    expected = estimate.checkpointed - estimate.layer if checkpointing else estimate.whole
    measured = kept_bytes(model, batch)
    assert measured == pytest.approx(expected, rel=0.05 if checkpointing else 0.02)


def test_chunked_loss_keeps_no_more_logits_than_a_chunks():
    model = make_model("prefix")
    whole = activations(model, 1000, 300)
    model.config.loss_chunk = 100
    assert activations(model, 1000, 300) == activations(model, 1000, 100) != whole


def test_gradient_checkpointing_gives_equal_gradients():
    gradients = []
    for checkpointing in (False, True):
        for backbone in (
            {"model_type": "llama", "hidden_size": 32, "intermediate_size": 48,
             "num_hidden_layers": 2, "num_attention_heads": 2},
            {"model_type": "builtin", "n_ctx": 200, "n_state": 32, "n_head": 2, "n_layer": 2},
        ):  # fmt: skip
            conf = {"backbone": backbone, "gradient_checkpointing": checkpointing}
            model = make_model("prefix", corelm_conf=conf).train()
            model(**make_batch(make_utterance(20, 5, seed=1)))[0].backward()
            gradients.append([p.grad for p in model.parameters()])
    for plain, recomputed in (gradients[::2], gradients[1::2]):
        for a, b in zip(plain, recomputed, strict=True):
            torch.testing.assert_close(a, b)


def test_lengths_that_vary_leave_nothing_behind():
    """Tables that are kept for each length filled the memory of others (ai-toolkit issue 1052)."""
    model = make_model("synchronous")
    optimizer = torch.optim.Adam(model.parameters())
    kept = []
    for step, frames in enumerate(torch.randint(20, 200, (24,)).tolist()):
        loss, _, _ = model(**make_batch(make_utterance(frames, 6, seed=step)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        del loss
        if step % 8 == 7:
            gc.collect()
            sizes = [found.numel() for found in gc.get_objects() if type(found) is torch.Tensor]
            kept.append((len(sizes), sum(sizes)))
    assert kept[0] == kept[1] == kept[2]


def test_the_table_has_a_row_for_each_number_of_gpus():
    vocabulary = Vocabulary.build(5000, 8, 1024, OPENCPOP, base=opuslm_vocabulary())
    lines = list(memory_table(build_on_meta(PAPER, vocabulary), 4000, 800))
    assert [line.split()[1] for line in lines[2:]] == ["1", "2", "4", "8"]
    for line in lines[2:]:
        numbers = [float(x) for x in line.replace("|", " ").split()[1:]]
        assert sum(numbers[:4]) == pytest.approx(numbers[4], abs=0.03)
        assert sum(numbers[:3]) + numbers[5] == pytest.approx(numbers[6], abs=0.03)


def test_a_shape_without_a_formula_is_refused():
    with pytest.raises(UserError, match="synchronous"):
        activations(make_model("synchronous"), 100, 50)
