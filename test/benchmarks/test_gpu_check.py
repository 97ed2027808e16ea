"""The GPU check's parts, run small on the CPU; and what only a GPU can show."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
gpu_check = pytest.importorskip("gpu_check")


def test_random_inputs_are_what_the_model_takes():
    model = gpu_check.build_lm("tiny")
    generator = torch.Generator().manual_seed(0)
    score = gpu_check.random_score(20, generator)
    assert score.shape == (20, 4) and score[:, 3].max() == 1 and score[:, 2].max() == 3
    codes = gpu_check.random_codes(model, 20, generator)
    sizes = torch.tensor([e - s for s, e in model.vocabulary.stream_slices()])
    assert codes.shape == (20, len(sizes)) and (codes < sizes).all()


def test_decode_rows_time_both_batches():
    rows = dict(gpu_check.decode_rows("tiny", "cpu"))
    assert list(rows) == ["LM decode, batch 1", "LM decode, batch 32"]
    assert all(float(row.split()[0]) > 0 for row in rows.values())


def test_without_a_gpu_one_line_says_so(capsys):
    if torch.cuda.is_available():
        pytest.skip("a CUDA device is here")
    with pytest.raises(SystemExit) as caught:
        gpu_check.main(["--device", "cuda"])
    assert caught.value.code == 2 and "no CUDA device" in capsys.readouterr().err


@pytest.mark.gpu
def test_greedy_decoding_is_the_same_on_cpu_and_gpu():
    torch.manual_seed(0)
    model = gpu_check.build_lm("tiny").double()
    generator = torch.Generator().manual_seed(1)
    scores = [gpu_check.random_score(n, generator) for n in (20, 13)]
    prompts = [gpu_check.random_codes(model, 8, generator) for _ in scores]
    decoding = gpu_check.DecodingConfig(method="greedy")
    on = {
        device: gpu_check.SpeechLMInference(model.to(device)).generate(scores, prompts, decoding)
        for device in ("cpu", "cuda")
    }
    for a, b in zip(on["cpu"], on["cuda"], strict=True):
        assert torch.equal(a.tokens, b.tokens)


@pytest.mark.gpu
def test_a_zero2_step_runs_on_the_gpu():
    rows = dict(gpu_check.training_rows("tiny", "cuda", 100.0))
    assert len(rows) == 3 and all(float(measured.split()[0]) > 0 for measured in rows.values())


@pytest.mark.gpu
def test_flow_and_vocoders_run_on_the_gpu():
    rows = dict(gpu_check.acoustic_rows("cuda", 2, 0.4))
    assert len(rows) == 12 and all("RTF" in row for row in rows.values())
