"""Checkpoints in their published layouts: written by the test from documented names, then read."""

import json
import logging

import pytest
import torch
import yaml
from stand_in_hub import hub as stand_in_hub
from torch.nn import functional as F

from espnet2_ext.checkpoint import load_state, save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.speechlm.build import build_speechlm
from espnet2_ext.speechlm.grow import new_rows, row_table
from espnet2_ext.speechlm.interleave import delay
from espnet2_ext.speechlm.pretrained import (
    BACKBONES,
    PretrainedConfig,
    merge_conf,
    pretrained_vocabulary,
    read_pretrained,
)
from espnet2_ext.speechlm.pretrained import initialise as initialise_model
from espnet2_ext.tokenizer.vocabulary import Vocabulary

from .conftest import PHONES, make_args, make_score
from .upstream import (
    CODEBOOKS,
    CODES,
    LAYERS,
    LLAMA,
    NQ,
    SSL,
    TEXT,
    VARIANTS,
    D,
    reference,
    write_upstream,
)


def adapted(source, **conf):
    """A model for singing that starts from a checkpoint, and the checkpoint."""
    pretrained = read_pretrained(source, PretrainedConfig())
    vocabulary = Vocabulary.build(SSL, CODEBOOKS, CODES, PHONES, base=pretrained.vocabulary)
    args = make_args(
        "prefix",
        token_list=list(vocabulary.tokens),
        token_bias=dict(vocabulary.bias),
        corelm_conf=merge_conf(pretrained, conf, "yaml"),
    )
    model = build_speechlm(args)
    initialise_model(model, pretrained)
    return model.eval(), pretrained


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_are_those_of_the_published_architecture(tmp_path, variant):
    state = write_upstream(tmp_path, variant)
    model, _ = adapted(tmp_path)
    core, slices = model.corelm, model.vocabulary.stream_slices()
    assert core.lm_head.weight is core.emb.weight or variant != "shared"
    starts, sizes = torch.tensor([(a, b - a) for a, b in slices]).T
    generator = torch.Generator().manual_seed(1)
    tokens = (torch.rand(9, NQ, generator=generator) * sizes).long() + starts
    tokens = delay(tokens, 0)
    expected = reference(state, tokens)
    with torch.no_grad():
        hidden = core.hidden(core.embed(tokens[None]))[0]
        heads, bias = core.head_table()
        for q, (start, end) in enumerate(slices):
            logits = core.stream_logits(hidden, q)
            torch.testing.assert_close(logits[:, : end - start], expected[:, q, start:end])
            table = hidden @ heads[q] + bias[q]
            torch.testing.assert_close(table[:, : end - start], expected[:, q, start:end])
            if q == 0:
                torch.testing.assert_close(logits[:, -1], expected[:, 0, model.vocabulary.sos_eos])
                torch.testing.assert_close(table[:, -1], logits[:, -1])


@pytest.mark.parametrize("variant", ["aux", "builtin"])
def test_it_sings_the_same_with_and_without_a_cache(tmp_path, variant):
    from espnet2_ext.speechlm.inference import DecodingConfig, SpeechLMInference

    write_upstream(tmp_path, variant)
    singer = SpeechLMInference(adapted(tmp_path)[0])
    scores = [make_score(5), make_score(3)]  # of two lengths: one is padded on its left
    sung = [singer.generate(scores, decoding=DecodingConfig(use_cache=c)) for c in (True, False)]
    for a, b in zip(*sung, strict=True):
        assert torch.equal(a.tokens, b.tokens)
    if variant == "builtin":
        with pytest.raises(UserError, match="64, as the checkpoint"):
            singer.generate([make_score(40)])


@pytest.mark.parametrize("variant", ["plain", "shared", "aux", "builtin"])
def test_every_old_row_stays_bit_for_bit(tmp_path, variant):
    state = write_upstream(tmp_path, variant)
    model, pretrained = adapted(tmp_path)
    grown = model.state_dict()
    for name, weight in state.items():
        if not name.startswith("criterion."):
            assert torch.equal(grown[name][: len(weight)], weight), name
    new = len(model.vocabulary) - len(pretrained.vocabulary)
    assert (
        new
        == 1 + len(PHONES) + 128
        == len(grown["corelm.emb.weight"]) - len(state["corelm.emb.weight"])
    )


