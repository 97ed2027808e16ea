"""The shipped configurations, and training, resuming and decoding through the command line."""

import re
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from espnet2_ext.bin import infer, train
from espnet2_ext.checkpoint import load_state
from espnet2_ext.files import ArkWriter, read_scp, read_table, read_yaml
from espnet2_ext.flow.build import build_model
from espnet2_ext.flow.inference import load_sampling
from espnet2_ext.flow.model import MelFlow
from espnet2_ext.flow.token_embedding import Geometry
from espnet2_ext.train.init_param import init_param

CONF = Path(__file__).parents[2] / "egs2/mini_singing/speechlm1/conf"
STREAMS = ("codec_ssl", "score_frames", "prompt", "mel", "f0")


def run(main, *argv) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([str(a) for a in argv])
    return exit_.value.code


def train_args(tokens, tokenizer_dir, exp, *more):
    data = [
        arg
        for part in ("train", "valid")
        for name in STREAMS
        for arg in (
            f"--{part}_data_path_and_name_and_type",
            f"{tokens}/{name}.scp,{name},kaldi_ark",
        )
    ]
    return [
        *("--config", CONF / "train_flow_debug.yaml", "--tokenizer_dir", tokenizer_dir),
        *("--output_dir", exp, "--ngpu", 0, *data, *more),
    ]


@pytest.fixture(scope="module")
def trained(tokens, tokenizer_dir, tmp_path_factory):
    """Experiment directory after statistics and two training steps."""
    root = tmp_path_factory.mktemp("exp")
    stats, exp = root / "stats", root / "flow"
    collect = train_args(tokens, tokenizer_dir, stats, "--collect_stats", "true")
    for part in ("train", "valid"):
        collect += [f"--{part}_shape_file", tokens / "codec_ssl.scp"]
    assert run(train.main, "flow", *collect) == 0
    shapes = []
    for part in ("train", "valid"):
        shapes += [f"--{part}_shape_file", stats / part / "codec_ssl_shape"]
    assert run(train.main, "flow", *train_args(tokens, tokenizer_dir, exp, *shapes)) == 0
    return exp


def decode(exp, tokens, out, *more) -> int:
    return run(
        infer.main,
        "flow",
        *("--train_config", exp / "config.yaml", "--model_file", exp / "valid.loss.best.pth"),
        *("--inference_config", CONF / "decode_flow_debug.yaml", "--token_dir", tokens),
        *("--output_dir", out, *more),
    )


def shipped(path):
    """The model of a shipped configuration, untrained."""
    geometry = Geometry(256, 4, 256, 160, mel_codec=True, n_phones=60)
    sections = ("model_conf", "condition_conf", "velocity", "velocity_conf")
    values = read_yaml(path)
    return build_model(Namespace(**{x: values.get(x, {}) for x in sections}), geometry, path)


def test_shipped_configurations_build():
    paths = [*CONF.glob("train_flow*.yaml"), *CONF.glob("tuning/*train_flow*.yaml")]
    assert len(paths) >= 4
    for path in paths:
        shipped(path)
    for path in [*CONF.glob("decode_flow*.yaml"), *CONF.glob("tuning/paper_decode_flow*.yaml")]:
        load_sampling(path)


def test_the_ablation_on_samples_starts_from_the_recipes_flow(tmp_path):
    """It sees phones, which that flow has no weights for: the strict loader refused it."""
    script = (CONF.parent / "local/ablations.sh").read_text()
    (option,) = re.findall(r'--init_param "\$\{flow_exp\}/\$\{flow_model\}(\S*)"', script)
    trained = shipped(CONF / "train_flow.yaml").state_dict()
    torch.save(trained, tmp_path / "flow.pth")
    model = shipped(CONF / "tuning/train_flow_on_samples.yaml")
    init_param(f"{tmp_path}/flow.pth{option}", model, False)
    state = model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in trained.items())
    assert all("condition" in n and "phones" in n for n in state.keys() - trained.keys())


def test_trains_and_decodes_in_shards_that_resume(trained, tokens, tokenizer_dir, tmp_path):
    check = ("--tokenizer_dir", tokenizer_dir, "--chunk_utts", 1)
    assert decode(trained, tokens, tmp_path, "--num_shards", 2, "--shard", 1, *check) == 0
    assert not (tmp_path / "mel.scp").exists()
    assert decode(trained, tokens, tmp_path, "--num_shards", 2, "--shard", 2, *check) == 0
    mel, f0 = read_scp(tmp_path / "mel.scp"), read_scp(tmp_path / "f0.scp")
    truth = read_scp(tokens / "mel.scp")
    assert list(read_table(tmp_path / "mel.scp")) == sorted(truth)
    for utt, array in truth.items():
        assert mel[utt].shape == array.shape and f0[utt].shape == (len(array),)
        assert np.isfinite(mel[utt]).all()
    one_go = tmp_path / "one_go"
    assert decode(trained, tokens, one_go) == 0
    for utt, array in read_scp(one_go / "mel.scp").items():
        np.testing.assert_allclose(array, mel[utt], atol=0.1)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("chunks/*/mel.ark")}
    assert decode(trained, tokens, tmp_path, *check) == 0
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.glob("chunks/*/mel.ark")}


