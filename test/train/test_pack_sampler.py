"""Batches by a budget of real frames: full, repeatable, shared among processes."""

import numpy as np
import pytest
import torch
from espnet2.train.distributed_utils import DistributedOption

from espnet2_ext.errors import UserError
from espnet2_ext.tasks import one_line
from espnet2_ext.tasks.speechlm import SpeechLMTask
from espnet2_ext.train.pack_sampler import PackBatchSampler, first_fit, join_small, share_out

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


def test_a_longer_utterance_is_a_batch_and_a_small_batch_joins_another(shapes, caplog):
    assert set(first_fit({"a": 50, "b": 3, "c": 4}, 10, 0)) >= {("a",)}
    frames, _, lengths = shapes
    sampler = PackBatchSampler(500, [frames], seed=0, min_batch_size=3)
    assert min(len(batch) for batch in sampler) >= 3
    assert sum(len(batch) for batch in sampler) == len(lengths)
    longer = sum(5 * n > 500 for n in lengths.values())
    assert f"{longer} utterances are longer than batch_bins, 500" in caplog.text


def loads_of(sampler, lengths):
    """Frames of each process's share of each batch; no share may be without an utterance."""
    assert all(map(all, sampler.shares))
    return np.array([[sum(lengths[u] for u in s) for s in batch] for batch in sampler.shares])


def test_each_of_8_processes_has_the_frames_that_are_meant_for_it(tmp_path):
    """The bins of a YAML are a GPU's; shared by 8 they were 316 of 800 frames on each."""
    rng = np.random.default_rng(0)
    lengths = {f"utt{i}": int(rng.integers(100, 401)) for i in range(20_001)}
    path = tmp_path / "shape"
    path.write_text("".join(f"{utt} {n},9\n" for utt, n in lengths.items()))
    sampler = PackBatchSampler(7200, [str(path)], 0, world=8)
    loads = loads_of(sampler, lengths)
    assert sorted(u for batch in sampler for u in batch) == sorted(lengths)
    assert loads.shape == (len(sampler), 8) and loads.max() <= 800
    assert loads.mean() > 760 and np.percentile(loads, 1) > 700
    assert "for each of 8 processes" in repr(sampler) and sampler.fill > 0.95


def test_work_grows_with_the_utterances_and_not_with_their_square():
    """Where a batch was looked for among all others, ten times as many cost a hundred times."""
    looks = 0

    class Bins(dict):
        def __getitem__(self, utt):
            nonlocal looks
            looks += 1
            return dict.__getitem__(self, utt)

    def count(n):
        nonlocal looks
        looks = 0
        bins = Bins({f"u{i}": 1 + i * 7 % 300 for i in range(n)})
        share_out(join_small(first_fit(bins, 800, 0), 2), bins, 8)
        return looks

    assert count(10_000) < 11 * count(1000)


@pytest.mark.parametrize("n", [8, 9, 15, 17, 23, 31])
def test_every_process_has_an_utterance_however_many_are_left_over(tmp_path, n):
    lengths = {f"u{i}": 50 + 13 * i % 40 for i in range(n)}
    path = tmp_path / "shape"
    path.write_text("".join(f"{utt} {size},1\n" for utt, size in lengths.items()))
    for budget in (60, 100, 200, 10_000):
        sampler = PackBatchSampler(budget, [str(path)], 0, world=8)
        assert loads_of(sampler, lengths).shape[1] == 8
        assert sorted(u for batch in sampler for u in batch) == sorted(lengths)


def test_what_is_left_over_is_halved_or_given_and_stays_within_the_budget():
    bins = dict.fromkeys("abcdefghij", 10)
    pair = [("a", "b"), ("c", "d", "e")]
    assert share_out(pair, bins, 2) == [pair]
    assert share_out([*pair, ("f", "g")], bins, 2) == [pair, [("f",), ("g",)]]
    # an utterance alone: one of the batch before comes to it
    assert share_out([*pair, ("f",)], bins, 2) == [[("a",), ("c", "d", "e")], [("f",), ("b",)]]
    # nobody has one to spare: it goes to where the least is
    bins["b"] = 5
    assert share_out([("a",), ("b",), ("c",)], bins, 2) == [[("a",), ("b", "c")]]


def test_too_few_utterances_for_the_processes_are_refused(tmp_path):
    path = tmp_path / "shape"
    path.write_text("a 10,5\n")
    for options in ({"world": 2}, {"min_batch_size": 2}):
        with pytest.raises(UserError, match="at least 2"):
            PackBatchSampler(100, [str(path)], 0, **options)


def utterances_of(corpus, monkeypatch, world, rank, **options):
    """The batches of one process of `world`, with these options of a training."""
    monkeypatch.setattr(one_line.dist, "get_world_size", lambda: world)
    monkeypatch.setattr(one_line.dist, "get_rank", lambda: rank)
    args = SpeechLMTask.get_parser().parse_args(
        train_command(corpus, corpus / "unused", num_iters_per_epoch=None, **options)
    )
    factory = SpeechLMTask.build_iter_factory(args, DistributedOption(distributed=True), "train")
    return [names for names, _ in factory.build_iter(1)]


@pytest.mark.parametrize(
    "options",
    [
        {"batch_type": "unsorted", "batch_size": 5},
        {"batch_type": "sorted", "batch_size": 5},
        {"batch_type": "folded", "batch_size": 5, "fold_length": [10]},
        {"batch_type": "numel", "batch_bins": 100},
        {"batch_type": "length", "batch_bins": 40},
        {"batch_type": "pack", "batch_bins": 60},
    ],
)
def test_processes_have_the_same_number_of_batches_and_every_utterance_once(
    corpus, monkeypatch, options
):
    """Twelve utterances are no multiple of five processes."""
    ranks = [utterances_of(corpus, monkeypatch, 5, rank, **options) for rank in range(5)]
    assert len({len(batches) for batches in ranks}) == 1
    assert all(map(all, ranks))
    names = [name for batches in ranks for batch in batches for name in batch]
    assert sorted(names) == sorted(f"utt{i}" for i in range(12))


@pytest.mark.parametrize(
    ("world", "options", "found"),
    [
        (4, {"batch_size": 2}, "options: train batch_size: 2"),
        (13, {"batch_size": 13}, "12 utterances"),
        (13, {"batch_type": "numel", "batch_bins": 9}, "12 utterances"),
        (13, {"batch_type": "pack", "batch_bins": 9}, "12 utterances"),
    ],
)
def test_a_batch_smaller_than_the_number_of_processes_is_one_line(
    corpus, monkeypatch, world, options, found
):
    """ESPnet ends in a traceback."""
    with pytest.raises(UserError, match=f"{found}.*at least {world}"):
        utterances_of(corpus, monkeypatch, world, 0, **options)


@pytest.mark.slow
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
