"""The source-filter vocoder: pitch, voicing, level, length, and invariance to batching."""

import pytest
import torch

from espnet2_ext.audio.f0 import extract_f0
from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.vocoder.source_filter import SourceFilterVocoder

MEL = MelConfig()


BANDS = [0, 8]
"""Of aperiodicity: none (two filters without regard to each other), and some."""


@pytest.fixture(params=BANDS, ids=lambda bands: f"{bands}_bands")
def vocoder(request: pytest.FixtureRequest) -> SourceFilterVocoder:
    return build(request.param)


def build(bands: int) -> SourceFilterVocoder:
    torch.manual_seed(0)
    return SourceFilterVocoder(MEL, dim=16, n_layers=2, aperiodicity_bands=bands).eval()


def features(n_frames: int, hz: float = 220.0) -> tuple[torch.Tensor, torch.Tensor]:
    tilt = torch.linspace(-1.5, -4.5, MEL.n_mels)
    return tilt.expand(1, n_frames, -1).clone(), torch.full((1, n_frames), hz)


@torch.no_grad()
def test_heard_f0_is_the_given_one(vocoder: SourceFilterVocoder) -> None:
    mel, f0 = features(200)
    f0 = f0 * 2 ** (0.3 * torch.sin(torch.arange(200) / 15) / 12 + 0.25)
    wav = vocoder.parts(mel, f0, start_frame=0).harmonic[0]
    heard = torch.from_numpy(extract_f0(wav.numpy(), MEL.fs, MEL.hop_length))
    cents = 1200 * (heard[20:180] / f0[0, 20:180]).log2().abs()
    assert (heard[20:180] > 0).all() and cents.median() < 5 and cents.max() < 30


@torch.no_grad()
def test_without_f0_there_is_only_noise(vocoder: SourceFilterVocoder) -> None:
    mel, f0 = features(100)
    parts = vocoder.parts(mel, 0 * f0, start_frame=0)
    assert parts.harmonic.abs().max() == 0
    assert parts.noise.std() > 1e-3
    f0[:, 50:] = 0
    parts = vocoder.parts(mel, f0, start_frame=0)
    assert parts.harmonic[0, 52 * 240 + 512 :].abs().max() < 1e-5
    assert parts.harmonic[0, : 48 * 240].std() > 1e-3


@torch.no_grad()
def test_untrained_level_matches_the_mel(vocoder: SourceFilterVocoder) -> None:
    mel, f0 = features(100)
    parts = vocoder.parts(mel, f0, start_frame=0)
    log_mel = LogMel(MEL)
    # of two filters each has the level; of a shared envelope the two together
    shared = [parts.harmonic + parts.noise]
    for part in shared if vocoder.bands else [parts.harmonic, parts.noise]:
        difference = (log_mel(part) - mel)[0, 20:80, 10:70].mean()
        assert difference.abs() < 0.7, difference


@torch.no_grad()
@pytest.mark.parametrize("n_frames", [1, 2, 37])
def test_length_is_exact_and_silence_is_silent(vocoder: SourceFilterVocoder, n_frames: int) -> None:
    mel = torch.full((2, n_frames, MEL.n_mels), float(torch.tensor(MEL.floor).log()))
    wav = vocoder(mel, torch.zeros(2, n_frames), start_frame=0)
    assert wav.shape == (2, n_frames * MEL.hop_length)
    assert wav.abs().max() < 1e-3


@torch.no_grad()
def test_batched_equals_single(vocoder: SourceFilterVocoder) -> None:
    torch.nn.init.normal_(vocoder.network.output.weight, std=0.02)
    mel, f0 = torch.randn(2, 60, MEL.n_mels) - 4, torch.full((2, 60), 200.0)
    f0[0, :7] = 0
    f0[1, 40:] = mel[1, 40:] = 0
    mask = torch.ones(2, 60)
    mask[1, 40:] = 0
    both = vocoder(mel, f0, mask, start_frame=0)
    alone = vocoder(mel[1:, :40], f0[1:, :40], start_frame=0)
    n = 40 * MEL.hop_length
    assert (both[1, :n] - alone[0]).abs().max() < 1e-4 * alone.abs().max()


