"""Epochs: other prompts, other random numbers on each rank, the same whatever runs them."""

import random
from argparse import Namespace

import numpy as np
import pytest
import torch
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import Reporter

from espnet2_ext.files import ArkWriter, read_scp, read_table, write_json, write_table, write_text
from espnet2_ext.tasks.duration import DurationTask
from espnet2_ext.tasks.mel_flow import MelFlowTask
from espnet2_ext.tasks.speechlm import SpeechLMTask
from espnet2_ext.tasks.vocoder import VocoderTask
from espnet2_ext.tokenizer.prompts import EpochPrompts
from espnet2_ext.train import epoch_data, epoch_seed, zero_trainer
from espnet2_ext.train.epoch_seed import EpochSeededTrainer, Repeatable, seed_epoch

from .conftest import history, train_command

pytestmark = pytest.mark.slow

N_UTT = 12


def add_pool(folder, names):
    """Make a folder of codec_ssl a token directory that prompts itself."""
    write_table(folder / "utt2spk", dict.fromkeys(names, "s"))
    write_table(folder / "utt2phrase", {utt: utt for utt in names})
    write_json(folder / "prompts.json", {"prompt_dirs": [str(folder)], "seed": 0})


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """A token directory in which the codes of utterance k are all k."""
    folder = tmp_path_factory.mktemp("tokens")
    names = [f"utt{k}" for k in range(N_UTT)]
    with ArkWriter(folder, "codec_ssl") as codec:
        for k, name in enumerate(names):
            codec[name] = np.full(6, k)
    add_pool(folder, names)
    write_text(folder / "shape", "".join(f"{name} 6\n" for name in names))
    return folder


def drawn(task, tokens, epoch, num_workers=0, **options):
    """utt -> the utterance that prompts it, as the batches of a training's epoch have it."""
    data = [*[(str(tokens / "codec_ssl.scp"), name, "kaldi_ark")
              for name in task.required_data_names()],
            (str(tokens / "prompts.json"), "prompt", "prompt_pool")]  # fmt: skip
    args = task.get_default_config() | {
        "train_data_path_and_name_and_type": data, "train_shape_file": [str(tokens / "shape")],
        "batch_type": "unsorted", "batch_size": 5, "num_workers": num_workers, "ngpu": 0,
        "use_preprocessor": False, **options,
    }  # fmt: skip
    factory = task.build_iter_factory(Namespace(**args), DistributedOption(), "train")
    return {
        utt: f"utt{prompt.flatten()[0].item()}"
        for names, batch in factory.build_iter(epoch)
        for utt, prompt in zip(names, batch["prompt"], strict=True)
    }


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_have_the_prompts_of_their_epoch(tokens, num_workers):
    pool = EpochPrompts(tokens / "prompts.json")
    pointers = {v: k for k, v in read_table(tokens / "codec_ssl.scp").items()}
    batches = {epoch: drawn(SpeechLMTask, tokens, epoch, num_workers) for epoch in (1, 2, 7)}
    for epoch, prompts in batches.items():
        expected = {f"utt{k}": pointers[pool.pointer(f"utt{k}", epoch)] for k in range(N_UTT)}
        assert prompts == expected
    assert batches[1] != batches[2] != batches[7]
    assert batches[1] == drawn(SpeechLMTask, tokens, 1, num_workers, batch_size=3, seed=1)


def test_the_flow_draws_the_same_prompts(tokens, monkeypatch):
    monkeypatch.setattr(MelFlowTask, "build_preprocess_fn", lambda *_, **__: None)
    assert drawn(MelFlowTask, tokens, 2) == drawn(SpeechLMTask, tokens, 2)


