"""Generation in parts and batches equals generation whole; features are checked."""

import math

import pytest
import torch

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.errors import UserError
from espnet2_ext.vocoder import inference
from espnet2_ext.vocoder.f0_predictor import F0Predictor
from espnet2_ext.vocoder.hifigan import HiFiGANVocoder
from espnet2_ext.vocoder.inference import VocoderInference
from espnet2_ext.vocoder.nsf_hifigan import NSFHiFiGANVocoder
from espnet2_ext.vocoder.score_f0 import score_f0
from espnet2_ext.vocoder.source_filter import SourceFilterVocoder

MEL = MelConfig()
KINDS = ["source_filter", "aperiodic", "hifigan", "nsf_hifigan"]
TINY_HIFIGAN = {
    "channels": 16,
    "upsample_scales": [10, 6, 4],
    "resblock_kernel_sizes": [3],
    "resblock_dilations": [[1, 3]],
}


@pytest.fixture
def source_filter() -> VocoderInference:
    torch.manual_seed(0)
    vocoder = SourceFilterVocoder(MEL, dim=16, n_layers=2)
    torch.nn.init.normal_(vocoder.network.output.weight, std=0.02)
    return VocoderInference(vocoder, F0Predictor(MEL, dim=16, n_layers=1))


@pytest.fixture
def aperiodic() -> VocoderInference:
    torch.manual_seed(0)
    vocoder = SourceFilterVocoder(MEL, dim=16, n_layers=2, aperiodicity_bands=8)
    torch.nn.init.normal_(vocoder.network.output.weight, std=0.02)
    return VocoderInference(vocoder, F0Predictor(MEL, dim=16, n_layers=1))


def louder(vocoder: HiFiGANVocoder) -> HiFiGANVocoder:
    """Of other weights: ESPnet's initial values are nearly silent."""
    for parameter in vocoder.parameters():
        if parameter.dim() == 3:
            parameter.data.mul_(10)
    return vocoder


@pytest.fixture
def hifigan() -> VocoderInference:
    torch.manual_seed(0)
    return VocoderInference(louder(HiFiGANVocoder(MEL, **TINY_HIFIGAN)))


@pytest.fixture
def nsf_hifigan() -> VocoderInference:
    torch.manual_seed(0)
    vocoder = louder(NSFHiFiGANVocoder(MEL, n_harmonics=4, **TINY_HIFIGAN))
    return VocoderInference(vocoder, F0Predictor(MEL, dim=16, n_layers=1))


