"""HiFi-GAN with a source: sines at F0 where voiced, none elsewhere, at each stage's rate."""

import math
from pathlib import Path

import pytest
import torch

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.files import read_yaml
from espnet2_ext.vocoder.nsf_hifigan import NSFHiFiGANVocoder
from espnet2_ext.vocoder.source import SineHarmonics

ROOT = Path(__file__).parents[2]
CONF = ROOT / "egs2/mini_singing/speechlm1/conf"
RATES = {"": 24000, "_44k": 44100, "_48k": 48000}
TINY = {"channels": 16, "resblock_kernel_sizes": [3], "resblock_dilations": [[1, 3]]}
SCALES = {"": [10, 6, 4], "_44k": [9, 7, 7], "_48k": [10, 8, 6]}


def tiny(rate: str = "") -> NSFHiFiGANVocoder:
    torch.manual_seed(0)
    mel = MelConfig.load(ROOT / f"conf/mel{rate}.yaml")
    return NSFHiFiGANVocoder(mel, n_harmonics=4, upsample_scales=SCALES[rate], **TINY).eval()


def peaks_hz(wav: torch.Tensor, fs: int) -> list[int]:
    """Hz of the lines of a spectrum, of a second of samples."""
    level = torch.fft.rfft(wav * torch.hann_window(fs)).abs()
    tall = level > level.max() / 30
    tall[1:-1] &= (level[1:-1] > level[:-2]) & (level[1:-1] >= level[2:])
    return tall.nonzero().flatten().tolist()


@torch.no_grad()
@pytest.mark.parametrize("rate", RATES)
def test_f0_doubled_doubles_the_distance_of_the_harmonics(rate: str) -> None:
    vocoder = tiny(rate)
    vocoder.merge.weight.fill_(0.5)
    fs, hop = vocoder.mel.fs, vocoder.mel.hop_length
    for hz in (220, 440):
        source = vocoder.source(torch.full((1, fs // hop), float(hz)), start_frame=0)[0]
        assert peaks_hz(source, fs)[:4] == [hz, 2 * hz, 3 * hz, 4 * hz]


def test_a_harmonic_above_the_nyquist_frequency_is_silent() -> None:
    sines = SineHarmonics(24000, 240, 9)
    heard = sines(torch.full((1, 20), 2000.0), torch.ones(1, 20))[0, 2400:2640].std(0) > 0.1
    assert heard.tolist() == [True] * 5 + [False] * 4


def test_unvoiced_frames_have_no_harmonics_and_voiced_ones_begin_softly() -> None:
    sines = SineHarmonics(24000, 240, 4)
    voiced = torch.zeros(1, 30)
    voiced[0, 10:20] = 1
    made = sines(torch.full((1, 30), 330.0), voiced)[0]
    assert made[: 10 * 240].abs().max() == 0 and made[20 * 240 :].abs().max() == 0
    assert made[11 * 240 : 19 * 240].abs().max() == pytest.approx(1, abs=0.01)
    rate = 2 * math.pi * 330 * 4 / 24000  # of the fastest sine at full level
    assert made.diff(dim=0).abs().max() < 1.1 * rate


@torch.no_grad()
def test_without_f0_the_source_is_noise_alone() -> None:
    vocoder = tiny()
    f0 = torch.zeros(1, 50)
    unvoiced = vocoder.source(f0, start_frame=0)
    vocoder.merge.weight[0, :-1] = 100  # of the sines
    assert torch.equal(vocoder.source(f0, start_frame=0), unvoiced)
    assert unvoiced.std() > 1e-3
    assert not torch.equal(vocoder.source(f0 + 220, start_frame=0), unvoiced)


@torch.no_grad()
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("n_frames", [1, 2, 37])
def test_length_is_exact(rate: str, n_frames: int) -> None:
    vocoder = tiny(rate)
    made = vocoder(torch.zeros(2, n_frames, vocoder.mel.n_mels), torch.full((2, n_frames), 220.0))
    assert made.shape == (2, n_frames * vocoder.mel.hop_length)


def test_gradients_reach_every_parameter() -> None:
    vocoder = tiny().train()
    f0 = torch.full((2, 12), 220.0)
    f0[:, 8:] = 0
    vocoder(torch.randn(2, 12, vocoder.mel.n_mels) - 5, f0).square().sum().backward()
    for name, parameter in vocoder.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


@torch.no_grad()
def test_a_state_goes_round(tmp_path: Path) -> None:
    vocoder, other = tiny(), tiny()
    for parameter in vocoder.parameters():
        parameter.normal_(0, 0.05)
    mel, f0 = torch.randn(1, 20, vocoder.mel.n_mels), torch.full((1, 20), 330.0)
    expected = vocoder(mel, f0, start_frame=0)
    assert not torch.equal(other(mel, f0, start_frame=0), expected)
    torch.save(vocoder.state_dict(), tmp_path / "state.pth")
    other.load_state_dict(torch.load(tmp_path / "state.pth", weights_only=True))
    assert torch.equal(other(mel, f0, start_frame=0), expected)


@pytest.mark.parametrize("options", [{"upsample_scales": [6, 5, 4]}, {"n_harmonics": 0}])
def test_impossible_options_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match=r"multiply to hop 240|n_harmonics 0"):
        NSFHiFiGANVocoder(MelConfig(), **{"upsample_scales": [10, 6, 4], **TINY, **options})


@pytest.mark.parametrize("size", ["{}", "{}_debug"])
@pytest.mark.parametrize("rate", RATES)
def test_there_is_a_configuration_for_each_rate(rate: str, size: str) -> None:
    name = f"train_vocoder_nsf_hifigan{size.format(rate)}.yaml"
    (config,) = CONF.glob(f"**/{name}")
    mel = MelConfig.load(ROOT / f"conf/mel{rate}.yaml")
    options = read_yaml(config)
    assert mel.fs == RATES[rate] and options["vocoder"] == "nsf_hifigan"
    scales = options["vocoder_conf"]["upsample_scales"]
    assert math.prod(scales) == mel.hop_length
    assert options["vocoder_conf"]["upsample_kernel_sizes"] == [2 * scale for scale in scales]