def test_each_rank_begins_an_epoch_with_other_numbers(monkeypatch):
    def numbers(rank, epoch, seed=0):
        monkeypatch.setattr(epoch_data.dist, "is_initialized", lambda: True)
        monkeypatch.setattr(epoch_data.dist, "get_rank", lambda: rank)
        seed_epoch(seed, epoch)
        return random.random(), np.random.rand(), torch.rand(()).item()

    drawn = [numbers(*key) for key in ((0, 1), (1, 1), (0, 2), (1, 2), (0, 1, 1))]
    assert all(len(set(column)) == len(drawn) for column in zip(*drawn, strict=True))
    assert numbers(1, 2) == drawn[3]


def test_loader_workers_of_each_rank_draw_other_numbers(tokens, monkeypatch):
    class Loader:
        pass

    def first(rank, worker):
        monkeypatch.setattr(epoch_data.dist, "is_initialized", lambda: True)
        monkeypatch.setattr(epoch_data.dist, "get_rank", lambda: rank)
        factory = Loader()
        factory.dataset = Loader()
        factory.dataset.loader_dict = {}
        factory.build_iter = lambda epoch, shuffle: Loader()
        epoch_data.EpochIterFactory(factory, 0).build_iter(1).worker_init_fn(worker)
        return np.random.rand(), random.random()

    assert len({first(rank, worker) for rank in (0, 1) for worker in (0, 1)}) == 4


def test_every_trainer_seeds_each_epoch_by_rank():
    """Duration, flow and vocoder through `seed_epoch`; so does the speech LM's."""
    assert DurationTask.trainer is MelFlowTask.trainer is EpochSeededTrainer
    assert issubclass(EpochSeededTrainer, Repeatable)
    assert issubclass(VocoderTask.trainer, Repeatable)
    assert zero_trainer.seed_epoch is epoch_seed.seed_epoch


def test_a_model_is_told_when_an_epoch_begins():
    class Theirs:
        @classmethod
        def train_one_epoch(cls, **_):
            return True

    told, reporter = [], Reporter()
    model = torch.nn.Linear(1, 1)
    wrapped = torch.nn.Module()
    wrapped.module, model.begin_epoch = model, told.append
    ours = type("Ours", (Repeatable, Theirs), {})
    for epoch, given in ((1, model), (4, wrapped)):
        reporter.set_epoch(epoch)
        with reporter.observe("train") as sub:
            assert ours.train_one_epoch(model=given, optimizers=[], reporter=sub)
            sub.register({"loss": 0.0})
            sub.next()
    assert told == [1, 4]


def test_two_ranks_of_a_speech_lm_train_with_different_dropout(corpus, two_ranks, tmp_path):
    """Both had the seed of the epoch."""
    command = train_command(corpus, tmp_path / "exp", max_epoch=1, batch_size=4)
    two_ranks("espnet2_ext.tasks.speechlm:SpeechLMTask", *command)
    (folder,) = (tmp_path / "exp" / "resume").glob("step_*")
    generators = [torch.Generator(), torch.Generator()]
    for rank, generator in enumerate(generators):
        state = torch.load(folder / f"random_{rank}.pt", weights_only=False)
        generator.set_state(state["torch"])
    assert generators[0].initial_seed() != generators[1].initial_seed()


def test_a_training_with_drawn_prompts_resumes_to_the_same_weights(corpus, tmp_path, monkeypatch):
    from .test_zero_trainer import run, run_until, weights

    add_pool(corpus / "train", list(read_scp(corpus / "train/codec_ssl.scp")))

    def command(name):
        words = train_command(corpus, tmp_path / name)
        old = f"{corpus / 'train' / 'prompt.scp'},prompt,kaldi_ark"
        words[words.index(old)] = f"{corpus / 'train' / 'prompts.json'},prompt,prompt_pool"
        return words

    run(command("whole"))
    run_until(command("killed"), 9, monkeypatch)
    run(command("killed"))
    resumed = weights(tmp_path / "killed" / "2epoch.pth")
    for name, tensor in weights(tmp_path / "whole" / "2epoch.pth").items():
        assert torch.equal(tensor, resumed[name]), name
    assert history(tmp_path / "whole")[1]["train"]["loss"] == pytest.approx(
        history(tmp_path / "killed")[1]["train"]["loss"], rel=1e-6
    )
