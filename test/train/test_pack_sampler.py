"""Batches by a budget of real frames: full, repeatable, shared among processes."""

import numpy as np
import pytest
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.tasks.speechlm import SpeechLMTask
from espnet2_ext.train.pack_sampler import PackBatchSampler, first_fit

from .conftest import history, train_command
from .test_zero_trainer import run, run_until, weights


@pytest.fixture
def shapes(tmp_path):
    """300 utterances of 20 to 400 frames, and their prompts."""
    rng = np.random.default_rng(0)
    frames, prompts = tmp_path / "codec_ssl_shape", tmp_path / "prompt_shape"
    lengths = {f"utt{i}": int(rng.integers(20, 400)) for i in range(300)}
    frames.write_text("".join(f"{utt} {n},5\n" for utt, n in lengths.items()))
    prompts.write_text("".join(f"{utt} 100,5\n" for utt in lengths))
    return str(frames), str(prompts), lengths


def test_batches_are_full_and_hold_every_utterance_once(shapes):
    frames, _, lengths = shapes
    sampler = PackBatchSampler(5 * 2000, [frames], seed=0)
    assert sorted(utt for batch in sampler for utt in batch) == sorted(lengths)
    loads = [sum(lengths[utt] for utt in batch) for batch in sampler]
    assert max(loads) <= 2000 and len(loads) <= 1.03 * sum(lengths.values()) / 2000 + 1
    assert f"{sampler.fill:.1%} full" in repr(sampler)


def test_a_seed_repeats_and_lengths_are_mixed(shapes):
    frames, _, lengths = shapes
    batches = [list(PackBatchSampler(10_000, [frames], seed)) for seed in (0, 0, 1)]
    assert batches[0] == batches[1] != batches[2]
    spread = [np.ptp([lengths[utt] for utt in batch]) for batch in batches[0]]
    assert np.median(spread) > 150


def test_all_shape_files_count(shapes):
    frames, prompts, lengths = shapes
    sampler = PackBatchSampler(5 * 2000, [frames, prompts], seed=0)
    assert max(sum(lengths[utt] + 100 for utt in batch) for batch in sampler) <= 2000


def test_a_longer_utterance_is_a_batch_and_a_small_batch_joins_another(shapes):
    assert set(first_fit({"a": 50, "b": 3, "c": 4}, 10, 0)) >= {("a",)}
    frames, _, lengths = shapes
    sampler = PackBatchSampler(500, [frames], seed=0, min_batch_size=3)
    assert min(len(batch) for batch in sampler) >= 3
    assert sum(len(batch) for batch in sampler) == len(lengths)


def test_processes_share_a_batch_evenly(shapes):
    frames, _, lengths = shapes
    sampler = PackBatchSampler(5 * 3000, [frames], seed=0, min_batch_size=4)
    for batch in sampler:
        shares = sampler.shard(batch, 4)
        assert sorted(utt for share in shares for utt in share) == sorted(batch)
        loads = [sum(lengths[utt] for utt in share) for share in shares]
        assert all(shares) and max(loads) - min(loads) <= 400


def test_too_few_utterances_for_the_processes_are_refused(tmp_path):
    path = tmp_path / "shape"
    path.write_text("a 10,5\n")
    with pytest.raises(UserError, match="at least 2"):
        PackBatchSampler(100, [str(path)], 0, min_batch_size=2)


def test_a_packed_training_resumes_to_the_same_weights(corpus, tmp_path, monkeypatch):
    conf = {"conditioning": "synchronous", "max_prompt_frames": 8, "packing": True, "loss_chunk": 9}
    changes = {"model_conf": conf, "batch_type": "pack", "batch_bins": 90, "max_epoch": 1}
    whole, killed = (train_command(corpus, tmp_path / name, **changes) for name in ("w", "k"))
    run(whole)
    run_until(killed, 3, monkeypatch)
    run(killed)
    one, other = (weights(tmp_path / name / "1epoch.pth") for name in ("w", "k"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    losses = [history(tmp_path / name)[0]["train"]["loss"] for name in ("w", "k")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_help_names_the_batch_type():
    parser = SpeechLMTask.get_parser()
    assert "PackBatchSampler" in parser.format_help()
    assert parser.parse_args(["--batch_type", "pack", "--output_dir", "x"]).batch_type == "pack"
