"""Files of any form that libsndfile reads: read right, or refused in one line."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from espnet2_ext.audio.wav import audio_info, read_voice, read_wav, write_wav
from espnet2_ext.errors import UserError
from espnet2_ext.lint.findings import Findings
from espnet2_ext.lint.utterance import Item, read_header

FS = 16000
VOICE = (0.4 * np.sin(2 * np.pi * 330 * np.arange(FS) / FS)).astype(np.float32)


@pytest.mark.parametrize(
    ("suffix", "form", "fs", "tolerance"),
    [
        ("wav", "PCM_U8", FS, 8e-3), ("wav", "PCM_16", FS, 1e-4), ("wav", "PCM_24", FS, 1e-6),
        ("wav", "PCM_32", FS, 1e-6), ("wav", "FLOAT", FS, 0), ("wav", "DOUBLE", FS, 0),
        ("wav", "ULAW", FS, 2e-2), ("wav", "IMA_ADPCM", FS, 0.1), ("flac", "PCM_24", 96000, 1e-3),
        ("mp3", None, FS, 5e-2), ("ogg", None, FS, 5e-2), ("aiff", "PCM_16", FS, 1e-4),
    ],
)  # fmt: skip
@pytest.mark.parametrize("renamed", [False, True])
def test_each_form_is_read_by_its_content(tmp_path, suffix, form, fs, tolerance, renamed) -> None:
    wav = VOICE if fs == FS else soxr.resample(VOICE, FS, fs)
    path = tmp_path / f"x.{suffix}"
    soundfile.write(path, wav, fs, subtype=form)
    if renamed:
        path = path.rename(tmp_path / "renamed.wav")
    read, rate = read_wav(path)
    assert rate == fs and len(wav) <= len(read) <= len(wav) + 2000  # codecs fill their last block
    assert np.abs(read[1000 : len(wav) - 1000] - wav[1000:-1000]).max() <= tolerance


def with_size(path: Path, change: Callable[[int], int], keep: float = 1.0) -> None:
    """A wav whose chunk of samples has another size in its header, or which is cut off."""
    soundfile.write(path, VOICE, FS)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    (size,) = struct.unpack("<I", content[at : at + 4])
    content[at : at + 4] = struct.pack("<I", change(size))
    path.write_bytes(content[: round(keep * len(content))])


@pytest.mark.parametrize("change", [lambda size: 0xFFFFFFFF, lambda size: 10 * size])
def test_a_header_that_says_too_much_takes_nothing_from_the_samples(tmp_path, change) -> None:
    with_size(tmp_path / "x.wav", change)
    assert np.abs(read_wav(tmp_path / "x.wav")[0] - VOICE).max() < 1e-4


@pytest.mark.parametrize(
    ("change", "keep", "message"),
    [
        (lambda size: 0, 1.0, "no samples"),
        (lambda size: size, 0.5, r"16022 bytes, 32044 by its header \(expected a whole file\)"),
        (lambda size: size, 0.001, "not readable as audio"),
    ],
)
def test_a_file_that_is_cut_off_is_one_line(tmp_path, change, keep, message) -> None:
    path = tmp_path / "x.wav"
    with_size(path, change, keep)
    for read in (read_wav, read_voice):
        with pytest.raises(UserError, match=message) as error:
            read(path)
        assert "\n" not in str(error.value)
    findings = Findings("u")
    assert read_header(Item("u", "label: u", "wav.scp: u", str(path)), findings) is None
    assert [finding.kind for finding in findings.items] == ["audio_file"]


def test_a_stream_of_unknown_length_is_whole(tmp_path) -> None:
    path = tmp_path / "x.wav"
    with_size(path, lambda size: 0xFFFFFFFF)
    content = bytearray(path.read_bytes())
    content[4:8] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert audio_info(path).frames == FS


def test_an_mp3_that_is_cut_off_is_warned_about(tmp_path, caplog) -> None:
    path = tmp_path / "x.mp3"
    soundfile.write(path, np.tile(VOICE, 3), FS)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert len(read_wav(path)[0]) < 2 * FS
    assert "s of 3.00 s by its header are there: cut off?" in caplog.text


def test_what_is_clipped_is_said(tmp_path, caplog):
    write_wav(tmp_path / "full.wav", np.array([1.0, -1.0, 0.5]), 24000)
    assert not caplog.records
    write_wav(tmp_path / "over.wav", np.array([2.0, -1.5, 0.5]), 24000)
    assert "over.wav: 2 samples are clipped, up to 6.0 dB above full scale" in caplog.text
    assert read_wav(tmp_path / "over.wav")[0].max() <= 1
