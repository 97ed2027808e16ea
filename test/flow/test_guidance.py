"""Classifier-free guidance: without its conditions a velocity knows nothing of any of them."""

import pytest
import torch

from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError
from espnet2_ext.flow.guidance import extrapolated, guided
from espnet2_ext.flow.inference import FlowInference
from espnet2_ext.flow.sampler import SamplingConfig

from .test_model import ABLATIONS, randomise, utterances

F, P = 14, 9
CONDITIONS = ("ssl", "codes", "soft", "notes", "phones", "prompt", "prompt length", "no prompt")


@pytest.fixture
def inputs():
    """What `MelFlow.condition` takes, of two utterances, with all that a flow can be given."""
    torch.manual_seed(3)
    lengths = torch.tensor([F, F - 4])
    score = torch.stack(
        [torch.randint(2, (2, F)), torch.randint(55, 70, (2, F)), *torch.arange(F).expand(2, 2, F)],
        -1,
    )
    return {
        "codec_ssl": torch.randint(8, (2, F, 3)),
        "codec_ssl_lengths": lengths,
        "score_frames": score,
        "score_frames_lengths": lengths,
        "prompt": torch.randint(8, (2, P, 3)),
        "prompt_lengths": torch.tensor([P, P - 3]),
    }


def changed(inputs, what, embed_dim):
    """`inputs` with one condition changed."""
    inputs = {k: v.clone() for k, v in inputs.items()}
    if what == "ssl":
        inputs["codec_ssl"][..., 0] += 1 - 2 * (inputs["codec_ssl"][..., 0] == 7).long()
    elif what == "codes":
        inputs["codec_ssl"][..., 1:] += 5
    elif what == "soft":
        inputs["soft"] = torch.randn(2, F, embed_dim)
    elif what == "notes":
        inputs["score_frames"][..., 1] += torch.randint(1, 9, (2, F))
    elif what == "phones":
        inputs["score_frames"][..., 0] = 1 - inputs["score_frames"][..., 0]
    elif what == "prompt":
        inputs["prompt"] = (inputs["prompt"] + 3) % 16
    elif what == "prompt length":
        inputs["prompt_lengths"] -= 4
    else:
        del inputs["prompt"], inputs["prompt_lengths"]
    return inputs


@pytest.mark.parametrize("what", CONDITIONS)
@pytest.mark.parametrize("velocity", ["convnext", "dit"])
def test_no_condition_reaches_the_dropped_velocity(make_model, inputs, velocity, what):
    for pitch, space in ABLATIONS.values():
        for residual in ("none", "encoder", "codec")[: 3 if space["output"] == "mel" else 2]:
            model = randomise(
                make_model(velocity, pitch | {"phones": True}, space=space, residual=residual)
            ).eval()
            x_t, t = torch.randn(2, F, model.space.dim), torch.tensor([0.3, 0.8])
            other = changed(inputs, what, model.geometry.embed_dim)
            velocities, dropped, half = [], [], []
            with torch.no_grad():
                for given in (inputs, other):
                    conditions = model.condition(Batch(given))
                    for rows, results in (
                        ([False, False], velocities), ([True, True], dropped), ([True, False], half)
                    ):  # fmt: skip
                        kept = model.drop(conditions, torch.tensor(rows))
                        results.append(model.velocity(x_t, t, kept))
            first, second = velocities
            if what != "notes" or pitch["pitch"] != "none":
                assert (first - second).abs().max() > 1e-5
            assert (dropped[0] - dropped[1]).abs().max() == 0
            assert (half[0][0] - half[1][0]).abs().max() == 0
            torch.testing.assert_close(half[0][1], first[1])
            assert (dropped[0] - first).abs().max() > 1e-3


@pytest.mark.parametrize("residual", ["none", "encoder", "codec"])
def test_training_and_sampling_drop_the_singer_with_the_rest(
    make_model, make_batch, monkeypatch, residual
):
    """The vector was left in: the unconditional velocity changed with the prompt by .40."""
    seen = []

    def look(module, args):
        seen.append((args[2], args[4]))

    for dropout in (1.0, 0.5):
        model = randomise(make_model(residual=residual, condition_dropout=dropout))
        model.networks["velocity"].register_forward_pre_hook(look)
        condition = model.networks["condition"]
        seen.clear()
        model(**make_batch([12, 9] * 8))
        ((c, vector),) = seen
        gone = (c == condition.null).all(-1).all(-1)
        assert gone.float().mean() == 1 if dropout == 1 else 0 < gone.sum() < 16
        assert torch.equal((vector == condition.null_vector).all(-1), gone)
    seen.clear()
    flow = FlowInference(model)
    flow.generate(*utterances(make_batch([12, 9])), SamplingConfig(n_steps=2, guidance=0.7))
    assert len(seen) == 2
    for c, vector in seen:  # both in one batch
        (no_c, c), (no_vector, vector) = c.chunk(2), vector.chunk(2)
        assert (no_c == condition.null).all() and (no_vector == condition.null_vector).all()
        assert not (c == condition.null).all(-1).any()
        assert not (vector == condition.null_vector).all(-1).any()


def test_guidance_of_a_flow_that_always_had_its_conditions_is_refused(make_model, make_batch):
    flow = FlowInference(make_model(condition_dropout=0.0))
    given = utterances(make_batch([10]))
    flow.generate(*given, SamplingConfig(n_steps=1))
    with pytest.raises(UserError, match="guidance: 0.7 for a model trained with condition_dropout"):
        flow.generate(*given, SamplingConfig(n_steps=1, guidance=0.7))


def test_the_nested_sum():
    """v_0 + sum_i w_i (v_i - v_{i-1})."""
    v_0, v_1, v_2 = torch.randn(3, 4, dtype=torch.float64)
    found = extrapolated([v_0, v_1, v_2], [2.0, 3.0])
    torch.testing.assert_close(found, v_0 + 2 * (v_1 - v_0) + 3 * (v_2 - v_1))
    torch.testing.assert_close(extrapolated([v_0, v_1, v_2], [1.0, 1.0]), v_2)
    assert extrapolated([v_0], []) is v_0


def test_guidance_is_one_batch_and_keeps_to_its_interval():
    calls = []

    def nested(x, t):
        calls.append(len(x))
        return torch.cat([x[:2], x[2:] + 1])

    alone = lambda x, t: x + 1  # noqa: E731
    field = guided(alone, nested, [1.7], (0.2, 0.8))
    x = torch.randn(2, 3)
    for t, weight in ((0.1, 1.0), (0.2, 1.7), (0.5, 1.7), (0.8, 1.7), (0.9, 1.0)):
        torch.testing.assert_close(field(x, torch.tensor(t, dtype=torch.float64)), x + weight)
    assert calls == [4, 4, 4]
    assert guided(alone, nested, []) is alone
