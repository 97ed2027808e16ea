"""The command lines, on a tiny model: they write, resume, and refuse."""

from types import SimpleNamespace

import pytest
import torch
import yaml

from espnet2_ext.bin import infer as infer_cli
from espnet2_ext.bin import report
from espnet2_ext.files import ArkWriter, read_json, read_scp, read_table

from .conftest import make_args, make_model, make_utterance


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    root = tmp_path_factory.mktemp("exp")
    torch.save(make_model().state_dict(), root / "model.pth")
    (root / "config.yaml").write_text(yaml.safe_dump(vars(make_args())))
    with (
        ArkWriter(root, "codec_ssl") as codec,
        ArkWriter(root, "score_frames") as score,
        ArkWriter(root, "prompt") as prompt,
    ):
        for k in range(5):
            u = make_utterance(8 + k, 4, seed=k)
            codec[f"u{k}"], score[f"u{k}"] = u.codec_ssl.reshape(-1), u.score_frames.reshape(-1)
            prompt[f"u{k}"] = u.prompt.reshape(-1)
    model = ["--train_config", str(root / "config.yaml"), "--model_file", str(root / "model.pth")]
    return SimpleNamespace(root=root, model=model)


def call(main, *arguments) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return end.value.code


def infer(experiment, output, *arguments) -> int:
    root = experiment.root
    return call(
        infer_cli.main, "speechlm", *experiment.model, "--score_frames_scp",
        root / "score_frames.scp", "--prompt_scp", root / "prompt.scp", "--output_dir", output,
        "--chunk_utts", 2, *arguments,
    )  # fmt: skip


def test_shards_make_what_one_job_makes(experiment, tmp_path):
    assert infer(experiment, tmp_path / "one") == 0
    assert infer(experiment, tmp_path / "two", "--shard", 2, "--num_shards", 2) == 0
    assert not (tmp_path / "two" / "codec_ssl.scp").exists()
    assert infer(experiment, tmp_path / "two", "--shard", 1, "--num_shards", 2) == 0
    one, two = (read_scp(tmp_path / n / "codec_ssl.scp") for n in ("one", "two"))
    assert [len(one[f"u{k}"]) for k in range(5)] == [4 * (8 + k) for k in range(5)]
    assert all((one[key] == two[key]).all() for key in one)
    assert read_table(tmp_path / "one" / "scores") == read_table(tmp_path / "two" / "scores")


def test_a_second_run_does_nothing_and_a_killed_one_goes_on(experiment, tmp_path):
    assert infer(experiment, tmp_path) == 0
    (chunk,) = (tmp_path / "chunks").glob("2-*")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "chunks").glob("*/codec_ssl.ark")}
    (chunk / "done").unlink()
    assert infer(experiment, tmp_path) == 0
    changed = {p for p, t in times.items() if p.stat().st_mtime_ns != t}
    assert changed == {chunk / "codec_ssl.ark"}


def test_free_lengths_are_counted_against_their_scores(experiment, tmp_path, caplog):
    """The LM's own lengths are kept as they are: what needs the score's length joins them."""
    (tmp_path / "free.yaml").write_text("method: greedy\nfixed_length: false\nmax_frames: 6\n")
    with caplog.at_level("INFO"):
        assert infer(experiment, tmp_path, "--decode_config", tmp_path / "free.yaml") == 0
    tokens = read_scp(tmp_path / "codec_ssl.scp")
    sung = {f"u{k}": (len(tokens[f"u{k}"]) // 4, 8 + k) for k in range(5)}
    far = [f"{u} ({n} frames for {s})" for u, (n, s) in sung.items() if abs(n - s) > 0.25 * s]
    lines = [r.getMessage() for r in caplog.records if "lengths of" in r.getMessage()]
    shorter = sum(n < s for n, s in sung.values())
    assert f"{shorter} shorter" in lines[0] and "of 50 frames of the scores" in lines[0]
    assert far and ", ".join(far) in lines[1]
    caplog.clear()
    with caplog.at_level("INFO"):
        assert infer(experiment, tmp_path / "fixed") == 0
    assert "lengths of" not in caplog.text


def test_a_bad_decode_config_is_one_line(experiment, tmp_path, capsys):
    (tmp_path / "decode.yaml").write_text("temprature: 1\n")
    assert infer(experiment, tmp_path, "--decode_config", tmp_path / "decode.yaml") == 2
    error = capsys.readouterr().err
    assert "temprature" in error and "Traceback" not in error


def test_weights_of_another_vocabulary_are_refused(experiment, tmp_path, capsys):
    state = make_model().state_dict()
    state["corelm.emb.weight"] = state["corelm.emb.weight"][:-1]
    torch.save(state, tmp_path / "other.pth")
    other = SimpleNamespace(
        root=experiment.root, model=[*experiment.model[:3], str(tmp_path / "other.pth")]
    )
    assert infer(other, tmp_path / "out") == 2
    assert "corelm.emb.weight" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_rolled_score_fails_an_untrained_model(experiment, tmp_path):
    output = tmp_path / "rolled.json"
    arguments = [*experiment.model, "--token_dir", experiment.root, "--output", output]
    assert call(report.main, "rolled_score", *arguments, "--margin", "0.5") == 1
    read = read_json(output)
    assert read["passed"] is False and read["n_utt"] == 5 and len(read["shifts"]) == 6
