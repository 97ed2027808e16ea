"""Formatting audio: rate, segments, resuming, and audio that is refused."""

import os

import numpy as np
import pytest
import soundfile

from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.bin import data
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
        data.main(
            [
                "format",
                "--in_dir",
                str(in_dir),
                "--out_dir",
                str(in_dir.parent / "out"),
                "--nj",
                str(nj),
            ]
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


def test_audio_is_known_by_its_content_not_its_time(data_dir, capsys):
    assert "2 files written" in run(data_dir, capsys)[1]
    source, out = data_dir / "a.wav", data_dir.parent / "out/wav/a.wav"
    os.utime(source, (2e9, 2e9))  # touched, in the far future
    assert "0 files written" in run(data_dir, capsys)[1]
    write_wav(source, tone(22050, hz=880), 22050)
    os.utime(source, (0, 0))  # another sound, older than what was made from the first
    assert "1 files written" in run(data_dir, capsys)[1]
    wav, _ = read_wav(out, FS)
    assert np.abs(wav[1000:-1000] - tone(FS, hz=880)[1000:-1000]).max() < 1e-3


def test_audio_of_another_file_is_taken_however_old_that_is(data_dir, capsys):
    assert "2 files written" in run(data_dir, capsys)[1]
    other = data_dir / "older.wav"
    write_wav(other, tone(22050, hz=880), 22050)
    os.utime(other, (0, 0))
    (data_dir / "wav.scp").write_text(f"b {data_dir}/b.flac\na {other}\n")
    assert "1 files written" in run(data_dir, capsys)[1]
    wav, _ = read_wav(data_dir.parent / "out/wav/a.wav", FS)
    assert np.abs(wav[1000:-1000] - tone(FS, hz=880)[1000:-1000]).max() < 1e-3


def test_a_moved_segment_is_cut_anew_and_the_others_are_kept(data_dir, capsys):
    segments = data_dir / "segments"
    segments.write_text("b-1 b 0.1 0.3\nb-2 b 0.3 0.5\n")
    assert "2 files written" in run(data_dir, capsys)[1]
    segments.write_text("b-1 b 0.1 0.3\nb-2 b 0.2 0.4\nb-3 b 0.3 0.5\n")
    os.utime(segments, (0, 0))
    assert "2 files written" in run(data_dir, capsys)[1]
    wav, _ = read_wav(data_dir.parent / "out/wav/b-2.wav", FS)
    assert np.abs(wav - tone(FS)[4800:9600]).max() < 1e-4


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_of_a_song_only_what_is_cut_is_read(data_dir, capsys, monkeypatch, suffix):
    song = 0.1 * np.random.default_rng(0).standard_normal((10 * FS, 2)).astype(np.float32)
    with soundfile.SoundFile(data_dir / f"song.{suffix}", "w", FS, 2) as file:
        for start in range(0, len(song), 4096):  # libsndfile cannot write much ogg at once
            file.write(song[start : start + 4096])
    (data_dir / "wav.scp").write_text(f"b {data_dir}/song.{suffix}\n")
    (data_dir / "segments").write_text("b-1 b 0.1 0.3\nb-2 b 5.00003 5.3\nb-3 b 9.5 10.005\n")
    whole, _ = soundfile.read(data_dir / f"song.{suffix}", dtype="float32")
    frames, read = [], soundfile.SoundFile.read

    def counted(self, n=-1, *args, **options):
        frames.append(n)
        return read(self, n, *args, **options)

    monkeypatch.setattr(soundfile.SoundFile, "read", counted)
    assert "3 files written" in run(data_dir, capsys)[1]
    assert frames == [4800, 7199, 12000]
    monkeypatch.undo()
    for utt, span in (("b-1", slice(2400, 7200)), ("b-2", slice(120001, 127200))):
        wav, _ = read_wav(data_dir.parent / f"out/wav/{utt}.wav", FS)
        assert np.array_equal(np.round(whole[span].mean(1) * 2**15), wav * 2**15)


def test_jobs_write_the_same_files_and_a_killed_run_goes_on(data_dir, capsys):
    for name in "cdef":
        write_wav(data_dir / f"{name}.wav", tone(22050, hz=300), 22050)
    lines = [f"{name} {data_dir}/{name}.wav\n" for name in "acdef"]
    (data_dir / "wav.scp").write_text("".join(lines) + f"b {data_dir}/b.flac\n")
    wavs = data_dir.parent / "out/wav"
    assert "6 files written" in run(data_dir, capsys, nj=3)[1]
    several = {path.name: path.read_bytes() for path in wavs.iterdir()}
    for name in ("b.wav", "e.wav"):
        (wavs / name).unlink()
    assert "2 files written" in run(data_dir, capsys)[1]
    assert {path.name: path.read_bytes() for path in wavs.iterdir()} == several


def test_what_a_killed_writer_left_unfinished_is_removed(data_dir, capsys):
    wavs = data_dir.parent / "out/wav"
    wavs.mkdir(parents=True)
    (wavs / ".part-x.wav").write_bytes(b"RIFF")
    assert run(data_dir, capsys)[0] == 0
    assert sorted(path.name for path in wavs.iterdir()) == ["a.wav", "b.wav"]


def test_no_channel_is_lost(data_dir, capsys, caplog):
    voice, band = tone(FS, hz=440), tone(FS, hz=3000)
    soundfile.write(data_dir / "b.flac", np.stack([band, voice], axis=1), FS)
    assert run(data_dir, capsys)[0] == 0
    wav, _ = read_wav(data_dir.parent / "out/wav/b.wav", FS)
    assert np.abs(wav - (voice + band) / 2).max() < 1e-3
    assert "1 are the mean of channels, 1 of which differ" in caplog.text
    assert "1 of channels that hold different sounds (b first)" in caplog.text
    assert np.abs(read_wav(data_dir / "b.flac")[0] - (voice + band) / 2).max() < 1e-3


def test_channels_that_cancel_each_other_are_refused(data_dir, capsys):
    soundfile.write(data_dir / "b.flac", np.stack([tone(FS), -tone(FS)], axis=1), FS)
    code, _, error = run(data_dir, capsys)
    assert code == 2 and "b: 2 channels that cancel each other in" in error


def test_a_corpus_of_stereo_has_one_line_that_says_what_was_done(tmp_path, capsys, caplog):
    caplog.set_level("INFO")
    for number in range(3):
        wav = tone(44100, hz=440 + number)
        soundfile.write(tmp_path / f"{number}.wav", np.stack([wav] * 2, axis=1), 44100)
    (tmp_path / "data").mkdir()
    lines = "".join(f"{number} {tmp_path}/{number}.wav\n" for number in range(3))
    (tmp_path / "data/wav.scp").write_text(lines)
    assert run(tmp_path / "data", capsys)[0] == 0
    (line,) = [r for r in caplog.records if "utterances written" in r.message]
    assert line.levelname == "INFO" and line.message.endswith(
        "3 utterances written at 24000 Hz; 3 from 44100 Hz; 3 are the mean of channels, all alike"
    )


def test_floating_point_above_full_scale_is_made_softer_and_named(data_dir, capsys, caplog):
    loud = 3 * tone(FS).astype(np.float32)
    soundfile.write(data_dir / "loud.wav", loud, FS, subtype="FLOAT")
    (data_dir / "wav.scp").write_text(f"a {data_dir}/loud.wav\n")
    assert run(data_dir, capsys)[0] == 0
    assert "1 made softer, with samples above full scale (a first)" in caplog.text
    wav, _ = read_wav(data_dir.parent / "out/wav/a.wav")
    assert np.abs(wav - 2 * tone(FS)).max() < 1e-3


def test_a_table_that_is_no_longer_there_is_not_kept(data_dir, capsys):
    (data_dir / "text").write_text("a la\nb la\n")
    assert run(data_dir, capsys)[0] == 0
    out = data_dir.parent / "out"
    (out / "notes.txt").write_text("somebody's own")
    (data_dir / "text").unlink()
    assert run(data_dir, capsys)[0] == 0
    assert sorted(p.name for p in out.iterdir() if p.is_file()) == [
        "a.wav", "b.flac", "notes.txt", "utt2spk", "wav.scp"
    ]  # fmt: skip


def write_bad(data_dir, name: str, samples) -> None:
    soundfile.write(data_dir / name, np.asarray(samples, np.float32), FS, subtype="FLOAT")
    (data_dir / "wav.scp").write_text(f"a {data_dir / name}\n")


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), "no samples"),
        (np.zeros(FS), "a: silence in"),
        ([0.1, float("nan")] * 100, "not finite"),
        (20000 * tone(FS), "samples of up to 1e+04 in"),
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
        ("wav.scp", "a nowhere.wav", "no such file (nowhere.wav)"),
        ("wav.scp", "a sox x -t wav - |", "the path of an audio file"),
        ("wav.scp", "", "no utterances"),
        ("segments", "u b 0.3 0.1", "0 <= start < end"),
        ("segments", "u c 0 0.1", "recording 'c'"),
        ("segments", "u b zero 0.1", "recording start end"),
        ("segments", "u b 0.1 9", "a segment within the audio"),
        ("segments", "u b 8 9", "a segment within the audio"),
        ("segments", "u b 0.1 inf", "0 <= start < end"),
        ("segments", "u b nan 0.2", "0 <= start < end"),
    ],
)
def test_bad_tables_are_named_in_one_line(data_dir, capsys, table, line, message):
    (data_dir / table).write_text(line + "\n")
    code, _, error = run(data_dir, capsys)
    assert code == 2 and "\n" not in error and message in error
