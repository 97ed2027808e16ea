"""Rendering a table: the same samples from any shards, whatever an earlier run had rendered."""

from pathlib import Path

import numpy as np
import pytest
import torch

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.files import ArkWriter
from espnet2_ext.inference.over_tables import over_tables
from espnet2_ext.inference.vocoder_step import VocoderStep
from espnet2_ext.resumable import Shard
from espnet2_ext.vocoder.hifigan import HiFiGANVocoder
from espnet2_ext.vocoder.inference import VocoderInference

MEL = MelConfig()
LENGTHS = (50, 20, 35, 41, 7, 63, 28)


@pytest.fixture
def mel_scp(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    with ArkWriter(tmp_path, "mel") as writer:
        for k, n_frames in enumerate(LENGTHS):
            mel = rng.standard_normal((n_frames, MEL.n_mels)) - 4
            writer[f"utt{k}"] = mel.astype(np.float32)
    return tmp_path / "mel.scp"


@pytest.fixture
def model() -> VocoderInference:
    torch.manual_seed(0)
    vocoder = HiFiGANVocoder(
        MEL, channels=16, upsample_scales=[10, 6, 4], resblock_kernel_sizes=[3],
        resblock_dilations=[[1, 3]],
    )  # fmt: skip
    for parameter in vocoder.parameters():  # its own initial values are nearly silent
        if parameter.dim() == 3:
            parameter.data.mul_(10)
    return VocoderInference(vocoder)


@pytest.fixture
def render(model, mel_scp, tmp_path):
    """Render into a folder; gives the wavs' bytes and how many were generated."""
    n_generated = 0
    generate = model.generate

    def counted(mels, f0s):
        nonlocal n_generated
        n_generated += len(mels)
        # stands for rounding, which a batch this small does not always show
        return [wav + 1e-4 * sum(map(len, mels)) for wav in generate(mels, f0s)]

    model.generate = counted

    def run(name: str, num_shards: int = 1, model_id: str = "a") -> tuple[dict[str, bytes], int]:
        nonlocal n_generated
        n_generated = 0
        step = VocoderStep(model, "predictor", chunk_utts=3)
        done = [
            over_tables(step, model_id, {"mel": mel_scp}, tmp_path / name, Shard(k, num_shards))
            for k in range(1, num_shards + 1)
        ]
        assert done[-1]
        wavs = sorted((tmp_path / name / "wav").iterdir())
        return {path.name: path.read_bytes() for path in wavs}, n_generated

    return run


def test_shards_do_not_change_the_samples(render):
    expected, n_generated = render("one")
    assert n_generated == len(expected) == len(LENGTHS)
    assert render("two", num_shards=2) == (expected, len(LENGTHS))
    assert render("one", num_shards=3) == (expected, 0)


def test_a_killed_run_goes_on_to_the_same_samples(render, tmp_path):
    expected, _ = render("out")
    for name in ("utt1.wav", "utt5.wav"):
        (tmp_path / "out/wav" / name).unlink()
    assert render("out") == (expected, 6)  # the two batches of three that lost one


def test_a_shard_that_was_not_run_is_missed_though_older_wavs_lie_there(
    render, model, mel_scp, tmp_path
):
    render("out")
    step = VocoderStep(model, "predictor", chunk_utts=3)
    assert not over_tables(step, "b", {"mel": mel_scp}, tmp_path / "out", Shard(1, 2))


def test_another_vocoder_renders_anew(render):
    render("out")
    assert render("out", model_id="b")[1] == len(LENGTHS)


def test_a_changed_utterance_renders_its_batch_anew(render, model, mel_scp, tmp_path):
    render("out")
    other = mel_scp.read_text().splitlines()
    other[0] = "utt0 " + other[6].split()[1]
    mel_scp.write_text("\n".join(other) + "\n")
    assert render("out") == (render("fresh")[0], 3)
