"""Fused kernels: what they replace, and what is said where they cannot run."""

import logging

import pytest
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.speechlm import kernels
from espnet2_ext.speechlm.kernels import fuse, use_kernels

from .conftest import make_model

BUILTIN = {"model_type": "builtin", "n_ctx": 80, "n_state": 32, "n_head": 2, "n_layer": 2}


def test_kernels_get_what_the_modules_compute(batch):
    """Plain functions of the kernels' signatures give the modules' own loss and gradients."""
    calls = []

    def rms_norm(x, weight, eps):
        calls.append("norm")
        return weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps))

    def swiglu(gate, up):
        calls.append("mlp")
        return torch.nn.functional.silu(gate) * up

    gradients = []
    for fused in (False, True):
        model = make_model().double().train()
        if fused:
            assert fuse(model.corelm.backbone, rms_norm, swiglu, "cpu") == 7
        torch.manual_seed(0)
        model(**batch)[0].backward()
        gradients.append([p.grad for p in model.corelm.parameters()])
    assert calls.count("norm") == 5 and calls.count("mlp") == 2
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("training", "device"), [(False, "cpu"), (True, "cuda")])
def test_elsewhere_modules_compute_what_they_did(training, device):
    backbone = make_model().corelm.backbone.train(training)
    x = torch.randn(1, 5, 32)
    before = backbone(inputs_embeds=x).last_hidden_state
    fuse(backbone, None, None, device)
    assert torch.equal(backbone(inputs_embeds=x).last_hidden_state, before)


def test_auto_falls_back_and_says_why(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    assert use_kernels(make_model().corelm.backbone, "auto") == 0
    assert "PyTorch's own (liger-kernel is not installed)" in caplog.text


def test_liger_that_is_missing_is_an_error(monkeypatch):
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="liger-kernel is not installed"):
        make_model(corelm_conf={"backbone": BUILTIN, "kernels": "liger"})
    with pytest.raises(UserError, match="not one of none, auto, liger"):
        make_model(corelm_conf={"backbone": BUILTIN, "kernels": "triton"})
