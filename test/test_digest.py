"""What an output was made from, as one word."""

import os

import pytest

from espnet2_ext.digest import device_kind, digest_files
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


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="gone: no such file or directory"):
        digest_files(tmp_path / "gone")


def test_devices_of_a_kind_count_alike():
    assert [device_kind(d) for d in ("cpu", "cuda", "cuda:1")] == ["cpu", "cuda", "cuda"]
