"""Codes and streams that a pretrained LM does not have are learnt, however it is adapted."""

import json
from types import SimpleNamespace

import pytest
import torch

from espnet2_ext.speechlm.adaptation import AdaptationConfig, adapt
from espnet2_ext.speechlm.build import build_speechlm
from espnet2_ext.speechlm.pretrained import (
    PretrainedConfig,
    initialise,
    merge_conf,
    read_pretrained,
)
from espnet2_ext.tokenizer.vocabulary import Vocabulary

from .conftest import PHONES, make_args, make_batch, make_score
from .upstream import LLAMA, NQ, TEXT, write_upstream

N_SSL, N_CODES = 8, 4


def adapted(source, method, n_codebooks=3, **config):
    """A model for the codes of another tokenizer, that starts from a checkpoint."""
    pretrained = read_pretrained(source, PretrainedConfig())
    vocabulary = Vocabulary.build(
        N_SSL, n_codebooks, N_CODES, PHONES, base=pretrained.vocabulary, replace_codes=True
    )
    args = make_args(
        "prefix",
        token_list=list(vocabulary.tokens),
        token_bias=dict(vocabulary.bias),
        corelm_conf=merge_conf(pretrained, {}, "yaml"),
    )
    model = build_speechlm(args)
    initialise(model, pretrained)
    adapt(model, AdaptationConfig(method=method, **config), pretrained.vocabulary)
    return model


def learn(model, steps=60):
    """Likelihood of codes that are the same in every frame, after some steps on them."""
    nq = model.vocabulary.nq
    codes = torch.arange(nq).remainder(N_CODES).expand(9, nq)
    torch.manual_seed(0)
    batch = make_batch(SimpleNamespace(codec_ssl=codes, score_frames=make_score(9), prompt=codes))
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        loss, stats, _ = model(**batch)
        loss.backward()
        optimizer.step()
    return float(stats["nll_codec"])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora", "frozen"])
def test_a_head_of_new_codes_learns_them(tmp_path, method):
    """The head was made anew and then frozen with the rest: it could not learn them."""
    write_upstream(tmp_path, "aux")
    model = adapted(tmp_path, method)
    assert model.corelm.aux_lm_head.weight.requires_grad
    assert learn(model) < 0.1


def test_a_head_of_the_checkpoints_codes_stays(tmp_path):
    write_upstream(tmp_path, "aux")
    pretrained = read_pretrained(tmp_path, PretrainedConfig())
    vocabulary = Vocabulary.build(6, 3, 4, PHONES, base=pretrained.vocabulary)
    for rows in ("new", "all"):
        args = make_args("prefix", token_list=list(vocabulary.tokens),
                         token_bias=dict(vocabulary.bias),
                         corelm_conf=merge_conf(pretrained, {}, "yaml"))  # fmt: skip
        model = build_speechlm(args)
        initialise(model, pretrained)
        adapt(model, AdaptationConfig(method="frozen", rows=rows), pretrained.vocabulary)
        assert model.corelm.aux_lm_head.weight.requires_grad == (rows == "all")
        assert not model.corelm.head_emb.weight.requires_grad


@pytest.mark.parametrize("method", ["lora", "frozen"])
def test_embeddings_of_streams_that_the_checkpoint_lacks_are_learnt(tmp_path, method):
    write_upstream(tmp_path)
    model = adapted(tmp_path, method, n_codebooks=NQ + 1)
    before = model.corelm.head_emb.weight.detach().clone()
    learn(model, 2)
    moved = (model.corelm.head_emb.weight != before).any(1).nonzero()[:, 0].tolist()
    assert moved == list(range(NQ, NQ + 2))


@pytest.mark.parametrize("method", ["lora", "frozen"])
def test_a_text_lm_learns_its_streams_and_special_tokens(tmp_path, method):
    """It has none: their embeddings start at random and must not stay there."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    arguments = {k: v for k, v in LLAMA.items() if k != "model_type"}
    LlamaForCausalLM(LlamaConfig(**arguments, vocab_size=10)).save_pretrained(tmp_path)
    pieces = {**{t: i for i, t in enumerate(TEXT)}, "<pad>": 7, "<|endoftext|>": 8}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"vocab": pieces}}))
    model = adapted(tmp_path, method)
    core, end = model.corelm, model.vocabulary.sos_eos
    tables = (core.head_emb.weight, core.emb.weight, core.lm_head.weight)
    before = [table.detach().clone() for table in tables]
    assert learn(model) < 0.1
    streams, embedding, head = (
        (table != start).any(1) for table, start in zip(tables, before, strict=True)
    )
    assert streams.nonzero()[:, 0].tolist() == [1, 2, 3]  # stream 0 has none
    assert embedding[end] and embedding[model.vocabulary.pad] and head[end]
    assert not embedding[256:266].any() and not head[256:266].any()