def test_new_rows_start_as_stated(tmp_path, caplog):
    state = write_upstream(tmp_path)
    with caplog.at_level(logging.INFO):
        model, pretrained = adapted(tmp_path)
    new, old = model.vocabulary, pretrained.vocabulary
    for name in ("emb", "lm_head"):
        table, before = model.state_dict()[f"corelm.{name}.weight"], state[f"corelm.{name}.weight"]
        text = {t: before[old.id(t)] for t in (*TEXT, "g2p_N")}
        assert torch.equal(table[new.id("svs_n")], text["g2p_N"])  # g2p before text
        torch.testing.assert_close(table[new.id("svs_ao")], text["ao"])
        torch.testing.assert_close(table[new.id("svs_h")], text["h"])
        std = float(before.std())
        for token in ("svs_60", "svs_SP", "<svs_placeholder>"):
            row = table[new.id(token)]
            assert 0.05 * std < (row - before.mean(0)).std() < 0.2 * std, token
    assert new.id("<svs_task>") == 75  # the unused slot's own row
    table = row_table(new_rows(old, new), old)
    assert table["svs_ao"] == "phones ao" and table["svs_60"] == "mean"
    assert table["<svs_task>"] == "slot"
    assert "4 new tokens by rule phones" in caplog.text
    assert "1 new tokens by rule slot: <svs_task>" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("corelm.decoders.model.norm.weight"), "missing parameter corelm.dec"),
        (lambda s: s.pop("corelm.head_emb.weight"), "missing parameter corelm.head_emb.weight"),
        (lambda s: s.update({"corelm.extra.weight": torch.zeros(2)}), "unknown parameter corelm.e"),
        (lambda s: s.update({"criterion.w": torch.zeros(2)}), "unknown parameter criterion.w"),
        (lambda s: s.update({"criterion.lm_head.weight": torch.zeros(2, D)}), "criterion.lm_head"),
        (lambda s: s.update({"corelm.decoders.model.norm.weight": torch.zeros(3)}), "norm.weight"),
        (lambda s: s.update({"corelm.emb.weight": torch.zeros(9, D)}), "corelm.emb.weight: 9 rows"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(tmp_path, change, message):
    state = write_upstream(tmp_path)
    change(state)
    torch.save(state, tmp_path / "exp/speechlm_tts/model.pth")
    with pytest.raises(UserError, match=message):
        adapted(tmp_path)


def test_a_yaml_that_states_another_shape_is_refused(tmp_path):
    write_upstream(tmp_path)
    same = {**LLAMA, "attention_dropout": 0.1}
    assert adapted(tmp_path, backbone=same)[0].corelm.backbone.config.attention_dropout == 0.1
    theta = {"rope_parameters": {"rope_type": "default", "rope_theta": 5.0}}
    with pytest.raises(UserError, match="rope_parameters"):
        adapted(tmp_path, backbone={**LLAMA, **theta})
    with pytest.raises(UserError, match="share_emb"):
        adapted(tmp_path, share_emb=True)


def test_another_tokenizers_codes_are_refused_or_start_anew(tmp_path):
    state = write_upstream(tmp_path, "aux")
    pretrained = read_pretrained(tmp_path, PretrainedConfig())
    base = pretrained.vocabulary
    with pytest.raises(UserError, match=r"sizes \[6, 4, 4, 4\].*--reinit_audio"):
        Vocabulary.build(8, 2, 4, PHONES, base=base)
    vocabulary = Vocabulary.build(8, 2, 4, PHONES, base=base, replace_codes=True)
    args = make_args("prefix", token_list=list(vocabulary.tokens),
                     token_bias=dict(vocabulary.bias),
                     corelm_conf=merge_conf(pretrained, {}, "yaml"))  # fmt: skip
    model = build_speechlm(args)
    initialise_model(model, pretrained)
    emb = model.state_dict()["corelm.emb.weight"]
    assert torch.equal(emb[: len(base)], state["corelm.emb.weight"])
    assert model.vocabulary.stream_slices()[0] == (len(base), len(base) + 8)
    assert model.corelm.aux_lm_head.weight.shape == (8, D)


def test_a_vocabulary_that_does_not_extend_the_checkpoints_is_refused(tmp_path):
    write_upstream(tmp_path)
    pretrained = read_pretrained(tmp_path, PretrainedConfig())
    args = make_args("prefix", corelm_conf=merge_conf(pretrained, {}, "yaml"))
    with pytest.raises(UserError, match="base_vocabulary"):
        initialise_model(build_speechlm(args), pretrained)


def test_a_text_lm_gains_speech(tmp_path):
    """Embedding and head of a Hugging Face causal LM, tied, as SmolLM2's are."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    arguments = {k: v for k, v in LLAMA.items() if k != "model_type"}
    config = LlamaConfig(**arguments, vocab_size=10, tie_word_embeddings=True)
    text = LlamaForCausalLM(config).eval()
    text.save_pretrained(tmp_path)
    pieces = {**{t: i for i, t in enumerate(TEXT)}, "<pad>": 7, "<|endoftext|>": 8}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"vocab": pieces}}))
    assert pretrained_vocabulary(tmp_path, PretrainedConfig()).tokens[-3:] == (
        "text_bpe_<pad>", "<|endoftext|>", "<unused_text_9>")  # fmt: skip
    model, _ = adapted(tmp_path)
    core = model.corelm
    assert core.lm_head.weight is core.emb.weight
    assert torch.equal(core.emb.weight[256:266], text.get_input_embeddings().weight)
    ids = torch.tensor([[1, 4, 2, 8]])
    with torch.no_grad():
        # a text token fills stream 0; the padding of the others is taken off again
        x = core.embed(F.pad(ids[..., None] + 256, (0, NQ - 1))) - (NQ - 1) * core.emb.weight[0]
        logits = core.hidden(x) @ core.lm_head.weight[256:266].T
        torch.testing.assert_close(logits, text(ids).logits)
    weights = load_state(tmp_path / "model.safetensors")
    for change, message in (
        ({"model.norm.weight": torch.zeros(3)}, r"corelm.decoders.model.norm.weight: shape \(3,\)"),
        ({"model.extra": torch.zeros(3)}, "unknown parameter corelm.decoders.model.extra"),
    ):
        bad = tmp_path / f"{len(message)}"
        bad.mkdir()
        for name in ("config.json", "tokenizer.json"):
            (bad / name).write_bytes((tmp_path / name).read_bytes())
        save_safetensors({**weights, **change}, bad / "model.safetensors")
        with pytest.raises(UserError, match=message):
            adapted(bad)
    untied, _ = adapted(tmp_path, share_emb=False)
    assert untied.corelm.lm_head.weight is not untied.corelm.emb.weight
    assert torch.equal(untied.corelm.lm_head.weight, core.lm_head.weight)


def test_the_task_starts_from_it(tmp_path):
    from espnet2_ext.tasks.speechlm import SpeechLMTask

    state = write_upstream(tmp_path)
    base = pretrained_vocabulary(tmp_path, PretrainedConfig())
    Vocabulary.build(SSL, CODEBOOKS, CODES, PHONES, base=base).save(tmp_path / "tokens")
    args = make_args("prefix", token_list=str(tmp_path / "tokens/token_list.json"), token_bias=None,
                     collect_stats=False, pretrained=str(tmp_path), pretrained_conf={"seed": 1},
                     corelm_conf={"gradient_checkpointing": True})  # fmt: skip
    model = SpeechLMTask.build_model(args)
    head_emb = "corelm.head_emb.weight"
    assert torch.equal(model.state_dict()[head_emb], state[head_emb])
    assert args.corelm_conf["backbone"]["num_hidden_layers"] == LAYERS  # stands by itself
    args.collect_stats = True
    assert SpeechLMTask.build_model(args).corelm.d_model < D  # no weights to collect shapes


@pytest.mark.parametrize("factor", [4000, 4_000_000])
def test_a_checkpoint_whose_configuration_asks_for_more_than_it_has(tmp_path, monkeypatch, factor):
    from espnet2_ext.speechlm import pretrained
    from espnet2_ext.tasks.speechlm import SpeechLMTask

    write_upstream(tmp_path)
    base = pretrained_vocabulary(tmp_path, PretrainedConfig())
    Vocabulary.build(SSL, CODEBOOKS, CODES, PHONES, base=base).save(tmp_path / "tokens")
    wide = {**LLAMA, "intermediate_size": 24 * factor * 100}
    monkeypatch.setattr(pretrained, "_backbone", lambda *_: wide)  # as its config.json would say
    args = make_args("prefix", token_list=str(tmp_path / "tokens/token_list.json"), token_bias=None,
                     collect_stats=False, pretrained=str(tmp_path), pretrained_conf={},
                     corelm_conf={})  # fmt: skip
    with pytest.raises(UserError, match="a larger model|is more than") as caught:
        SpeechLMTask.build_model(args)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_nowhere_is_one_line(tmp_path, monkeypatch):
    missing = ["nobody/no_such_model", "./no/such/folder"]
    for source in missing:
        options = PretrainedConfig(offline=True, cache_dir=str(tmp_path))
        with pytest.raises(UserError) as error:
            read_pretrained(source, options)
        assert source in str(error.value) and "\n" not in str(error.value)


def test_the_hubs_cache_serves_without_network(tmp_path, monkeypatch):
    cache = tmp_path / "hub"
    snapshot = cache / "models--espnet--small" / "snapshots" / "abc"
    state = write_upstream(snapshot)
    (cache / "models--espnet--small" / "refs").mkdir()
    (cache / "models--espnet--small" / "refs" / "main").write_text("abc")
    options = PretrainedConfig(offline=True, cache_dir=str(cache))
    found = read_pretrained("espnet/small", options)
    assert torch.equal(found.state["corelm.emb.weight"], state["corelm.emb.weight"])


def test_a_model_is_downloaded_once(tmp_path, monkeypatch):
    remote, constants = tmp_path / "remote", "huggingface_hub.constants"
    state = write_upstream(remote)
    options = {"cache_dir": str(tmp_path / "cache")}
    with stand_in_hub() as server:
        server.repos["espnet/small"] = {
            str(path.relative_to(remote)): path.read_bytes()
            for path in remote.rglob("*") if path.is_file()
        }  # fmt: skip
        monkeypatch.setattr(f"{constants}.ENDPOINT", server.url)
        monkeypatch.setattr(f"{constants}.HUGGINGFACE_CO_URL_TEMPLATE",
                            server.url + "/{repo_id}/resolve/{revision}/{filename}")  # fmt: skip
        found = read_pretrained("espnet/small", PretrainedConfig(**options))
    assert torch.equal(found.state["corelm.emb.weight"], state["corelm.emb.weight"])
    again = read_pretrained("espnet/small", PretrainedConfig(**options, offline=True))
    assert again.place == found.place


def test_a_packed_model_of_the_zoo_says_which_file(tmp_path):
    write_upstream(tmp_path)
    exp = tmp_path / "exp/speechlm_tts"
    (exp / "model.pth").rename(exp / "2epoch.pth")
    (exp / "1epoch.pth").write_bytes(b"")
    with pytest.raises(UserError, match="1epoch.pth, 2epoch.pth"):
        read_pretrained(tmp_path, PretrainedConfig())
    files = {"files": {"model_file": "exp/speechlm_tts/2epoch.pth"},
             "yaml_files": {"train_config": "exp/speechlm_tts/config.yaml"}}  # fmt: skip
    (tmp_path / "meta.yaml").write_text(yaml.safe_dump(files))
    assert read_pretrained(tmp_path, PretrainedConfig()).place.endswith("2epoch.pth")
    chosen = read_pretrained(exp, PretrainedConfig(file="2epoch.pth"))
    assert chosen.place == read_pretrained(exp / "2epoch.pth", PretrainedConfig()).place


def test_our_own_experiment_is_read(tmp_path):
    vocabulary = Vocabulary.build(12, 3, 8, PHONES[:3])
    args = make_args("prefix", token_list=list(vocabulary.tokens), phone_list=PHONES[:3],
                     token_bias={m: list(s) for m, s in vocabulary.bias.items()})  # fmt: skip
    model = build_speechlm(args)
    torch.save(model.state_dict(), tmp_path / "valid.loss.best.pth")
    torch.save(model.state_dict(), tmp_path / "1epoch.pth")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    pretrained = read_pretrained(tmp_path, PretrainedConfig())
    grown = Vocabulary.build(12, 3, 8, PHONES, base=pretrained.vocabulary)
    args = make_args("synchronous", token_list=list(grown.tokens),
                     token_bias=dict(grown.bias),
                     corelm_conf=merge_conf(pretrained, {}, "yaml"))  # fmt: skip
    new = build_speechlm(args)
    initialise_model(new, pretrained)
    old, state = model.state_dict(), new.state_dict()
    for name, weight in old.items():
        assert torch.equal(state[name][: len(weight)], weight), name


def test_the_published_backbones_build():
    from espnet2_ext.speechlm.corelm import backbone_config

    for backbone in BACKBONES.values():
        assert backbone_config(backbone).hidden_size in (2048, 4096)
