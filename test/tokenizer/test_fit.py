"""Fitted tokenizers and their tokens are the same bits however many jobs and threads there are."""

import pytest
import torch

from espnet2_ext.bin import fit as fit_cli
from espnet2_ext.resumable import Shard
from espnet2_ext.tokenizer import dump
from espnet2_ext.tokenizer.dump import tokenize_shard


@pytest.fixture
def set_threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def fit(corpus, folder, *options: str) -> dict[str, bytes] | None:
    """The files that stage 4 wrote; None when it refused its command line."""
    with pytest.raises(SystemExit) as status:
        fit_cli.main(["tokenizers",
            "--config", str(corpus / "tokenizer.yaml"), "--mel_config", str(corpus / "mel.yaml"),
            "--data_dir", str(corpus / "train"), "--out_dir", str(folder), *options,
        ])  # fmt: skip
    if status.value.code == 2:
        return None
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_nj_and_threads_do_not_change_the_tokenizers(corpus, tmp_path, set_threads):
    set_threads(1)
    expected = fit(corpus, tmp_path / "one", "--nj", "1")
    assert len(expected) == 6
    assert fit(corpus, tmp_path / "jobs", "--nj", "2") == expected
    set_threads(3)
    assert fit(corpus, tmp_path / "threads", "--nj", "1") == expected


def test_a_number_of_jobs_is_checked(corpus, tmp_path, capsys):
    assert fit(corpus, tmp_path / "none", "--nj", "0") is None
    assert "--nj: 0 (expected 1 or more)" in capsys.readouterr().err


def test_shards_and_threads_do_not_change_the_tokens(
    corpus, tokenizer_dir, tmp_path, monkeypatch, set_threads
):
    monkeypatch.setattr(dump, "CHUNK_UTTS", 3)

    def tokens(name: str, num_shards: int, threads: int) -> dict[str, bytes]:
        set_threads(threads)
        out = tmp_path / name
        for shard in range(1, num_shards + 1):
            tokenize_shard([corpus / "train"], tokenizer_dir, [out], Shard(shard, num_shards))
        arks = sorted(path for path in out.rglob("*") if path.suffix == ".ark")
        assert len(arks) == 3 * (len(dump.ARKS) + 1)
        return {str(path.relative_to(out)): path.read_bytes() for path in arks}

    expected = tokens("one", 1, 1)
    assert tokens("two", 2, 1) == expected
    assert tokens("threads", 1, 3) == expected
