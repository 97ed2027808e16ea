"""The embedded corpus' recipe, whole, with its debug configurations: killed on the way, resumed."""

import functools
import json
import os
import shutil
import subprocess
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet2_ext.checkpoint import load_state
from espnet2_ext.files import read_scp, read_table
from espnet2_ext.inference.synthesizer import SingingSynthesizer
from espnet2_ext.score.music_score import MusicScore, Note

from . import slurm_cluster
from .kills import has_begun, kill_when, made
from .recipes import REAL_PYTHON, SETS, checkout, finish, start, whole_checkout

SYSTEMS = [
    "codec_resynthesis",
    "ground_truth",
    "score_f0",
    "gt_tokens+flow2+voc",
    "lm+flow2+voc",
    "vocoder_gt_mel",
]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    """The copy of the recipe that this file's tests run, one after another."""
    return whole_checkout(tmp_path_factory.mktemp("checkout"))


def test_killed_in_training_it_resumes_and_ends_with_everything(recipe):
    finish(start(recipe, "--stop_stage", "6"))
    logs = [recipe / f"exp/{name}_debug/train.log" for name in ("speechlm", "flow")]
    # Two branches run, each with a launcher and a training: killing the script ends them all.
    kill_when(lambda: all(log.is_file() for log in logs), start(recipe, **REAL_PYTHON), recipe)
    assert not (recipe / "exp/speechlm_debug/.done").exists()

    output = finish(start(recipe))
    for number in range(1, 7):
        assert f"stage {number}: done before, nothing to do" in output

    results = json.loads((recipe / "exp/results.json").read_text())
    wanted = [(split, system) for split in SETS for system in SYSTEMS]
    assert sorted((row["split"], row["system"]) for row in results) == sorted(wanted)
    assert all(row["n_utt"] > 0 and row["timing"] == "label" for row in results)
    table = (recipe / "exp/RESULTS.md").read_text()
    assert all(system in table for system in SYSTEMS)
    html = (recipe / "exp/report/index.html").read_text()
    n_utts = sum(row["n_utt"] for row in results if row["system"] == "ground_truth")
    assert html.count("<audio") == n_utts * (len(SYSTEMS) - 1)  # score_f0 has none
    (pack,) = recipe.glob("exp/packed/*.zip")
    assert zipfile.ZipFile(pack).testzip() is None
    assert not list(recipe.glob("exp/**/.part-*"))


def test_killed_in_every_stage_it_ends_with_the_same(recipe, tmp_path_factory):
    """Tokens, weights, wavs and results are those of the run above."""
    killed = whole_checkout(tmp_path_factory.mktemp("killed"))
    for stage in range(1, 17):
        begun = functools.partial(has_begun, killed, stage, time.time())
        # Resumed with other numbers of jobs and shards.
        jobs = ("--nj", str(1 + stage % 3), "--inference_nj", str(1 + stage % 2))
        options = ("--parallel_stages", "false", "--stop_stage", str(stage), *jobs)
        said = kill_when(begun, start(killed, *options), killed)
        assert f"stage {stage}: reads" in said and f"stage {stage}: done" not in said
        for done in range(1, stage):
            assert f"stage {done}: done before" in said or f"stage {done}: done (" in said
    finish(start(killed))
    assert not list(killed.glob("exp/**/.part-*"))
    ours, theirs = made(killed), made(recipe)
    assert len(theirs) > 100
    assert {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)} == set()


def test_again_there_is_nothing_to_do(recipe):
    output = finish(start(recipe))
    for number in range(1, 17):
        assert f"(main) stage {number}: done before, nothing to do" in output


