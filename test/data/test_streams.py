"""The table of streams: shapes given and taken, and what is refused."""

import numpy as np
import pytest
import soundfile

from espnet2_ext.data.streams import STREAMS, StreamSizes, StreamTables, write_stream
from espnet2_ext.errors import UserError
from espnet2_ext.files import write_table

SIZES = StreamSizes(codes=[4, 8, 8], n_mels=5, embed_dim=6, latent_dim=3, fs=8000)
GOOD = {
    "codec_ssl": np.tile([3, 7, 7], (2, 1)),
    "codes": np.full((2, 2), 7),
    "prompt": np.zeros((3, 3), int),
    "score_frames": np.ones((2, 4), int),
    "soft": np.zeros((2, 6), np.float32),
    "mel": np.zeros((4, 5), np.float32),
    "f0": np.zeros(4, np.float32),
    "latents": np.ones((2, 3), np.float32),
    "notes": np.zeros((2, 6), np.float32),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_written_stream_is_read_with_its_shape(name, tmp_path):
    write_stream(tmp_path, name, ["a", "b"], [GOOD[name], GOOD[name][:1]])
    tables = StreamTables({name: tmp_path / f"{name}.scp", "wav": None}, SIZES)
    assert tables.keys == ["a", "b"]
    np.testing.assert_array_equal(tables["a"][name], GOOD[name])
    np.testing.assert_array_equal(tables["b"][name], GOOD[name][:1])


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("codec_ssl", np.zeros(4, int), "4 numbers"),
        ("codec_ssl", np.zeros((2, 2), int), "shape (2, 2)"),
        ("codec_ssl", np.array([0, 0, 0, 0, 8, 0]), "code 8 in stream 1 of frame 1"),
        ("codec_ssl", np.array([-1, 0, 0]), "code -1 in stream 0 of frame 0"),
        ("codes", np.array([7, 8]), "code 8 in stream 1 of frame 0"),
        ("prompt", np.zeros(0, int), "0 numbers"),
        ("score_frames", np.zeros(6, int), "6 numbers"),
        ("mel", np.zeros((4, 6)), "shape (4, 6)"),
        ("mel", np.zeros((0, 5)), "shape (0, 5)"),
        ("f0", np.zeros((4, 1)), "shape (4, 1)"),
        ("soft", np.zeros((2, 5)), "shape (2, 5)"),
        ("latents", np.zeros((2, 5)), "(frames, 3)"),
    ],
)
def test_what_is_no_such_stream_is_refused_by_name(name, values, found):
    with pytest.raises(UserError) as error:
        SIZES.shaped(name, values, "utterance a")
    assert "utterance a" in str(error.value)
    assert found in str(error.value)
    assert name in str(error.value)


def test_sizes_that_are_not_known_are_not_checked():
    flat = np.arange(6)
    assert StreamSizes().shaped("codec_ssl", flat.reshape(2, 3), "a").shape == (2, 3)
    assert StreamSizes().shaped("mel", np.zeros((2, 9)), "a").shape == (2, 9)
    assert StreamSizes().shaped("anything", flat, "a") is flat


def test_every_utterance_of_the_first_table_is_in_the_others(tmp_path):
    write_stream(tmp_path, "mel", ["a", "b"], [GOOD["mel"]] * 2)
    write_stream(tmp_path, "f0", ["a"], [GOOD["f0"]])
    with pytest.raises(UserError, match="no b"):
        StreamTables({"mel": tmp_path / "mel.scp", "f0": tmp_path / "f0.scp"}, SIZES)
    assert StreamTables({"f0": tmp_path / "f0.scp", "mel": tmp_path / "mel.scp"}, SIZES).keys == [
        "a"
    ]


def test_samples_are_read_from_audio_files_of_one_rate(tmp_path):
    wav = np.linspace(-0.5, 0.5, 80)
    for rate in (8000, 16000):
        soundfile.write(tmp_path / f"{rate}.wav", wav, rate)
    write_table(tmp_path / "wav.scp", {f"u{r}": f"{tmp_path}/{r}.wav" for r in (8000, 16000)})
    tables = StreamTables({"wav": tmp_path / "wav.scp"}, SIZES)
    assert tables.keys == ["u16000", "u8000"] and tables.n_frames("wav", "u8000") == 80
    np.testing.assert_allclose(tables["u8000"]["wav"], wav, atol=1e-4)
    with pytest.raises(UserError, match=r"16000 Hz.*8000 Hz"):
        tables["u16000"]


def test_a_stream_is_named_as_its_key():
    assert all(name == stream.name for name, stream in STREAMS.items())
