"""Tokens that are not as many as the score's frames: free-length decoding before the flow."""

import logging

import numpy as np
import pytest
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_scp
from espnet2_ext.flow.inference import FlowInference
from espnet2_ext.flow.sampler import SamplingConfig
from espnet2_ext.inference.flow_step import FlowStep
from espnet2_ext.inference.over_tables import over_tables

from .conftest import MEL
from .test_model import ABLATIONS, randomise, utterances

FRAMES = (3, 21, 23, 14, 20)  # for scores of 20
PER_TOKEN = MEL.frames_per_token


@pytest.fixture
def sung(make_batch):
    """Tokens of `FRAMES`, scores of 20 frames, and prompts."""
    tokens, _, prompts = utterances(make_batch(FRAMES))
    scores = utterances(make_batch([20] * 5, seed=1))[1]
    return tokens, [torch.stack([s * 0, s, s * 0, s * 0], -1) for s in scores], prompts


@pytest.mark.parametrize("ablation", ["Flow1+Voc", "Flow2+Voc", "Flow2+CD"])
@pytest.mark.parametrize("policy", ["pad", "trim"])
def test_free_lengths_are_sung_as_far_as_score_and_tokens_go(make_model, sung, ablation, policy):
    """Flow2 refused any count that differs from the score's: 3, 21, 23 and 14 for 20."""
    condition, space = ABLATIONS[ablation]
    flow = FlowInference(randomise(make_model(condition=condition, space=space)))
    tokens, scores, prompts = sung
    soft = [flow.model.codec(t[None, :, 1:])[0] for t in tokens]
    config = SamplingConfig(n_steps=2, length_policy=policy)
    joined = flow.generate(tokens, scores, prompts, config)
    with_soft = flow.generate(tokens, scores, prompts, config, soft)
    for k, n in enumerate(FRAMES):
        n = min(n, 20)
        (alone,) = flow.generate(
            [tokens[k][:n]], [scores[k][:n]], prompts[k : k + 1], SamplingConfig(n_steps=2)
        )
        kept = n * PER_TOKEN
        for features in (joined[k], with_soft[k]):
            assert len(features.mel) == len(features.f0) == (20 if policy == "pad" else n) * 2
            torch.testing.assert_close(features.mel[:kept], alone.mel, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(features.f0[:kept], alone.f0, atol=1e-2, rtol=1e-4)
            assert (features.mel[kept:] == np.float32(np.log(MEL.floor))).all()
            assert (features.f0[kept:] == 0).all()
            if features.codes is not None:
                assert len(features.codes) == n


def test_exact_is_the_default_and_names_the_utterance(make_model, sung):
    flow = FlowInference(make_model())
    tokens, scores, prompts = sung
    names = [f"song{k}" for k in range(5)]
    with pytest.raises(UserError, match="song0: tokens: 3 frames .expected 20 as the score, or"):
        flow.generate(tokens, scores, prompts, names=names)
    flow.generate(tokens[4:], scores[4:], prompts[4:])


@pytest.mark.parametrize("pitch", ["none", "rich"])
def test_a_table_of_free_lengths_is_rendered_and_counted(make_model, sung, tmp_path, caplog, pitch):
    tokens, scores, prompts = sung
    for name, rows in (("codec_ssl", tokens), ("score_frames", scores), ("prompt", prompts)):
        with ArkWriter(tmp_path / "tokens", name) as writer:
            for k, row in enumerate(rows):
                writer[f"utt{k}"] = row.flatten().to(torch.int32).numpy()
    space = {"f0_mode": "absolute"} if pitch == "none" else {}
    flow = FlowInference(make_model(condition={"pitch": pitch}, space=space))
    paths = {n: tmp_path / f"tokens/{n}.scp" for n in ("codec_ssl", "score_frames", "prompt")}
    config = SamplingConfig(n_steps=1, length_policy="pad")
    with caplog.at_level(logging.INFO):
        assert over_tables(FlowStep(flow, config), "model", paths, tmp_path / "out", chunk_utts=2)
    mels = read_scp(tmp_path / "out/mel.scp")
    assert [len(mels[f"utt{k}"]) for k in range(5)] == [40] * 5
    lines = [r.getMessage() for r in caplog.records if "lengths of" in r.getMessage()]
    assert "1 as their score, 2 longer, 2 shorter (23 of 100 frames" in lines[0]
    assert "utt0 (3 frames for 20), utt3 (14 frames for 20)" in lines[1]
