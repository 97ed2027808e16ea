"""Formatting audio: rate, segments, resuming, and audio that is refused."""

import numpy as np
import pytest
import soundfile

from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.bin import format_wav
from espnet2_ext.files import read_table

FS = 24000


def tone(fs: int, seconds: float = 0.5, hz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(fs * seconds)) / fs)


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "data"
    write_wav(folder / "a.wav", tone(22050), 22050, comment="synthetic")
    soundfile.write(folder / "b.flac", np.stack([tone(FS)] * 2, axis=1), FS)
    (folder / "wav.scp").write_text(f"b {folder}/b.flac\na {folder}/a.wav\n")
    (folder / "utt2spk").write_text("a s\nb s\n")
    return folder


def run(in_dir, capsys, nj=1) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        format_wav.main(
            ["--in_dir", str(in_dir), "--out_dir", str(in_dir.parent / "out"), "--nj", str(nj)]
        )
    captured = capsys.readouterr()
    return exit_.value.code, captured.out.strip(), captured.err.strip()


def test_resamples_keeps_the_comment_and_copies_tables(data_dir, capsys):
    assert run(data_dir, capsys, nj=2)[0] == 0
    out = data_dir.parent / "out"
    table = read_table(out / "wav.scp")
    assert list(table) == ["a", "b"] and read_table(out / "utt2spk") == {"a": "s", "b": "s"}
    wav, fs = read_wav(table["a"], FS)
    info = soundfile.info(table["a"])
    assert (info.channels, info.subtype, fs) == (1, "PCM_16", FS)
    assert soundfile.SoundFile(table["a"]).comment == "synthetic"
    assert len(wav) == FS // 2
    inner = slice(1000, -1000)
    assert np.abs(wav[inner] - tone(FS)[inner]).max() < 1e-3


def test_a_second_run_writes_nothing_and_a_broken_output_is_written_again(data_dir, capsys):
    assert "2 files written" in run(data_dir, capsys)[1]
    assert "0 files written" in run(data_dir, capsys)[1]
    (data_dir.parent / "out/wav/a.wav").write_bytes(b"RIFF")
    assert "1 files written" in run(data_dir, capsys)[1]


def test_segments(data_dir, capsys):
    (data_dir / "segments").write_text("b-1 b 0.1 0.3\nb-2 b 0.3 0.5\n")
    assert run(data_dir, capsys)[0] == 0
    table = read_table(data_dir.parent / "out/wav.scp")
    assert list(table) == ["b-1", "b-2"]
    wav, _ = read_wav(table["b-1"], FS)
    assert np.abs(wav - tone(FS)[2400:7200]).max() < 1e-4
    assert not (data_dir.parent / "out/segments").exists()


def write_bad(data_dir, name: str, samples) -> None:
    soundfile.write(data_dir / name, np.asarray(samples, np.float32), FS, subtype="FLOAT")
    (data_dir / "wav.scp").write_text(f"a {data_dir / name}\n")


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), "no samples"),
        (np.zeros(FS), "a: silence in"),
        ([0.1, float("nan")] * 100, "not finite"),
    ],
)
def test_unusable_audio_is_named_in_one_line(data_dir, capsys, samples, message):
    write_bad(data_dir, "bad.wav", samples)
    code, _, error = run(data_dir, capsys)
    assert code == 2 and "\n" not in error and message in error and "bad.wav" in error
    assert not (data_dir.parent / "out/wav.scp").exists()


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        ("wav.scp", "a nowhere.wav", "no such file nowhere.wav"),
        ("wav.scp", "a sox x -t wav - |", "the path of an audio file"),
        ("wav.scp", "", "no utterances"),
        ("segments", "u b 0.3 0.1", "0 <= start < end"),
        ("segments", "u c 0 0.1", "recording 'c'"),
        ("segments", "u b zero 0.1", "recording start end"),
        ("segments", "u b 0.1 9", "a segment within the audio"),
    ],
)
def test_bad_tables_are_named_in_one_line(data_dir, capsys, table, line, message):
    (data_dir / table).write_text(line + "\n")
    code, _, error = run(data_dir, capsys)
    assert code == 2 and "\n" not in error and message in error