def test_what_another_precision_or_batch_size_decoded_is_not_kept(
    trained, tokens, tmp_path, monkeypatch
):
    def names(*options) -> set[str]:
        assert decode(trained, tokens, tmp_path, *options) == 0
        return {path.name for path in (tmp_path / "chunks").iterdir()}

    chunks = []
    for machine in (False, True):  # one whose "auto" is float32, one whose is bfloat16
        monkeypatch.setattr(MelFlow, "in_bfloat16", lambda *_, machine=machine: machine)
        chunks += [names(), names("--batch_frames", 500)]
    assert len(set.union(*chunks)) == sum(map(len, chunks))


def test_a_resumed_run_ends_with_the_same_weights(tokens, tokenizer_dir, tmp_path):
    shapes = [a for p in ("train", "valid") for a in (f"--{p}_shape_file", tokens / "mel.scp")]
    for name, epochs in (("straight", [2]), ("resumed", [1, 2])):
        for n in epochs:
            more = (*shapes, "--max_epoch", n, "--resume", "true")
            assert (
                run(train.main, "flow", *train_args(tokens, tokenizer_dir, tmp_path / name, *more))
                == 0
            )
    straight, resumed = (
        load_state(tmp_path / name / "2epoch.pth") for name in ("straight", "resumed")
    )
    for key, value in straight.items():
        torch.testing.assert_close(resumed[key], value, rtol=0, atol=0)


def test_soft_tokens_are_rendered_in_place_of_the_codes(
    trained, tokens, tokenizer_dir, codec, tmp_path
):
    """Given the codes' own embeddings, soft tokens change nothing; given others, they do."""
    codes = {k: v.reshape(-1, 3)[:, 1:] for k, v in read_scp(tokens / "codec_ssl.scp").items()}
    for name, shift in (("own", 0.0), ("other", 1.0)):
        with ArkWriter(tmp_path / name, "soft") as writer:
            for utt, rows in codes.items():
                embedding = codec.embed(torch.from_numpy(rows.astype(np.int64))[None])[0]
                writer[utt] = (embedding + shift).numpy()
    assert decode(trained, tokens, tmp_path / "hard") == 0
    for name in ("own", "other"):
        out = tmp_path / name
        assert decode(trained, tokens, out, "--soft", out / "soft.scp") == 0
    hard, own, other = (read_scp(tmp_path / n / "mel.scp") for n in ("hard", "own", "other"))
    for utt, mel in hard.items():
        np.testing.assert_allclose(own[utt], mel, atol=0.1)
        assert np.abs(other[utt] - mel).max() > 0.01


def test_mistakes_end_in_one_line(trained, tokens, tokenizer_dir, tmp_path, capsys):
    def error(code) -> str:
        assert code == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    assert "codec_ssl.scp" in error(decode(trained, tmp_path, tmp_path))
    assert "shard" in error(decode(trained, tokens, tmp_path, "--shard", 3))
    with ArkWriter(tmp_path, "codec_ssl") as writer:
        writer["utt0"] = np.zeros(30, np.int32)
    line = error(decode(trained, tokens, tmp_path, "--codec_ssl", tmp_path / "codec_ssl.scp"))
    assert "utt0" in line and "10 frames" in line and "30" in line
    wrong = ("--model_conf", "residual=nothing")
    line = error(
        run(train.main, "flow", *train_args(tokens, tokenizer_dir, tmp_path / "e", *wrong))
    )
    assert "residual 'nothing'" in line


def test_two_processes_end_with_the_same_weights(tokens, tokenizer_dir, two_ranks, tmp_path):
    shapes = []
    for part in ("train", "valid"):
        shapes += [f"--{part}_shape_file", tokens / "codec_ssl.scp"]
    command = train_args(tokens, tokenizer_dir, tmp_path / "exp", *shapes)
    printed = two_ranks("espnet2_ext.tasks.mel_flow:MelFlowTask", *command)
    one, other = [line for line in printed if line.startswith("weights ")]
    assert one == other
    assert load_state(tmp_path / "exp/valid.loss.best.pth")
