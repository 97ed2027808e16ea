import numpy as np
import pytest
import torch

from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.errors import UserError


def test_frames_and_tone_bin():
    config = MelConfig()
    n = config.samples_per_token * 7
    wav = torch.sin(2 * torch.pi * 1000 * torch.arange(n) / config.fs)[None]
    mel = LogMel(config)(wav)
    assert mel.shape == (1, 7 * config.frames_per_token, config.n_mels)
    basis = LogMel(config).basis
    hz = torch.arange(basis.size(1)) * config.fs / config.n_fft
    centre = (basis * hz).sum(1) / basis.sum(1)
    assert abs(centre[mel[0, 7].argmax()] - 1000) < 40


def test_silence_is_the_floor():
    config = MelConfig()
    mel = LogMel(config)(torch.zeros(1, 480))
    assert torch.allclose(mel, torch.full_like(mel, np.log(config.floor)))


def test_impossible_clock_is_refused(tmp_path):
    path = tmp_path / "mel.yaml"
    path.write_text("hop_length: 7\n")
    with pytest.raises(UserError, match="hop_length 7"):
        MelConfig.load(path)
    path.write_text("hop: 7\n")
    with pytest.raises(UserError, match="unknown key 'hop'"):
        MelConfig.load(path)


def test_wav_round_trip_is_exact_at_16_bit(tmp_path):
    wav = np.round(np.random.uniform(-0.9, 0.9, 1000) * 32768) / 32768
    write_wav(tmp_path / "a.wav", wav, 24000, comment="synthetic")
    read, fs = read_wav(tmp_path / "a.wav", 24000)
    assert fs == 24000 and np.array_equal(read, wav.astype(np.float32))
    with pytest.raises(UserError, match="24000 Hz .expected 16000 Hz"):
        read_wav(tmp_path / "a.wav", 16000)