def test_the_masked_generators_sing_on_the_same_data_and_with_the_same_vocoder(recipe):
    """The recipe of CoMelSinger beside this one: what both make is not made again."""
    other = recipe.parent / "comelsinger1"
    for name in ("tokenizer", "vocoder_debug", "judges"):
        shutil.copytree(recipe / "exp" / name, other / "exp" / name)
    for name in ("data", "dump"):  # whose tables name files from the recipe's folder
        (other / name).symlink_to(recipe / name)
    said = finish(start(other))
    for number in (1, 2, 3, 4, 5, 11):
        assert f"stage {number}: done before, nothing to do" in said
    results = json.loads((other / "exp/results.json").read_text())
    wanted = {"ground_truth", "score_f0", "codec_resynthesis", "gt_semantic+comelsinger"}
    assert {(row["split"], row["system"]) for row in results} == {
        (split, system)
        for split in SETS
        for system in (*wanted, "comelsinger", "comelsinger(codes)")
    }
    assert (other / "exp/report/index.html").is_file()
    (pack,) = other.glob("exp/packed/*.zip")
    notes = (Note(0, 0.5, 62, "la", ("l", "a")), Note(0.5, 1.0, 64, "la", ("l", "a")))
    singing = SingingSynthesizer.from_pretrained(pack)(MusicScore(notes))
    assert singing.timing == "model" and len(singing.wav) == singing.fs
    assert np.isfinite(singing.wav).all() and np.ptp(singing.wav) > 0
    said = finish(start(other))
    for number in range(1, 16):
        assert f"stage {number}: done before, nothing to do" in said
    command = ["local/acoustic_tokens.sh", "--codebooks", "1 3", "--against", "3"]
    command += ["--world_utts", "0", "--recipe_options", "--size debug"]
    subprocess.run(command, cwd=other, check=True, timeout=600, env=os.environ | REAL_PYTHON)
    rows = json.loads((other / "exp/tables/acoustic_tokens.json").read_text())
    of = {row["system"]: row for row in rows}
    assert list(of) == ["ground_truth", "1_codebooks(50_per_sec)", "3_codebooks(150_per_sec)"]
    assert of["1_codebooks(50_per_sec)"]["difference"]["per"]["difference"] is not None


def test_a_second_flow_is_a_second_row(recipe):
    """It overwrote the first model's row."""
    before = json.loads((recipe / "exp/results.json").read_text())
    options = ("--row", "short", "--flow_tag", "short", "--flow_args", "--max_epoch 1")
    finish(start(recipe, "--stage", "10", "--stop_stage", "15", *options))
    after = json.loads((recipe / "exp/results.json").read_text())
    assert [row for row in after if row["system"] != "short"] == before
    ours, new = ({row["split"]: row["metrics"] for row in after if row["system"] == name}
                 for name in ("lm+flow2+voc", "short"))  # fmt: skip
    assert set(new) == set(SETS) and all(new[name] != ours[name] for name in SETS)
    assert "| short |" in (recipe / "exp/RESULTS.md").read_text()
    html = (recipe / "exp/report/index.html").read_text()
    n_utts = sum(row["n_utt"] for row in before if row["system"] == "ground_truth")
    assert html.count("<audio") == n_utts * len(SYSTEMS)
    assert "flow_short" in html and "flow_debug" in html

    output = finish(start(recipe, "--stage", "11", "--stop_stage", "14"))  # the first, as it was
    for number in range(11, 15):
        assert f"(main) stage {number}: done before, nothing to do" in output
    assert json.loads((recipe / "exp/results.json").read_text()) == after