def test_gradients_reach_every_parameter(vocoder: SourceFilterVocoder) -> None:
    torch.nn.init.normal_(vocoder.network.output.weight, std=0.1)
    mel, f0 = features(30)
    LogMel(MEL)(vocoder(mel, f0)).sum().backward()
    for name, parameter in vocoder.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


@torch.no_grad()
def test_extreme_features_stay_finite(vocoder: SourceFilterVocoder) -> None:
    for mel_value, hz in ((-60.0, 30.0), (40.0, 3000.0)):
        mel, f0 = torch.full((1, 20, MEL.n_mels), mel_value), torch.full((1, 20), hz)
        assert torch.isfinite(vocoder(mel, f0, start_frame=0)).all()


@torch.no_grad()
def test_the_share_of_noise_is_what_the_bands_say() -> None:
    """One envelope, whose power the two parts divide between them in each band."""
    vocoder = build(8)
    mel, f0 = features(60)
    filled = vocoder.plan(f0)[..., 0].float()
    bias = vocoder.network.output.bias
    heard = {}
    for name, logit in (("pulses", -30.0), ("half", 0.0), ("noise", 30.0)):
        bias[vocoder.n_bins :] = logit
        harmonic, noise = vocoder.log_gains(mel, f0, filled, None)[0, 30]
        heard[name] = vocoder.parts(mel, f0, start_frame=0)
        if name == "half":
            offset = harmonic - noise
            torch.testing.assert_close(offset, offset[:1].expand_as(offset))
    assert heard["pulses"].noise.std() < 1e-3 * heard["pulses"].harmonic.std()
    assert heard["noise"].harmonic.std() < 1e-3 * heard["noise"].noise.std()
    for half, whole in (
        (heard["half"].harmonic, heard["pulses"].harmonic),
        (heard["half"].noise, heard["noise"].noise),
    ):
        assert half.square().mean() / whole.square().mean() == pytest.approx(0.5, abs=0.02)
    bias[vocoder.n_bins : vocoder.n_bins + 4] = -30  # pulses below, noise above
    bias[vocoder.n_bins + 4 :] = 30
    parts = vocoder.parts(mel, f0, start_frame=0)
    low = slice(0, 20)  # mel bands
    high = slice(60, 80)
    harmonic, noise = (
        LogMel(MEL)(part)[0, 20:40].mean(0) for part in (parts.harmonic, parts.noise)
    )
    assert (harmonic - noise)[low].min() > 3 and (noise - harmonic)[high].min() > 3


@torch.no_grad()
def test_without_f0_the_whole_envelope_is_noise_whatever_the_bands_say() -> None:
    vocoder = build(8)
    mel, f0 = features(60, hz=0.0)
    before = vocoder.parts(mel, f0, start_frame=0)
    vocoder.network.output.bias[vocoder.n_bins :] = -30
    after = vocoder.parts(mel, f0, start_frame=0)
    assert torch.equal(before.noise, after.noise) and after.harmonic.abs().max() == 0


@torch.no_grad()
def test_configurations_and_weights_of_before_mean_what_they_did() -> None:
    """A configuration without the key has two filters; its weights load and sing."""
    vocoder = build(0)
    torch.manual_seed(0)
    keyless = SourceFilterVocoder(MEL, dim=16, n_layers=2).eval()
    assert keyless.network.output.out_features == 2 * keyless.n_bins
    torch.nn.init.normal_(vocoder.network.output.weight, std=0.05)
    keyless.load_state_dict(vocoder.state_dict())
    mel, f0 = features(20)
    assert torch.equal(keyless(mel, f0, start_frame=0), vocoder(mel, f0, start_frame=0))
    with pytest.raises(RuntimeError, match="size mismatch"):
        build(8).load_state_dict(vocoder.state_dict())


@pytest.mark.parametrize("bands", [-1, 1])
def test_a_number_of_bands_that_is_none_is_refused(bands: int) -> None:
    with pytest.raises(ValueError, match=f"aperiodicity_bands {bands}"):
        build(bands)
