"""What an output was made from, as one word."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from espnet2_ext import digest
from espnet2_ext.digest import device_kind, digest_files, digest_files_once
from espnet2_ext.errors import UserError


def test_files_count_by_content_and_order(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"one")
    b.write_bytes(b"two")
    first = digest_files(a, b)
    assert first != digest_files(b, a) != digest_files(a)
    os.utime(a, (0, 0))
    assert digest_files(a, b) == first
    # where one file ends and the next begins counts too
    a.write_bytes(b"onet")
    b.write_bytes(b"wo")
    assert digest_files(a, b) != first


def test_of_jobs_side_by_side_one_reads_the_files(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(digest, "digest_files", lambda *paths: read.append(paths) or "word")
    model, out = tmp_path / "model", tmp_path / "out"
    model.write_bytes(b"weights")
    with ThreadPoolExecutor(4) as jobs:
        words = list(jobs.map(lambda _: digest_files_once(out, model), range(8)))
    assert words == ["word"] * 8 and len(read) == 1
    assert digest_files_once(tmp_path / "other", model) == "word" and len(read) == 2


def test_files_that_were_replaced_are_read_again_whatever_their_times(tmp_path):
    model = tmp_path / "model"
    for content in (b"old", b"new"):
        (tmp_path / "part").write_bytes(content)
        os.utime(tmp_path / "part", (1, 1))
        (tmp_path / "part").rename(model)
        assert digest_files_once(tmp_path, model) == digest_files(model)
    for content in (b"one", b"two"):  # in place, with its old time
        model.write_bytes(content)
        os.utime(model, (1, 1))
        assert digest_files_once(tmp_path, model) == digest_files(model)
    (tmp_path / ".digests").write_text('{"cut short')
    assert digest_files_once(tmp_path, model) == digest_files(model)
    with pytest.raises(UserError, match="gone: no such file or directory"):
        digest_files_once(tmp_path, tmp_path / "gone")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="gone: no such file or directory"):
        digest_files(tmp_path / "gone")


def test_devices_of_a_kind_count_alike():
    assert [device_kind(d) for d in ("cpu", "cuda", "cuda:1")] == ["cpu", "cuda", "cuda"]
