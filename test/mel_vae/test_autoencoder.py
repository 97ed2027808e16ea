"""Posterior, statistics, shapes and gradients of the mel-VAE's networks."""

import math
from pathlib import Path

import pytest
import torch

from espnet2_ext.audio.mel import MelConfig, denormalise_mel, normalise_mel
from espnet2_ext.errors import UserError
from espnet2_ext.mel_vae.autoencoder import MelAutoencoder
from espnet2_ext.mel_vae.inference import MelVAE
from espnet2_ext.mel_vae.latent_scale import LatentScale
from espnet2_ext.mel_vae.posterior import Posterior

ROOT = Path(__file__).parents[2]
MEL = MelConfig()
TINY = {"channels": 3, "dim": 8, "n_layers": 1, "expansion": 1}


def normal(mean: float, std: float, channels: int = 2) -> Posterior:
    shape = (1, 50_000, channels)
    return Posterior(torch.full(shape, mean), torch.full(shape, 2 * math.log(std)))


def test_kl_of_a_latent_frame_is_that_of_normal_distributions() -> None:
    standard = torch.distributions.Normal(0.0, 1.0)
    for mean, std in ((0.0, 1.0), (1.5, 0.2), (-2.0, 3.0)):
        expected = 2 * torch.distributions.kl_divergence(
            torch.distributions.Normal(mean, std), standard
        )
        assert normal(mean, std).kl().item() == pytest.approx(expected.item(), abs=1e-5)


def test_samples_have_the_posterior_s_mean_and_deviation() -> None:
    z = normal(1.5, 0.2).sample()
    assert z.mean().item() == pytest.approx(1.5, abs=0.01)
    assert z.std().item() == pytest.approx(0.2, abs=0.01)


def test_a_log_variance_that_would_overflow_is_bounded() -> None:
    wild = Posterior.of(torch.tensor([[[0.0, 1e9]]]))
    assert torch.isfinite(wild.sample()).all() and torch.isfinite(wild.kl())


def test_the_scale_follows_latents_and_its_two_directions_meet() -> None:
    scale = LatentScale(2, momentum=0.05)
    mean, std = torch.tensor([3.0, -1.0]), torch.tensor([0.5, 2.0])
    for _ in range(400):
        scale.follow(mean + std * torch.randn(8, 20, 2))
    assert torch.allclose(scale.mean, mean, atol=0.1)
    assert torch.allclose(scale.std, std, rtol=0.1)
    z = mean + std * torch.randn(1, 2000, 2)
    seen = scale.normalise(z)
    assert seen.mean().abs() < 0.1 and seen.std().item() == pytest.approx(1, abs=0.1)
    assert torch.allclose(scale.restore(seen), z, atol=1e-5)


def test_mel_normalisation_has_an_inverse() -> None:
    mel = torch.randn(2, 3, 4)
    assert torch.allclose(denormalise_mel(normalise_mel(mel)), mel, atol=1e-6)


@pytest.mark.parametrize("strides", [(2,), (2, 3), (1,)])
def test_a_latent_frame_stands_for_the_product_of_the_strides(strides: tuple[int, ...]) -> None:
    net = MelAutoencoder(MEL, strides=strides, **TINY)
    factor = math.prod(strides)
    mel = torch.randn(2, 6 * factor, MEL.n_mels)
    posterior = net.posterior(mel)
    assert posterior.mean.shape == posterior.log_var.shape == (2, 6, 3)
    assert net.decode(posterior.mean).shape == mel.shape
    assert net.frames_per_sec == 100 / factor
    if factor > 1:
        with pytest.raises(ValueError, match=f"multiple of {factor}"):
            net.posterior(mel[:, 1:])


def test_gradients_reach_every_parameter() -> None:
    net = MelAutoencoder(MEL, **TINY)
    net.decode(net.posterior(torch.randn(2, 8, MEL.n_mels)).sample()).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("wrong", [{"channels": 0}, {"strides": (2, 0)}, {"kernel_size": 4}])
def test_impossible_sizes_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="at least 1|is even"):
        MelAutoencoder(MEL, **{**TINY, **wrong})


@pytest.fixture
def vae() -> MelVAE:
    net = MelAutoencoder(MEL, **TINY)
    net.scale.mean.copy_(torch.tensor([1.0, 2.0, 3.0]))
    net.scale.mean_square.copy_(torch.tensor([2.0, 8.0, 25.0]))
    return MelVAE(net)


def test_a_mel_of_any_length_has_whole_latent_frames(vae: MelVAE) -> None:
    mel = torch.randn(7, MEL.n_mels) - 5
    latents = vae.encode(mel)
    assert latents.shape == (4, 3)
    silent = torch.full((1, MEL.n_mels), math.log(MEL.floor))
    assert torch.equal(latents, vae.encode(torch.cat([mel, silent])))
    assert vae.decode(latents).shape == (8, MEL.n_mels)
    assert vae.decode(latents).min() >= math.log(MEL.floor) - 1e-6


def test_latents_are_normalised_means_and_decoding_undoes_that(vae: MelVAE) -> None:
    mel = torch.randn(8, MEL.n_mels) - 5
    net = vae.autoencoder
    mean = net.posterior(mel[None]).mean
    expected = (mean[0] - torch.tensor([1.0, 2.0, 3.0])) / torch.tensor([1.0, 2.0, 4.0])
    assert torch.allclose(vae.encode(mel), expected, atol=1e-5)
    floor = math.log(MEL.floor)
    made = net.decode(mean)[0].clamp_min(floor)
    assert torch.allclose(vae.decode(vae.encode(mel)), made, atol=1e-4)


def test_sampling_is_by_option_alone(vae: MelVAE) -> None:
    mel = torch.randn(8, MEL.n_mels) - 5
    assert torch.equal(vae.encode(mel), vae.encode(mel))
    drawn = vae.encode(mel, sample=True)
    assert not torch.equal(drawn, vae.encode(mel, sample=True))


@pytest.mark.parametrize(
    ("mel", "message"),
    [
        (torch.zeros(4, 5), r"mel: \(4, 5\).*\(frames, 80\)"),
        (torch.zeros(0, 80), r"mel: \(0, 80\)"),
        (torch.full((4, 80), torch.nan), "not finite"),
    ],
)
def test_what_is_no_mel_is_refused(vae: MelVAE, mel: torch.Tensor, message: str) -> None:
    with pytest.raises(UserError, match=message):
        vae.encode(mel)


def test_the_papers_clock_and_size() -> None:
    mel = MelConfig.load(ROOT / "conf/mel_44k_512.yaml")
    with torch.device("meta"):
        net = MelAutoencoder(mel)
    assert net.mel_frames * mel.hop_length == 1024
    assert net.frames_per_sec == pytest.approx(43.07, abs=0.005)
    assert net.channels == 40
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(26.5e6, rel=0.02)
    with pytest.raises(UserError, match="fps"):
        _ = mel.samples_per_token
