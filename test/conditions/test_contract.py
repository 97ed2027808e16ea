"""What holds for every registered condition."""

import pytest
import torch

from espnet2_ext.conditions.condition import (
    FRAMES,
    SEQUENCE,
    VECTOR,
    Condition,
    register_condition,
)
from espnet2_ext.conditions.registry import ConditionSet, conditions, streams_read
from espnet2_ext.data.streams import STREAMS
from espnet2_ext.errors import UserError

from .conftest import SIZES, batch_of, build

LENGTHS = [11, 7, 9, 4, 11, 5, 8, 6]


def real(condition: Condition, row: int) -> torch.Tensor:
    """The real part of an utterance's condition (F or S, d), or (d,)."""
    value = condition.value[row]
    return value if condition.mask is None else value[condition.mask[row]]


def test_the_value_is_as_its_kind_says(name, make_rows):
    batch = batch_of(make_rows(LENGTHS))
    condition = build(name).eval()(batch)
    B, d = len(LENGTHS), SIZES.width
    assert condition.kind == conditions()[name].kind and condition.null.shape == (d,)
    if condition.kind == VECTOR:
        assert condition.value.shape == (B, d) and condition.mask is None
        return
    S = condition.mask.size(1)
    assert condition.value.shape == (B, S, d) and condition.mask.dtype == torch.bool
    if condition.kind == FRAMES:
        assert condition.mask.sum(1).tolist() == LENGTHS


def test_dropped_it_cannot_change_the_output(name, make_rows):
    """Neither its values nor how many there are show."""
    encoder, rows = build(name).eval(), make_rows(LENGTHS)
    others = make_rows(LENGTHS, seed=1)
    first, second = encoder(batch_of(rows)), encoder(batch_of(others))
    assert any(not torch.equal(real(first, b), real(second, b)) for b in range(8))
    everyone, half = torch.ones(8, dtype=torch.bool), torch.arange(8) < 4
    for b in range(8):
        gone = [real(c.dropped(everyone), b) for c in (first, second)]
        assert torch.equal(*gone) and (gone[0] == first.null).all()
        kept = real(first.dropped(half), b)
        assert torch.equal(kept, gone[0] if b < 4 else real(first, b))
    without = {k: v for k, v in rows.items() if k not in encoder.streams or k == "codec_ssl"}
    if encoder.streams[0] in without:  # tokens are what says how long a flow is
        return
    for b in range(8):
        assert torch.equal(real(encoder(batch_of(without)), b), real(first.dropped(everyone), b))


def test_training_drops_as_often_as_it_is_told(name, make_rows):
    batch = batch_of(make_rows([5] * 64))
    for drop in (0.0, 0.3, 1.0):
        torch.manual_seed(1)
        encoder = build(name, drop).train()
        if encoder.stand_in is None:
            assert drop == 0
            continue
        condition = encoder(batch)
        share = torch.tensor([(real(condition, b) == condition.null).all() for b in range(64)])
        assert abs(share.float().mean() - drop) <= (0.17 if 0 < drop < 1 else 0)


def test_a_batch_equals_its_utterances_alone(name, make_rows):
    encoder, rows = build(name).eval(), make_rows(LENGTHS)
    batched = encoder(batch_of(rows))
    for b in range(len(LENGTHS)):
        alone = encoder(batch_of({k: v[b : b + 1] for k, v in rows.items()}))
        torch.testing.assert_close(real(batched, b), real(alone, 0), atol=5e-5, rtol=1e-5)


def test_finite_gradients_reach_every_parameter(name, make_rows):
    encoder, batch = build(name).train(), batch_of(make_rows(LENGTHS))
    torch.manual_seed(2)
    condition = encoder(batch, vector=torch.randn(8, SIZES.width))
    value = condition.value if condition.mask is None else condition.value[condition.mask]
    (value * torch.randn_like(value)).sum().backward()
    for parameter_name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


def test_every_stream_is_of_the_table_or_made_by_a_generator():
    made = {"token_embedding", "prompt_embedding"}
    for encoder in conditions().values():
        assert set(encoder.streams) <= STREAMS.keys() | made
        assert encoder.kind in (FRAMES, SEQUENCE, VECTOR)
    assert set(streams_read()) <= STREAMS.keys()


def test_a_name_is_given_once():
    encoder = conditions()["timbre"]
    assert register_condition("timbre")(encoder) is encoder
    with pytest.raises(ValueError, match="condition timbre is TimbreCondition"):
        register_condition("timbre")(conditions()["text"])


def test_mistakes_are_named():
    with pytest.raises(UserError, match="yaml: unknown condition 'timber' .expected one of .*text"):
        ConditionSet({"timber": {}}, SIZES, "yaml")
    with pytest.raises(UserError, match="yaml: timbre: unknown key 'dims'"):
        ConditionSet({"timbre": {"dims": 3}}, SIZES, "yaml")
    with pytest.raises(UserError, match="drop 2 is not 0 to 1"):
        ConditionSet({"timbre": {"drop": 2}}, SIZES, "yaml")
    with pytest.raises(ValueError, match="never left out"):
        condition = ConditionSet({"pitch": {}}, SIZES, "yaml")["pitch"]
        assert condition.stand_in is None
        Condition(FRAMES, torch.ones(1, 2, 8), None, None).dropped(torch.ones(1).bool())
