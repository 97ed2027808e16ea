"""What a flow is given by others: tables of other tokenizers, scores and phone sets."""

import numpy as np
import pytest
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.flow.inference import FlowInference
from espnet2_ext.flow.sampler import SamplingConfig

from .test_model import utterances


@pytest.fixture
def given(make_batch):
    """Tokens, scores, prompts and soft tokens of two utterances."""
    tokens, midi, prompts = utterances(make_batch([10, 7]))
    scores = [torch.stack([m * 0, m, m * 0, m * 0], -1) for m in midi]
    return [
        tokens,
        scores,
        prompts,
        SamplingConfig(n_steps=1),
        [torch.zeros(n, 24) for n in (10, 7)],
    ]


def score_with(scores, column, value):
    changed = [score.clone() for score in scores]
    changed[1][3, column] = value
    return changed


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (1, lambda s: score_with(s, 1, 128), "b: midi: notes .* to 128 .expected 0 to 127"),
        (1, lambda s: score_with(s, 1, -1), "b: midi: notes -1 to"),
        (1, lambda s: score_with(s, 0, 2), "b: score_frames: phone ids 0 to 2 .expected 0 to 1"),
        (1, lambda s: score_with(s, 0, -1), "b: score_frames: phone ids -1 to 0"),
        (1, lambda s: s[:1], "flow: midi: 1 .expected 2, as the tokens"),
        (2, lambda p: p[:1], "flow: prompts: 1 .expected 2, as the tokens"),
        (4, lambda x: x[:1], "flow: soft: 1 .expected 2, as the tokens"),
        (4, lambda x: [x[0], x[1][:-1]], r"b: soft: .6, 24. .expected .7, 24."),
        (4, lambda x: [v[:, :-1] for v in x], r"a: soft: .10, 23. .expected .10, 24."),
        (4, lambda x: [v[:, 0] for v in x], r"a: soft: .10,. .expected"),
        (4, lambda x: [v + np.nan for v in x], "a: soft: values that are not finite"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(make_model, given, place, change, message):
    flow = FlowInference(make_model(condition={"phones": True}))
    assert flow.model.geometry.embed_dim == 24
    flow.generate(*given, ["a", "b"])
    given[place] = change(given[place])
    with pytest.raises(UserError, match=message):
        flow.generate(*given, ["a", "b"])
