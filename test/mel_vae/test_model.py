"""Losses of the mel-VAE, and what either turn trains."""

import pytest
import torch

from espnet2_ext.audio.mel import MEL_STD, MelConfig
from espnet2_ext.mel_vae.autoencoder import MelAutoencoder
from espnet2_ext.mel_vae.discriminator import PatchDiscriminator, r1_penalty
from espnet2_ext.mel_vae.model import MelVAEModel

MEL = MelConfig()
FRAMES = 16


def build(adversarial: bool = True, **weights: float) -> MelVAEModel:
    torch.manual_seed(0)
    net = MelAutoencoder(MEL, channels=3, dim=8, n_layers=1, expansion=1)
    return MelVAEModel(net, PatchDiscriminator(4, 2) if adversarial else None, **weights)


@pytest.fixture
def mel() -> torch.Tensor:
    return torch.randn(2, FRAMES, MEL.n_mels) - 5


def test_r1_of_a_linear_verdict_is_half_its_squared_weights() -> None:
    mel = torch.randn(3, 8, 5, requires_grad=True)
    verdict = 2 * mel  # as many verdicts as bins, each of gradient 2
    assert r1_penalty(verdict, mel).item() == pytest.approx(0.5 * 4)
    verdict = (2 * mel).sum((1, 2))[:, None, None]
    assert r1_penalty(verdict, mel).item() == pytest.approx(0.5 * 4 * 8 * 5)


def test_a_mel_of_twice_the_length_has_the_same_penalty() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(4, 2)
    mel = torch.randn(1, 512, MEL.n_mels)

    def penalty(mel: torch.Tensor) -> float:
        mel = mel.clone().requires_grad_()
        return r1_penalty(discriminator(mel), mel).item()

    assert penalty(torch.cat([mel, mel], 1)) == pytest.approx(penalty(mel), rel=0.02)


def test_a_verdict_is_of_a_patch() -> None:
    discriminator = PatchDiscriminator(4, 2)
    mel = torch.zeros(1, 64, MEL.n_mels)
    assert discriminator(mel).shape == (1, 16, 20)
    changed = mel.clone()
    changed[0, 60:] = MEL_STD
    differs = (discriminator(changed) != discriminator(mel))[0].any(1)
    assert not differs[:12].any() and differs[15]


def test_the_loss_is_of_reconstruction_and_kl(mel: torch.Tensor) -> None:
    model = build(adversarial=False, lambda_kl=0.5).eval()
    given = model(mel=mel)
    posterior = model.generator.posterior(mel)
    l1 = (model.generator.decode(posterior.mean) - mel).abs().mean()
    assert given["stats"]["mel_l1"].item() == pytest.approx(l1.item())
    assert given["loss"].item() == pytest.approx((l1 + 0.5 * posterior.kl()).item())
    assert given["optim_idx"] == 0


def test_validation_knows_no_chance_and_follows_nothing(mel: torch.Tensor) -> None:
    model = build().eval()
    before = model.generator.scale.mean.clone()
    assert model(mel=mel)["loss"].item() == model(mel=mel)["loss"].item()
    assert torch.equal(model.generator.scale.mean, before)
    with torch.no_grad():  # as ESPnet validates
        assert torch.isfinite(model(mel=mel, forward_generator=False)["loss"])


def test_each_turn_trains_its_own_part(mel: torch.Tensor) -> None:
    model = build().train()
    model(mel=mel, forward_generator=False)["loss"].backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert all(p.grad.abs().max() > 0 for p in list(model.discriminator.parameters())[:-1])
    model.zero_grad()
    model(mel=mel)["loss"].backward()
    for name, parameter in model.generator.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def test_both_turns_on_a_batch_see_one_sample(mel: torch.Tensor) -> None:
    model = build().train()
    sampled = []
    decode = model.generator.decode
    model.generator.decode = lambda z: sampled.append(z) or decode(z)
    model(mel=mel)
    model(mel=mel, forward_generator=False)
    assert len(sampled) == 1
    model(mel=mel)
    assert not torch.equal(sampled[0], sampled[1])


def test_one_batch_is_learnt(mel: torch.Tensor) -> None:
    mel = torch.linspace(-9, -2, MEL.n_mels).expand(2, FRAMES, -1) + torch.randn(2, FRAMES, 1)
    model = build().train()
    of_generator = torch.optim.Adam(model.generator.parameters(), 1e-2)
    of_discriminator = torch.optim.Adam(model.discriminator.parameters(), 1e-3)
    losses = []
    for _ in range(80):
        for optimizer, first in ((of_generator, True), (of_discriminator, False)):
            optimizer.zero_grad()
            given = model(mel=mel, forward_generator=first)
            given["loss"].backward()
            optimizer.step()
            if first:
                losses.append(given["stats"]["mel_l1"].item())
    assert losses[-1] < 0.25 * losses[0]
