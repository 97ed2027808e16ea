import shutil
import warnings
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
        ("C:\\x.yaml", b"", 0o100644, "leaves the folder"),
        ("x.yaml", b"/etc/passwd", 0o120777, "a link"),
        ("x.yaml", b"", 0o010644, "a link or device"),
        ("model.pth", b"", 0o100644, "pickle"),
        ("model.PKL", b"", 0o100644, "pickle"),
        ("x.py", b"", 0o100644, "code"),
        ("pickle", b"", 0o100644, "pickle"),
        ("x.yaml", bytes(3 * 2**20), 0o100644, "compression ratio"),
    ],
)
def test_hostile_members_are_refused_before_anything_is_written(
    tmp_path, name, data, mode, message
):
    with pytest.raises(UserError, match=message):
        extract(make(tmp_path / "a.zip", name, data, mode), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_what_unfolds_to_more_than_a_model_is_refused_before_anything_is_written(tmp_path):
    """Each member is small enough to be let alone; together they are a gigabyte."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(1000):
            archive.writestr(f"{number}.yaml", bytes(2**20))
    assert (tmp_path / "a.zip").stat().st_size < 2 * 2**20
    with pytest.raises(UserError, match=r"a\.zip: unpacks to 1048576000 bytes"):
        extract(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("count", [1001, 30_000])
def test_too_many_members_are_refused(tmp_path, count):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.yaml", b"")
    with pytest.raises(UserError, match=f"a table of {count} members"):
        extract(tmp_path / "a.zip", tmp_path / "out")


def damage(path, at: int, value: int):
    data = bytearray(path.read_bytes())
    data[at] = value
    path.write_bytes(data)
    return path


def test_streams_that_do_not_unfold_are_one_line_and_leave_nothing(tmp_path):
    path = make(tmp_path / "a.zip", "x.yaml", bytes(range(256)) * 8)
    broken = tmp_path / "b.zip"
    for at in range(36, 60):  # within the deflated stream
        shutil.copy(path, broken)
        with pytest.raises(UserError, match=r"b\.zip: damaged"):
            extract(damage(broken, at, 0xFF), tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "b.zip"]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(tmp_path, method):
    """LZMA's table of contents may ask for gigabytes, and its errors are not zip's."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("x.yaml", b"x" * 100)
    with pytest.raises(UserError, match=f"x.yaml: compression {method}"):
        extract(tmp_path / "a.zip", tmp_path / "out")


def test_an_encrypted_member_is_refused(tmp_path):
    path = make(tmp_path / "a.zip", "x.yaml")
    entry = path.read_bytes().rindex(b"PK\x01\x02")
    damage(path, entry + 8, 1)
    with pytest.raises(UserError, match="x.yaml: encrypted"):
        extract(path, tmp_path / "out")


def test_names_written_on_windows_are_paths(tmp_path):
    extract(make(tmp_path / "a.zip", "speechlm\\config.yaml"), tmp_path / "out")
    assert (tmp_path / "out/speechlm/config.yaml").read_bytes() == b"x"


def test_a_folder_that_is_also_a_file_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x.yaml", b"")
        archive.writestr("x.yaml/y.yaml", b"")
    with pytest.raises(UserError, match="both a file and a folder"):
        extract(tmp_path / "a.zip", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_not_a_zip_and_a_cut_zip(tmp_path):
    (tmp_path / "n.zip").write_bytes(b"hello")
    whole = make(tmp_path / "a.zip", "x.yaml", bytes(range(256)) * 40).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    for name in ("n.zip", "cut.zip", "none.zip"):
        with pytest.raises(UserError, match=name):
            extract(tmp_path / name, tmp_path / "out")


@pytest.mark.parametrize("again", ["x.yaml", "./x.yaml", "X.yaml"])
def test_a_name_that_stands_twice_is_refused(tmp_path, again):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x.yaml", b"checked")
        with warnings.catch_warnings(action="ignore"):
            archive.writestr(again, b"read")
    with pytest.raises(UserError, match="twice"):
        extract(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_size_that_the_directory_lies_about_is_refused(tmp_path):
    path = make(tmp_path / "a.zip", "x.yaml", b"y" * 1000)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (10).to_bytes(4, "little")  # says ten bytes, holds a thousand
    path.write_bytes(data)
    with pytest.raises(UserError, match="damaged"):
        extract(path, tmp_path / "out")
