"""What the operating system refuses is one line and status 2, and nothing is left half written."""

import argparse
import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from espnet2_ext.audio.wav import audio_info, read_wav, write_wav
from espnet2_ext.checkpoint import save_safetensors
from espnet2_ext.data.data_dir import DataDir, durations
from espnet2_ext.errors import UserError, cli
from espnet2_ext.files import atomic_path, require_writable, write_text

ROOT = Path(__file__).parents[1]


def line_of(main, capsys) -> str:
    """What a command prints that ends in a mistake."""
    with pytest.raises(SystemExit) as ended:
        cli(main)()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and len(line) < 2000
    return line


@pytest.mark.parametrize(
    "number",
    [errno.ENOSPC, errno.EROFS, errno.ENAMETOOLONG, errno.EEXIST, errno.EACCES, errno.EISDIR,
     errno.EDQUOT, errno.EMFILE, errno.EIO],
)  # fmt: skip
def test_every_refusal_of_the_system(number, capsys):
    def main():
        raise OSError(number, os.strerror(number), "exp/model.pth")

    assert line_of(main, capsys) == f"error: exp/model.pth: {os.strerror(number)}"


def test_refusals_as_they_happen(tmp_path, capsys):
    long, folder, file = tmp_path / ("x" * 300), tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    file.write_text("x")
    for path, said in ((long, "File name too long"), (folder, "Is a directory"),
                       (file / "below", "File exists|Not a directory")):  # fmt: skip
        line = line_of(lambda p=path: write_text(p, "x"), capsys)
        assert any(line.endswith(words) for words in said.split("|")), line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_no_memory(capsys):
    def main():
        torch.empty(2**55)

    assert "memory" in line_of(main, capsys)

    def asks():
        raise MemoryError

    assert line_of(asks, capsys) == "error: memory: not enough"


@pytest.mark.parametrize(
    "given", [["--n", "9" * 5000], ["--n", "x" * 5000], ["--kind", "y" * 5000], ["z" * 5000], []]
)
def test_options_that_cannot_be_parsed(given, capsys):
    def main():
        parser = argparse.ArgumentParser(prog="sing")
        parser.add_argument("--n", type=int, required=True)
        parser.add_argument("--kind", choices=["a", "b"])
        parser.parse_args(given)

    assert line_of(main, capsys).startswith("error: sing: ")


def test_a_fault_of_the_program_keeps_its_traceback():
    def main():
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        cli(main)()


def in_little_space(tmp_path, code: str) -> subprocess.CompletedProcess:
    """Run Python whose files may have 20,000 bytes."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    return subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, preexec_fn=limit, capture_output=True,
        text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("imports", "write"),
    [
        ("from espnet2_ext.files import write_text", "write_text('a', 'x' * 10**6)"),
        ("from espnet2_ext.audio.wav import write_wav; import numpy as np",
         "write_wav('a', np.zeros(10**6), 24000)"),
        pytest.param(
            "from espnet2_ext.checkpoint import save_safetensors; import torch",
            "save_safetensors({'x': torch.zeros(10**6)}, 'a')", marks=pytest.mark.slow),
        pytest.param(
            "from espnet2_ext.files import atomic_path; import torch",
            "with atomic_path('a') as part: torch.save({'x': torch.zeros(10**6)}, part)",
            marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_a_full_disk_as_each_library_meets_it(tmp_path, imports, write):
    (tmp_path / "a").write_text("old")
    code = (
        f"from espnet2_ext.errors import cli\n{imports}\n@cli\ndef main():\n    {write}\nmain()\n"
    )
    done = in_little_space(tmp_path, code)
    assert (done.returncode, done.stderr) == (2, "error: a: File too large\n")
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "old"


def test_a_checkpoint_that_espnet_cannot_write(tmp_path):
    code = (
        "from espnet2_ext.errors import cli\nimport torch\n@cli\ndef main():\n"
        "    torch.save({'x': torch.zeros(10**6)}, 'a')\nmain()\n"
    )
    done = in_little_space(tmp_path, code)
    assert done.returncode == 2 and done.stderr.startswith("error: a checkpoint: cannot be written")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("end", ["| head -n 1", "> /dev/full"])
def test_output_that_nobody_takes(tmp_path, end):
    code = (
        "from espnet2_ext.errors import cli\n@cli\ndef main():\n"
        "    for n in range(10**5): print(n)\nmain()\n"
    )
    (tmp_path / "a.py").write_text(code)
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} a.py {end}; exit ${{PIPESTATUS[0]}}"], cwd=tmp_path,
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr


def test_what_cannot_be_written_is_known_before_the_work(tmp_path):
    require_writable(tmp_path / "new/song.wav")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "old.wav").write_text("old")
    require_writable(tmp_path / "old.wav")
    assert (tmp_path / "old.wav").read_text() == "old"
    with pytest.raises(UserError, match="a folder"):
        require_writable(tmp_path / "new")
    with pytest.raises(OSError, match="File name too long"):
        require_writable(tmp_path / ("x" * 300))
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        require_writable(tmp_path / "old.wav/song.wav")
    code = (
        "from espnet2_ext.errors import cli\nfrom espnet2_ext.files import require_writable\n"
        "cli(lambda: require_writable('song.wav'))()\n"
    )
    done = in_little_space(tmp_path, code)
    assert done.returncode == 2 and done.stderr == "error: song.wav: File too large\n"


def test_a_library_that_fails_for_another_reason_says_its_own(tmp_path):
    with pytest.raises(RuntimeError, match="odd"), atomic_path(tmp_path / "a"):
        raise RuntimeError("odd")
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(UserError, match=r"a\.wav: no plain file"):
        read_wav(tmp_path / "a.wav")
    (tmp_path / "wav.scp").write_text(f"u0 {tmp_path}/a.wav\n")
    (tmp_path / "utt2spk").write_text("u0 anna\n")
    with pytest.raises(UserError, match="no plain file"):
        durations(DataDir.read(tmp_path))


@pytest.mark.parametrize("rate", [1, 100, 2_000_000_000])
def test_a_rate_that_no_recording_has(tmp_path, rate):
    """At 1 Hz a minute of samples would be resampled to gigabytes."""
    path = tmp_path / "a.wav"
    write_wav(path, np.zeros(60), 8000)
    header = bytearray(path.read_bytes())
    header[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(header)
    for read in (audio_info, read_wav):
        with pytest.raises(UserError, match=rf"a\.wav: sampling rate: {rate} Hz"):
            read(path)


def test_safetensors_and_wavs_are_whole(tmp_path):
    save_safetensors({"x": torch.zeros(3)}, tmp_path / "a.safetensors")
    write_wav(tmp_path / "a.wav", np.zeros(100), 24000)
    assert audio_info(tmp_path / "a.wav").seconds == 100 / 24000