def test_two_ranks_that_accumulate_gradients_resume_to_the_same_weights(recipe):
    """Killed in the middle of an epoch whose batches are no multiple of what a step takes."""
    batches, accum = 29, 3
    options = (
        "--stop_stage", "8", "--train_procs", "2", "--train_args",
        f"--accum_grad {accum} --num_iters_per_epoch {batches} --checkpoint_interval 2 "
        "--batch_type pack --batch_bins 2000",
    )  # fmt: skip
    whole, killed = recipe / "exp/speechlm_ranks", recipe / "exp/speechlm_ranks_killed"
    finish(start(recipe, *options, "--tag", "ranks"))

    first = start(recipe, *options, "--tag", "ranks_killed", **REAL_PYTHON)
    kill_when(lambda: list(killed.glob("resume/step_*_2_[0-9]*")), first, recipe)
    states = [path.name.split("_") for path in killed.glob("resume/step_*")]
    steps, epoch, done = max(states)[1:]
    assert epoch == "2" and int(done) % accum == 0 and 0 < int(done) < batches
    assert int(steps) == -(-batches // accum) + int(done) // accum
    finish(start(recipe, *options, "--tag", "ranks_killed"))
    assert f"resumed at epoch 2, batch {done}" in (killed / "train.log").read_text()

    for name in ("2epoch.pth", "valid.loss.ave.pth"):
        one, other = load_state(whole / name), load_state(killed / name)
        assert all(torch.equal(one[key], other[key]) for key in one), name
    (state,) = killed.glob("resume/step_*")
    assert json.loads((state / "meta.json").read_text())["world_size"] == 2
    log = (whole / "train.log").read_text()
    assert "batch_bins=2000 for each of 2 processes" in log


@pytest.mark.skipif(bool(slurm_cluster.missing()), reason="no Slurm on this machine")
def test_stages_5_and_8_run_through_slurm(recipe, tmp_path_factory):
    """A job array tokenizes; a job of two nodes trains, one process on each."""
    tokens = recipe / "dump/tokens/test_singer"
    before = (tokens / "utt2num_frames").read_text()
    shutil.rmtree(tokens)
    options = ("--stage", "5", "--stop_stage", "8", "--tag", "slurm", "--num_nodes", "2")
    with slurm_cluster.cluster(tmp_path_factory.mktemp("slurm")) as environment:
        environment["cmd_backend"] = "slurm"
        output = finish(start(recipe, *options, **environment))
    assert "stage 6: done before" in output and "stage 7: done before" in output
    assert (tokens / "utt2num_frames").read_text() == before
    assert "# Ended (code 0)" in (tokens.parent / "logs/tokenize.1.log").read_text()
    (state,) = recipe.glob("exp/speechlm_slurm/resume/*/meta.json")
    assert json.loads(state.read_text())["world_size"] == 2
    epochs = json.loads((recipe / "exp/speechlm_slurm/history.json").read_text())
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]


FREE_LENGTH = "method: sampling\ntemperature: 1.5\nfixed_length: false\nmax_frames: 200\n"


