"""Audio to latents and back over Kaldi tables, by the command line."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.bin import infer
from espnet2_ext.files import read_counts, read_scp, write_table
from espnet2_ext.mel_vae.autoencoder import MelAutoencoder
from espnet2_ext.mel_vae.build import build_mel_vae
from espnet2_ext.mel_vae.inference import MelVAE

ROOT = Path(__file__).parents[2]
MEL = MelConfig()
N_FRAMES = {"a": 11, "b": 6}


@pytest.fixture
def exp(tmp_path: Path) -> Path:
    """An experiment folder; its latents are those of an untrained model."""
    from argparse import Namespace

    options = {
        "mel_config": MEL.asdict(),
        "autoencoder_conf": {"channels": 3, "dim": 8, "n_layers": 1, "expansion": 1},
        "discriminator_conf": None,
        "model_conf": {},
    }
    torch.manual_seed(0)
    model = build_mel_vae(Namespace(**options))
    model.generator.scale.mean += 0.5
    folder = tmp_path / "exp"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(options))
    torch.save(model.state_dict(), folder / "valid.loss.best.pth")
    return folder


@pytest.fixture
def wavs(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    table = {}
    for utt, n_frames in N_FRAMES.items():
        wav = 0.1 * rng.standard_normal(n_frames * MEL.hop_length + 7)
        table[utt] = str(tmp_path / f"{utt}.wav")
        soundfile.write(table[utt], wav, MEL.fs)
    write_table(tmp_path / "wav.scp", table)
    return tmp_path / "wav.scp"


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as done:
        infer.main([str(argument) for argument in arguments])
    return done.value.code


def test_audio_becomes_mels_latents_and_mels_again(exp: Path, wavs: Path, tmp_path: Path) -> None:
    mels, latents, back = (tmp_path / name for name in ("mels", "latents", "back"))
    config = ROOT / "conf/mel.yaml"
    assert run("mel", "--wav_scp", wavs, "--mel_config", config, "--output_dir", mels) == 0
    assert read_counts(mels / "utt2num_frames") == N_FRAMES
    of_mels = ("latents", "--model_dir", exp, "--mel_scp", mels / "mel.scp")
    assert run(*of_mels, "--output_dir", latents, "--num_shards", 2, "--shard", 2) == 0
    assert run(*of_mels, "--output_dir", latents, "--num_shards", 2, "--shard", 1) == 0
    assert read_counts(latents / "utt2num_frames") == {"a": 6, "b": 3}
    vae = MelVAE.load(exp / "config.yaml", exp / "valid.loss.best.pth")
    written = read_scp(latents / "latents.scp")
    for utt, path in (("a", tmp_path / "a.wav"), ("b", tmp_path / "b.wav")):
        wav = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
        mel = LogMel(MEL)(wav[None])[0]
        np.testing.assert_allclose(read_scp(mels / "mel.scp")[utt], mel, atol=1e-4)
        np.testing.assert_allclose(written[utt], vae.encode(mel), atol=1e-4)
    assert run("mel_vae", "--model_dir", exp, "--latents_scp", latents / "latents.scp",
               "--output_dir", back) == 0  # fmt: skip
    decoded = read_scp(back / "mel.scp")["a"]
    np.testing.assert_allclose(
        decoded, vae.decode(torch.from_numpy(np.array(written["a"]))), atol=1e-4
    )


def test_audio_is_encoded_as_its_mel(exp: Path, wavs: Path, tmp_path: Path) -> None:
    direct, mels, by_mel = (tmp_path / name for name in ("direct", "mels", "by_mel"))
    assert run("latents", "--model_dir", exp, "--wav_scp", wavs, "--output_dir", direct) == 0
    config = ROOT / "conf/mel.yaml"
    run("mel", "--wav_scp", wavs, "--mel_config", config, "--output_dir", mels)
    run("latents", "--model_dir", exp, "--mel_scp", mels / "mel.scp", "--output_dir", by_mel)
    one, other = (read_scp(folder / "latents.scp") for folder in (direct, by_mel))
    assert list(one) == list(other) == ["a", "b"]
    for utt in one:
        np.testing.assert_allclose(one[utt], other[utt], atol=1e-4)


def test_statistics_are_those_of_all_frames(exp: Path, wavs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("latents", "--model_dir", exp, "--wav_scp", wavs, "--output_dir", out) == 0
    facts = json.loads((out / "latents.json").read_text())
    frames = np.concatenate(list(read_scp(out / "latents.scp").values()))
    assert (facts["frames_per_sec"], facts["mel_frames"]) == (50, 2)
    assert (facts["channels"], facts["n_frames"]) == (3, len(frames))
    np.testing.assert_allclose(facts["mean"], frames.mean(0), atol=1e-5)
    np.testing.assert_allclose(facts["std"], frames.std(0), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "one of --wav_scp and --mel_scp"),
        (["--wav_scp", "nowhere.scp"], "nowhere.scp: No such file"),
        (["--wav_scp", "wav.scp", "--mel_scp", "mel.scp"], "one of --wav_scp and --mel_scp"),
    ],
)
def test_what_cannot_be_encoded_ends_in_one_line(
    exp: Path, options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run("latents", "--model_dir", exp, "--output_dir", tmp_path / "out", *options) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error


def test_audio_shorter_than_a_frame_is_named(exp: Path, tmp_path: Path, capsys) -> None:
    soundfile.write(tmp_path / "short.wav", np.zeros(100), MEL.fs)
    write_table(tmp_path / "wav.scp", {"short": str(tmp_path / "short.wav")})
    options = [
        "--model_dir",
        exp,
        "--wav_scp",
        tmp_path / "wav.scp",
        "--output_dir",
        tmp_path / "o",
    ]
    assert run("latents", *options) == 2
    assert "short: wav: 100 samples" in capsys.readouterr().err


def test_the_least_audio_is_one_frame(tmp_path: Path) -> None:
    vae = MelVAE(MelAutoencoder(MEL, channels=3, dim=8, n_layers=1))
    mel = torch.full((1, MEL.n_mels), math.log(MEL.floor))
    assert vae.encode(mel).shape == (1, 3)
