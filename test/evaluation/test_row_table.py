"""systems.tsv and the registry: rows of a run beside those of earlier ones."""

from pathlib import Path

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.rendered import NO_WAVS
from espnet2_ext.evaluation.rendering import Plan
from espnet2_ext.evaluation.row_table import beside_others
from espnet2_ext.evaluation.rows import Row, of_run, read_rows

from .conftest import SYSTEMS, call


def test_one_row_of_a_run_stands_beside_those_of_others(run):
    rows = read_rows(SYSTEMS, "results")
    assert of_run(rows, "") == rows
    assert of_run(rows, "big") == [Row("big", tokens="lm", mel="flow")]
    assert of_run(rows, "vocoder_gt_mel") == [rows[2]]
    with pytest.raises(UserError, match="--row"):
        of_run(rows, "a b")
    old, new = {"a": {"n": 0}, "b": {"n": 0}}, {"b": {"n": 1}, "c": {"n": 1}}
    assert list(beside_others(new, old, one_row=True)) == ["a", "b", "c"]
    assert list(beside_others(new, old, one_row=False)) == ["b", "c", "a"]
    assert beside_others(new, old, one_row=True)["b"] == {"n": 1}


def test_systems_tsv_keeps_the_rows_of_earlier_runs(run, tmp_path, capsys, monkeypatch):
    def write(path, *utts):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{utt} {utt}.wav\n" for utt in utts))

    def table(*splits):
        options = ("--scores_dir", "exp/scores", "--systems", "exp/scores/systems.tsv")
        return call(run, monkeypatch, capsys, "table", "--set", "eval_test",
                    "--splits", *splits, *options)  # fmt: skip

    write(tmp_path / "dump/raw/test/wav.scp", "u1", "u2")
    write(tmp_path / "dump/raw/dev/wav.scp", "u3")
    status, output = table("test")
    assert status == 2 and "vocoder_gt_mel/eval_test: no wav.scp, which scoring reads" in output

    plan = Plan(run, "eval_test")
    audio = [plan.render(row).wavs for row in read_rows(SYSTEMS, "results")]
    wavs = [folder for folder in audio if folder not in (None, NO_WAVS)]
    for folder in wavs:
        write(folder / "wav.scp", "u1", "u2", "elsewhere")
    status, output = table("test")
    assert status == 0 and output.split() == ["dump/raw/test"] * 2 + [*map(str, wavs)]
    lines = (tmp_path / "exp/scores/systems.tsv").read_text().splitlines()
    assert lines[0] == "system\tsplit\tref_dir\twav_scp\ttiming\tf0_source"
    assert lines[1] == "ground_truth\ttest\tdump/raw/test\tdump/raw/test/wav.scp\tlabel\trecording"
    scp = "exp/scores/wav_scp/lm+flow2+voc.test.scp"
    assert lines[2] == "score_f0\ttest\tdump/raw/test\t-\tlabel\tscore"
    assert lines[6] == f"lm+flow2+voc\ttest\tdump/raw/test\t{scp}\tlabel\tfeats"
    assert Path(scp).read_text() == "u1 u1.wav\nu2 u2.wav\n"

    for name in ("ground_truth", "vocoder_gt_mel", "lm+flow2+voc"):  # scored, as the table stays
        (tmp_path / "exp/scores" / name).mkdir()
    run |= {"row": "big", "flow_exp": "exp/flow_big"}
    to = "exp/flow_big/decode_default_seed_1/lm_default_default/eval_test/wav_vocoder_default"
    write(tmp_path / to / "wav.scp", "u1")
    assert table("test")[0] == 0
    lines = (tmp_path / "exp/scores/systems.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines[1:]] == [
        "ground_truth", "vocoder_gt_mel", "lm+flow2+voc", "big"
    ]  # fmt: skip
    (tmp_path / "exp/flow_big").mkdir(exist_ok=True)
    (tmp_path / "exp/scores/big").mkdir()
    known = ("exp/speechlm_default", "exp/flow_default", "exp/vocoder_default")
    status, output = call(run, monkeypatch, capsys, "models", "--scores_dir", "exp/scores",
                          "--but", *known)  # fmt: skip
    assert (status, output) == (0, "exp/flow_big\n")

    run |= {"row": "", "flow_exp": "exp/flow_default"}  # a later run of the table's own rows
    assert table("test")[0] == 0
    lines = (tmp_path / "exp/scores/systems.tsv").read_text().splitlines()
    assert lines[-1].split("\t")[0] == "big" and len(lines) == 8

    Path("exp/scores/rows.json").write_text('{"a": []}')
    status, output = table("test")
    assert status == 2 and "rows.json: no rows of this version" in output
