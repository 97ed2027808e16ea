"""Packed sequences and chunked scoring: the same loss and gradients, less computed and kept."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AttentionInterface

from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError
from espnet2_ext.speechlm.build import build_speechlm
from espnet2_ext.speechlm.packing import Segments, packed_attention

from .conftest import CODEBOOKS, SSL, make_args, make_batch, make_model, make_utterance

LLAMA = {"model_type": "llama", "hidden_size": 32, "intermediate_size": 48,
         "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}  # fmt: skip
BACKBONES = {
    "llama": LLAMA,
    "qwen2": {**LLAMA, "model_type": "qwen2"},
    "mistral": {**LLAMA, "model_type": "mistral", "sliding_window": 9},
    "builtin": {"model_type": "builtin", "n_ctx": 80, "n_state": 32, "n_head": 2, "n_layer": 2},
}
MODES = ("synchronous", "prefix")


def make(mode, backbone="llama", checkpointing=False, seed=0, **model_conf):
    conf = {"backbone": BACKBONES[backbone], "gradient_checkpointing": checkpointing}
    model_conf = {"conditioning": mode, "max_prompt_frames": 100, **model_conf}
    model = make_model(mode, seed, model_conf=model_conf, corelm_conf=conf)
    if mode == "synchronous":
        model.prompt_encoder.dropout = 0.0
        for block in model.score_encoder.blocks:
            block.dropout.p = 0.0
    return model.double().train()


def utterances():
    return [make_utterance(F, P, seed=F) for F, P in ((20, 9), (7, 3), (13, 12), (1, 1))]


def loss_and_gradients(model, batch):
    loss, _, weight = model(**batch)
    loss.backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return loss.item(), weight.item(), gradients


def assert_same(one, other, rtol=1e-6, atol=1e-12):
    assert one[0] == pytest.approx(other[0], rel=1e-4 * rtol) and one[1] == other[1]
    assert one[2].keys() == other[2].keys()
    for name, gradient in one[2].items():
        torch.testing.assert_close(gradient, other[2][name], msg=name, rtol=rtol, atol=atol)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_packing_changes_neither_loss_nor_gradients(mode, backbone):
    batch = make_batch(*utterances())
    padded = loss_and_gradients(make(mode, backbone), batch)
    assert_same(padded, loss_and_gradients(make(mode, backbone, packing=True), batch))


@pytest.mark.parametrize("backbone", ["llama", "builtin"])
def test_packing_holds_with_gradient_checkpointing_and_chunks(backbone):
    batch = make_batch(*utterances())
    padded = loss_and_gradients(make("synchronous", backbone), batch)
    model = make("synchronous", backbone, checkpointing=True, packing=True, loss_chunk=6)
    assert_same(padded, loss_and_gradients(model, batch))


def test_processes_shares_add_up_to_the_batch():
    """Weighted by frames, as the trainer weighs them; what a code costs is a 32-bit number."""
    whole = loss_and_gradients(make("prefix"), make_batch(*utterances()))
    model, loss = make("prefix", packing=True), 0.0
    for share in (utterances()[:1], utterances()[1:]):
        part, _, weight = model(**make_batch(*share))
        loss = loss + part * weight / whole[1]
    loss.backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    assert_same(whole, (loss.item(), whole[1], gradients), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_no_utterance_sees_another(mode):
    model = make(mode, packing=True).eval()
    first, *rest = utterances()
    before = model.score(Batch(make_batch(first, *rest))).log_prob
    after = model.score(Batch(make_batch(make_utterance(20, 9, seed=99), *rest))).log_prob
    assert torch.equal(before[1:], after[1:])
    assert (before[0] - after[0]).abs().max() > 0


def test_the_packed_row_has_no_padding():
    """Positions restart with each utterance, and there are no more than the utterances have."""
    model, seen = make("synchronous", packing=True), {}

    def look(_, __, kwargs):
        seen.update(kwargs)

    model.corelm.backbone.register_forward_pre_hook(look, with_kwargs=True)
    model(**make_batch(*utterances()))
    # sos, task, marker, frames, end; the delay adds nq - 1; the last position predicts nothing
    lengths = [3 + F + 1 + CODEBOOKS - 1 for F in (20, 7, 13, 1)]
    assert seen["inputs_embeds"].shape[:2] == (1, sum(lengths))
    assert seen["position_ids"][0].tolist() == [t for n in lengths for t in range(n)]


def test_flash_attention_is_told_where_sequences_begin(monkeypatch):
    """A stand-in that does what the varlen kernel does with the arguments it gets."""

    def varlen(module, query, key, value, mask, cu_seq_lens_q=None, **kwargs):
        assert mask is None and kwargs.pop("max_length_q") == kwargs.pop("max_length_k")
        ends = cu_seq_lens_q
        assert ends.dtype == torch.int32 and torch.equal(ends, kwargs.pop("cu_seq_lens_k"))
        segments = Segments.of(ends.diff().tolist())
        return packed_attention(module, query, key, value, None, segments, **kwargs)

    batch = make_batch(*utterances())
    padded = loss_and_gradients(make("prefix"), batch)
    model = make("prefix", packing=True)
    AttentionInterface.register("varlen", varlen)
    monkeypatch.setattr(model.corelm.backbone.config, "_attn_implementation", "varlen")
    monkeypatch.setattr(model.corelm, "attention", "flash_attention_2")
    assert_same(padded, loss_and_gradients(model, batch))


def test_attention_that_cannot_be_packed_is_refused():
    args = make_args("prefix", model_conf={"conditioning": "prefix", "packing": True})
    args.corelm_conf["attention"] = "eager"
    with pytest.raises(UserError, match="packing needs attention sdpa or flash_attention_2"):
        build_speechlm(args)


@pytest.mark.parametrize("mode", MODES)
def test_chunks_change_neither_loss_nor_gradients(mode):
    batch = make_batch(*utterances())
    whole = loss_and_gradients(make(mode), batch)
    for chunk in (5, 100):
        assert_same(whole, loss_and_gradients(make(mode, loss_chunk=chunk), batch))


class Largest(TorchDispatchMode):
    """Most elements that a tensor of logits, of `columns` columns, has while this is active."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns, self.rows = columns, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and out.ndim == 2 and out.size(1) == self.columns:
            self.rows = max(self.rows, out.size(0))
        return out


def test_chunks_bound_the_logits():
    """At no time, forward or backward, are there logits of more frames than a chunk has."""
    batch = make_batch(make_utterance(200, 5, seed=1), make_utterance(150, 5, seed=2))
    rows, kept = {}, {}
    for chunk in (0, 64):
        model = make("prefix", loss_chunk=chunk)
        storages = {}

        def keep(tensor, storages=storages):
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage
            return tensor

        with Largest(SSL + 1) as largest:  # the first stream's codes and the end
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                loss, _, _ = model(**batch)
            loss.backward()
        rows[chunk] = largest.rows
        kept[chunk] = sum(storage.nbytes() for storage in storages.values())
    assert rows == {0: 350, 64: 64}
    # log-probabilities of every code of every frame are not kept
    assert kept[0] - kept[64] > 350 * 8 * (SSL + 1 + CODEBOOKS * 8)
