"""Stages 1-6 of each corpus' recipe, on a small corpus in the layout of the real one."""

from corpora.layouts import write_acesinger_parquet, write_opencpop

from espnet2_ext.score.phones import PHONES

from .recipes import check_tokens, checkout, run


def test_opencpop(tmp_path):
    recipe = checkout(tmp_path, "opencpop")
    status, output = run(recipe, stop_stage=1)
    assert status == 2 and "https://wenet.org.cn/opencpop/download/" in output
    write_opencpop(recipe / "downloads/opencpop", ("2001", "2002", "2003"))
    status, output = run(recipe, "--local_data_opts", "--dev_songs 1")
    assert status == 0, output[-4000:]
    check_tokens(recipe, {"train": 3, "dev": 3, "test": 3}, PHONES)


def test_acesinger(tmp_path, monkeypatch):
    recipe = checkout(tmp_path, "acesinger")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    status, output = run(recipe, stop_stage=1)
    assert status == 2 and "espnet/ace-opencpop-segments (CC BY-NC 4.0)" in output
    write_acesinger_parquet(recipe / "downloads/parquet")
    status, output = run(recipe)
    assert status == 0, output[-4000:]
    check_tokens(recipe, {"train": 12, "validation": 3, "test": 3}, PHONES)