def song(n_frames: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mel = torch.randn(n_frames, MEL.n_mels, generator=generator) - 4
    f0 = 200 + 100 * torch.rand(n_frames, generator=generator)
    f0[n_frames // 3 : n_frames // 2] = 0
    return mel, f0


@pytest.mark.parametrize("kind", KINDS)
def test_parts_equal_the_whole(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = request.getfixturevalue(kind)
    mel, f0 = song(230)
    (whole,) = model.generate([mel], [f0])
    whole_f0 = model.predict_f0(mel) if model.f0_predictor else None
    monkeypatch.setattr(inference, "CHUNK_FRAMES", 70)
    (parts,) = model.generate([mel], [f0])
    assert whole.shape == parts.shape == (230 * MEL.hop_length,)
    assert whole.std() > 1e-4
    assert (whole - parts).abs().max() < 1e-4 * whole.abs().max()
    if whole_f0 is not None:
        torch.testing.assert_close(model.predict_f0(mel), whole_f0, atol=1e-2, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_batch_keeps_order_and_equals_single(kind: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(kind)
    songs = [song(n, seed=n) for n in (50, 20, 35)]
    together = model.generate([m for m, _ in songs], [f for _, f in songs])
    for (mel, f0), wav in zip(songs, together, strict=True):
        (alone,) = model.generate([mel], [f0])
        assert wav.shape == (len(mel) * MEL.hop_length,)
        assert (wav - alone).abs().max() < 1e-4 * alone.abs().max()


@pytest.mark.parametrize("kind", KINDS)
def test_no_burst_at_the_end_of_the_shorter_utterances_of_a_batch(
    kind: str, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(kind)
    silence = math.log(MEL.floor)
    mels = [torch.full((frames, MEL.n_mels), silence) for frames in (60, 1, 100, 59)]
    f0s = [torch.zeros(len(mel)) for mel in mels]
    alone = [model.generate([mel], [f0])[0] for mel, f0 in zip(mels, f0s, strict=True)]
    for wav, single in zip(model.generate(mels, f0s), alone, strict=True):
        last = slice(-MEL.hop_length // 2, None)
        assert (wav - single)[last].abs().max() <= 1e-4 * single.abs().max()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "hifigan"])
def test_an_onset_after_a_long_rest_is_the_same_in_parts(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = request.getfixturevalue(kind)
    mel, f0 = song(230)
    f0[:] = torch.linspace(150, 450, 230)
    f0[40:110] = 0  # from before the second part to inside it
    (whole,) = model.generate([mel], [f0])
    monkeypatch.setattr(inference, "CHUNK_FRAMES", 70)
    (parts,) = model.generate([mel], [f0])
    assert (whole - parts).abs().max() < 1e-4 * whole.abs().max()


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("source_filter", "bfloat16"), ("source_filter", "float16"), ("hifigan", "bfloat16"),
        ("aperiodic", "bfloat16"), ("nsf_hifigan", "bfloat16"),
    ],
)  # fmt: skip
def test_autocast_is_near_float32(kind: str, dtype: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(kind)
    mel, f0 = song(60)
    (exact,) = model.generate([mel], [f0])
    model.dtype = dtype
    (near,) = model.generate([mel], [f0])
    assert near.dtype == torch.float32
    assert 0 < (near - exact).square().mean() < 1e-2 * exact.square().mean()


def test_what_float16_cannot_hold_is_one_line(hifigan: VocoderInference) -> None:
    """Random weights make values above 65,504."""
    mel, f0 = song(60)
    hifigan.dtype = "float16"
    with pytest.raises(UserError, match=r"not finite, in float16 \(expected bfloat16"):
        hifigan.generate([mel], [f0])


def test_f0_is_predicted_where_it_is_not_given(source_filter: VocoderInference) -> None:
    mel, _ = song(40)
    predicted = source_filter.predict_f0(mel)
    (default,) = source_filter.generate([mel])
    (given,) = source_filter.generate([mel], [predicted])
    assert torch.equal(default, given)
    (none,) = source_filter.generate([mel], [None])
    assert torch.equal(default, none)


def test_no_frames_no_samples(source_filter: VocoderInference) -> None:
    assert source_filter.generate([torch.zeros(0, MEL.n_mels)])[0].shape == (0,)
    assert source_filter.generate([]) == []


@pytest.mark.parametrize(
    ("mel", "f0", "message"),
    [
        (torch.zeros(5, 79), None, r"\(5, 79\)"),
        (torch.full((5, 80), torch.nan), None, "not finite"),
        (torch.zeros(5, 80), torch.zeros(4), r"\(4,\)"),
        (torch.zeros(5, 80), torch.full((5,), -1.0), "Hz"),
    ],
)
def test_bad_features_are_named(
    source_filter: VocoderInference, mel: torch.Tensor, f0: torch.Tensor | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        source_filter.generate([torch.zeros(3, 80), mel], [None, f0])


def test_score_f0_follows_the_notes_where_the_voice_is() -> None:
    midi = torch.tensor([0] * 5 + [69] * 20 + [81] * 20 + [0] * 5)
    voiced = torch.ones(100)
    voiced[20:24] = 0
    f0 = score_f0(midi, voiced, 2, 50)
    assert (f0[:10] == 0).all() and (f0[90:] == 0).all() and (f0[20:24] == 0).all()
    assert f0[10] == pytest.approx(440, abs=1e-2) and f0[89] == pytest.approx(880, abs=1e-2)
    assert 440 < f0[49] < f0[50] < 880
    with pytest.raises(ValueError, match="100 frames of score for 99"):
        score_f0(midi, voiced[:99], 2, 50)
