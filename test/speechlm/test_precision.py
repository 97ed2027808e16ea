"""FlashAttention only where it runs; --dtype of every command that runs a model."""

import pytest
import torch
import yaml
from transformers import AttentionInterface

from espnet2_ext.bin import infer, report, sing
from espnet2_ext.bin.family import Family
from espnet2_ext.data.batch import Batch
from espnet2_ext.device import DTYPES
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_json
from espnet2_ext.speechlm import corelm
from espnet2_ext.speechlm.corelm import runs_flash_attention
from espnet2_ext.speechlm.inference import SpeechLMInference
from espnet2_ext.speechlm.packing import Segments, packed_attention

from .conftest import make_args, make_batch, make_model, make_utterance

COMMANDS = {
    infer: ("speechlm", "soft", "flow", "vocoder"),
    report: ("leakage", "rolled_score"),
}
PARSERS = {"sing": sing.get_parser()} | {
    name: Family(family.__name__).parser_of(name)
    for family, names in COMMANDS.items()
    for name in names
}


def auto(conditioning="prefix", attention="auto", **model_conf):
    args = make_args(conditioning)
    args.corelm_conf["attention"] = attention
    return make_model(
        conditioning,
        corelm_conf=args.corelm_conf,
        model_conf={**args.model_conf, **model_conf},
    )


@pytest.mark.parametrize("installed", [True, False])
def test_flash_attention_takes_16_bits_on_a_gpu_alone(monkeypatch, installed):
    monkeypatch.setattr(corelm, "has_flash_attention", lambda: installed)
    runs = {
        (device, dtype)
        for device in ("cpu", "cuda")
        for dtype in (torch.float32, torch.bfloat16, torch.float16)
        if runs_flash_attention(device, dtype)
    }
    assert runs == ({("cuda", torch.bfloat16), ("cuda", torch.float16)} if installed else set())


@pytest.mark.parametrize("packing", [True, False])
def test_float32_is_computed_by_sdpa_where_flash_attention_is_installed(
    monkeypatch, batch, packing
):
    """Inference and training load float32 weights: FlashAttention would refuse them."""
    expected = auto(attention="sdpa", packing=packing).eval().score(Batch(batch))
    monkeypatch.setattr(corelm, "has_flash_attention", lambda: True)
    model = auto(packing=packing).eval()
    torch.testing.assert_close(model.score(Batch(batch)).log_prob, expected.log_prob)
    assert model.corelm.attention == "sdpa"
    u = make_utterance(6, 3)
    assert len(SpeechLMInference(model).generate([u.score_frames], [u.prompt])[0].tokens) == 6


def test_16_bits_are_computed_by_flash_attention_and_float32_again_by_sdpa(monkeypatch, batch):
    """A stand-in for the kernel; weights are cast after the model was built, as DeepSpeed does."""
    calls = []

    def flash(module, query, key, value, mask, **kwargs):
        calls.append(query.dtype)
        ends = kwargs.pop("cu_seq_lens_q")
        for name in ("cu_seq_lens_k", "max_length_q", "max_length_k"):
            kwargs.pop(name)
        return packed_attention(
            module, query, key, value, None, Segments.of(ends.diff().tolist()), **kwargs
        )

    model = auto(packing=True).eval()
    before = model.score(Batch(batch)).log_prob
    AttentionInterface.register("flash_stand_in", flash)

    def set_attention(name):
        config = model.corelm.backbone.config
        config._attn_implementation = "flash_stand_in" if name == "flash_attention_2" else name

    monkeypatch.setattr(model.corelm.backbone, "set_attn_implementation", set_attention)
    monkeypatch.setattr(corelm, "runs_flash_attention", lambda _, dtype: dtype != torch.float32)
    near = model.bfloat16().score(Batch(batch)).log_prob
    assert calls and set(calls) == {torch.bfloat16} and model.corelm.attention != "sdpa"
    assert (near - before).abs().max() < 0.2
    calls.clear()
    again = model.float().score(Batch(batch)).log_prob
    assert not calls and model.corelm.attention == "sdpa" and (again - before).abs().max() < 0.2
    model.config.autocast = "bfloat16"
    model.score(Batch(batch))
    assert calls  # products under autocast are of 16 bits, too


def test_insisting_on_flash_attention_where_it_cannot_run_is_one_line(monkeypatch, batch):
    with pytest.raises(UserError, match="flash-attn is not installed"):
        auto(attention="flash_attention_2")
    model = auto(attention="sdpa")
    model.corelm.attention_wanted = "flash_attention_2"
    with pytest.raises(UserError, match=r"flash_attention_2 for float32 on cpu.*--dtype"):
        model.score(Batch(batch))


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_every_command_that_runs_a_model_has_a_dtype(parser):
    (action,) = (a for a in parser._actions if a.dest == "dtype")
    assert tuple(action.choices) == DTYPES


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    root = tmp_path_factory.mktemp("exp")
    torch.save(make_model().state_dict(), root / "model.pth")
    (root / "config.yaml").write_text(yaml.safe_dump(vars(make_args())))
    for name in ("codec_ssl", "score_frames", "prompt"):
        with ArkWriter(root, name) as ark:
            for k in range(3):
                ark[f"u{k}"] = getattr(make_utterance(8 + k, 4, seed=k), name).reshape(-1).numpy()
    return root


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_speech_lm_computes_in_the_dtype_asked_for(experiment, tmp_path, dtype):
    model = ["--train_config", experiment / "config.yaml", "--model_file", experiment / "model.pth"]
    with pytest.raises(SystemExit) as end:
        report.main(
            [str(a) for a in ("rolled_score", *model, "--token_dir", experiment, "--dtype", dtype,
                              "--margin", "-9", "--output", tmp_path / "report.json")]
        )  # fmt: skip
    assert end.value.code in (0, 1)
    exact = make_model().eval()
    log_prob = exact.score(
        Batch(make_batch(*(make_utterance(8 + k, 4, seed=k) for k in range(3))))
    ).log_prob
    mean = (log_prob.detach().sum((1, 2)) / (4 * torch.tensor([8, 9, 10]))).mean()
    found = read_json(tmp_path / "report.json")["log_prob"]
    assert found == pytest.approx(float(mean), rel=1e-5 if dtype == "float32" else 2e-2)
    if dtype != "float32":
        assert found != pytest.approx(float(mean), rel=1e-6)
