"""What tests of the rows of a result table share."""

import io
import sys
from pathlib import Path

import pytest

from espnet2_ext.bin import rows as cli
from espnet2_ext.evaluation.settings import Settings

RECIPES = Path(__file__).resolve().parents[2] / "egs2"
SYSTEMS = RECIPES / "TEMPLATE/speechlm1/conf/systems.yaml"


@pytest.fixture
def run(tmp_path, monkeypatch) -> Settings:
    """Settings of a recipe's run in the working directory, which expects soft tokens."""
    monkeypatch.chdir(tmp_path)
    Path("lm.yaml").write_text("method: greedy\nsoft: true\n")
    Path("flow.yaml").write_text("solver: euler\n")
    return Settings(
        expdir="exp", dumpdir="dump", tokens="dump/tokens", tokenizer_dir="exp/tokenizer",
        eval_name="eval_test", device="cpu", inference_nj="1", tag="default",
        lm_exp="exp/speechlm_default", inference_model="best.pth", inference_config="lm.yaml",
        inference_args="", inference_tag="default", flow_exp="exp/flow_default",
        flow_model="best.pth", flow_inference_config="flow.yaml", flow_inference_args="--seed 1",
        flow_inference_tag="default_seed_1", vocoder_exp="exp/vocoder_default",
        vocoder_model="best.pth", vocoder_f0="feats", duration_exp="exp/duration_default",
        duration_model="best.pth", duration_inference_config="",
        systems_config=str(SYSTEMS), row="",
    )  # fmt: skip


def call(run, monkeypatch, capsys, *options) -> tuple[int, str]:
    """Exit status of bin.rows, and what it prints, errors too."""
    text = "".join(f"{name}={value}\n" for name, value in run.items())
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    with pytest.raises(SystemExit) as end:
        cli.main(list(options))
    captured = capsys.readouterr()
    return end.value.code, captured.out + captured.err