def test_tokens_of_a_free_length_are_sung_and_scored(recipe):
    """The recipe for real corpora failed at stage 11 after all training: Flow2 refused them."""
    lm, flow = (recipe / f"conf/decode_{name}_free.yaml" for name in ("speechlm", "flow"))
    lm.write_text(FREE_LENGTH)
    flow.write_text("solver: euler\nn_steps: 1\n")
    options = (
        "--inference_config",
        f"conf/{lm.name}",
        "--flow_inference_config",
        f"conf/{flow.name}",
    )
    stages = ("--stage", "9", "--stop_stage", "14")
    refused = start(recipe, *options, *stages)
    output, _ = refused.communicate()
    assert refused.returncode == 2 and len(output.splitlines()) == 1
    assert "decode_flow_free.yaml: length_policy: exact" in output

    flow.write_text("solver: euler\nn_steps: 1\nlength_policy: pad\n")
    output = finish(start(recipe, *options, *stages))
    tokens = recipe / f"dump/tokens/eval_{'_'.join(SETS)}"
    scores = read_scp(tokens / "score_frames.scp")
    (lm_dir,) = recipe.glob("exp/speechlm_debug/decode_free/eval_*")
    (flow_dir,) = recipe.glob("exp/flow_debug/decode_free/lm_*/eval_*")
    sung = read_scp(lm_dir / "codec_ssl.scp")
    streams = len(read_scp(tokens / "codec_ssl.scp")[next(iter(scores))]) * 4
    nq = streams // len(scores[next(iter(scores))])
    frames = {utt: (len(sung[utt]) // nq, len(scores[utt]) // 4) for utt in scores}
    assert any(n != score for n, score in frames.values())
    (counted,) = [line for line in output.splitlines() if "as their score" in line]
    assert f"{sum(n < s for n, s in frames.values())} shorter" in counted
    mels, wavs = read_scp(flow_dir / "mel.scp"), read_table(next(flow_dir.glob("wav_*/wav.scp")))
    for utt, (_, score) in frames.items():
        seconds = soundfile.info(wavs[utt]).duration
        assert seconds == pytest.approx(score / 50) and len(mels[utt]) == 2 * score
    results = json.loads((recipe / "exp/results.json").read_text())
    assert {row["split"] for row in results if row["system"] == "lm+flow2+voc"} == set(SETS)


def test_the_flow_learns_from_what_the_lm_sings(recipe):
    """As published: the LM decodes train and dev, and the flow's `sampled` comes from there."""
    (recipe / "conf/decode_speechlm_sings.yaml").write_text(f"{FREE_LENGTH}soft: true\n")
    options = ("--flow_on_samples", "true", "--inference_config", "conf/decode_speechlm_sings.yaml")
    stages = ("--stage", "10", "--stop_stage", "10")
    refused = start(recipe, *options, *stages)
    output, _ = refused.communicate()
    assert refused.returncode == 2 and len(output.splitlines()) == 1
    assert "train_flow_debug.yaml: length_policy: exact" in output

    stages += ("--flow_args", "--length_policy trim", "--flow_tag", "sampled")
    output = finish(start(recipe, *options, *stages))
    # beside the vocoder, the flow now waits for the LM
    assert "(lm) stage 10: done" in output and "(acoustic) stage 10" not in output
    assert len([line for line in output.splitlines() if "as their score" in line]) == 2
    sung = recipe / "exp/speechlm_debug/decode_sings"
    config = yaml.safe_load((recipe / "exp/flow_sampled/config.yaml").read_text())
    for part, name in (("train", "train"), ("valid", "dev")):
        wanted = read_table(recipe / f"dump/tokens/{name}/codec_ssl.scp")
        streams = {s: p for p, s, _ in config[f"{part}_data_path_and_name_and_type"]}
        for stream, scp in (("sampled", "codec_ssl.scp"), ("soft", "soft/soft.scp")):
            assert (recipe / streams[stream]).samefile(sung / name / scp)
            assert read_table(sung / name / scp).keys() == wanted.keys()
    assert (recipe / "exp/flow_sampled/valid.loss.best.pth").is_file()
    output = finish(start(recipe, *options, *stages))
    assert "(lm) stage 10: done before, nothing to do" in output


def test_the_published_size_trains_its_flow_on_samples(tmp_path):
    paper = checkout(tmp_path, "acesinger")
    for options, sampled in (((), True), (("--size", "small"), False)):
        printed = start(paper, "--print_paths", "true", size=options)
        assert ("_sampled" in finish(printed)) == sampled


def test_other_data_are_not_trained_on_under_the_same_name(recipe):
    stamp = recipe / "dump/tokens/train/.done"
    was = stamp.read_text()
    stamp.write_text("of other tokens\n")
    (recipe / "exp/speechlm_debug/.done").unlink()
    process = start(recipe, "--stage", "8", "--stop_stage", "8")
    output, _ = process.communicate()
    stamp.write_text(was)
    assert process.returncode == 2
    assert "speechlm_debug was trained with other data or options" in output.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--stage", "one"], "one is no number"),
        (["--inference_nj", "0"], "0 is no number from 1"),
        (["--no_such_option", "1"], "unknown option --no_such_option"),
        (["--flow_config", "conf/missing.yaml"], "conf/missing.yaml: no such file"),
    ],
)
def test_a_wrong_option_is_one_line_before_anything_starts(recipe, options, named):
    process = start(recipe, *options)
    output, _ = process.communicate()
    assert process.returncode == 2
    assert len(output.splitlines()) == 1 and named in output
