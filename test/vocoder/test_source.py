"""The excitation has exactly the asked F0, no matter how a song is cut."""

import pytest
import torch

from espnet2_ext.vocoder.source import PulseTrain, fill_unvoiced, position_noise

FS, HOP = 24000, 240


@pytest.mark.parametrize("hz", [82.4, 220.0, 441.7, 987.77])
def test_pulses_per_second(hz: float) -> None:
    pulses = PulseTrain(FS, HOP)(torch.full((1, 1000), hz))[0]
    peak = pulses.max()
    above = pulses > peak / 2
    n_pulses = int((above[1:] & ~above[:-1]).sum())
    assert abs(n_pulses - 10 * hz) <= 1
    spectrum = torch.fft.rfft(pulses).abs()
    assert abs(spectrum[: round(15 * hz)].argmax().item() / 10 - hz) <= 0.1


def test_harmonics_are_equal_and_stop_at_nyquist() -> None:
    pulses = PulseTrain(FS, HOP)(torch.full((1, 100), 256.0))[0]
    level = torch.fft.rfft(pulses).abs() / (FS / 2)
    torch.testing.assert_close(level[256:12000:256], torch.ones(46), atol=1e-2, rtol=0)
    between = level[128:12000:256]
    assert between.max() < 1e-3


def test_phase_follows_a_glide() -> None:
    f0 = torch.linspace(200, 400, 300).unsqueeze(0)
    pulses = PulseTrain(FS, HOP)
    total = pulses.cycles(f0).sum().item()
    assert total == pytest.approx(300 * 3.0, abs=1)  # mean 300 Hz over 3 s
    heard = pulses(f0)[0]
    above = heard > 15  # half of the lowest pulse: 30 harmonics and more
    assert abs(int((above[1:] & ~above[:-1]).sum()) - total) <= 2


def test_a_part_continues_the_whole() -> None:
    f0 = 200 + 50 * torch.rand(1, 90)
    pulses = PulseTrain(FS, HOP)
    whole = pulses(f0)[0]
    part = pulses(f0[:, 30:60], pulses.start(f0)[:, 30:60])[0]
    inner = slice(HOP, 29 * HOP)
    torch.testing.assert_close(part[inner], whole[30 * HOP : 60 * HOP][inner], atol=1e-3, rtol=0)


def test_phase_stays_exact_over_an_hour() -> None:
    start = PulseTrain(FS, HOP).start(torch.full((1, 360000), 440.0))
    # 4.4 cycles a frame: a whole number every five
    torch.testing.assert_close(
        (start[0, ::5] + 0.5).remainder(1.0), torch.full((72000,), 0.5).double(), atol=1e-5, rtol=0
    )


def test_unvoiced_frames_hold_the_nearest_voice() -> None:
    f0 = torch.tensor([[0, 0, 100, 0, 200, 0, 0], [0, 0, 0, 0, 0, 0, 0.0]])
    expected = torch.tensor([[100, 100, 100, 100, 200, 200, 200], [0.0] * 7])
    assert torch.equal(fill_unvoiced(f0), expected)


def test_noise_is_white_and_repeatable() -> None:
    noise = position_noise(torch.arange(48000))
    assert torch.equal(noise[1000:2000], position_noise(torch.arange(1000, 2000)))
    assert noise.mean().abs() < 0.02 and (noise.std() - 1).abs() < 0.01
    for lag in (1, 2, 240, 512):
        assert (noise[lag:] * noise[:-lag]).mean().abs() < 0.02
