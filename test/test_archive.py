import zipfile

import pytest

from espnet2_ext.archive import extract
from espnet2_ext.errors import UserError


def make(path, name, data=b"x", mode=0o100644):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, data)
    return path


def test_plain_files_come_out(tmp_path):
    extract(make(tmp_path / "a.zip", "sub/x.yaml"), tmp_path / "out")
    assert (tmp_path / "out/sub/x.yaml").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("name", "data", "mode", "message"),
    [
        ("../x.yaml", b"", 0o100644, "leaves the folder"),
        ("/etc/x.yaml", b"", 0o100644, "leaves the folder"),
        ("..\\x.yaml", b"", 0o100644, "leaves the folder"),
        ("x.yaml", b"/etc/passwd", 0o120777, "a link"),
        ("model.pth", b"", 0o100644, "pickle"),
        ("x.yaml", bytes(3 * 2**20), 0o100644, "compression ratio"),
    ],
)
def test_hostile_members_are_refused_before_anything_is_written(
    tmp_path, name, data, mode, message
):
    with pytest.raises(UserError, match=message):
        extract(make(tmp_path / "a.zip", name, data, mode), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_not_a_zip_and_a_cut_zip(tmp_path):
    (tmp_path / "n.zip").write_bytes(b"hello")
    whole = make(tmp_path / "a.zip", "x.yaml", bytes(range(256)) * 40).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    for name in ("n.zip", "cut.zip", "none.zip"):
        with pytest.raises(UserError, match=name):
            extract(tmp_path / name, tmp_path / "out")
