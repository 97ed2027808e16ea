"""The mel codec, its k-means and Griffin-Lim."""

import pytest
import torch

from espnet2_ext.audio.griffin_lim import griffin_lim
from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.errors import UserError
from espnet2_ext.tokenizer.codecs import create_codec, load_codec
from espnet2_ext.tokenizer.kmeans import fit_kmeans, nearest

MEL = MelConfig()


def tones(n: int) -> torch.Tensor:
    """Gliding harmonic tones (n, 24000)."""
    t = torch.arange(24000) / 24000
    base = torch.linspace(150, 400, n)[:, None]
    phase = 2 * torch.pi * (base * t + 30 * t**2)
    return 0.1 * sum((phase * k).sin() / k for k in range(1, 12))


@pytest.fixture(scope="module")
def mel() -> torch.Tensor:
    return LogMel(MEL)(tones(8))


@pytest.fixture(scope="module")
def codec(mel):
    config = {"type": "mel_rvq", "n_codebooks": 3, "codebook_size": 16, "n_iter": 10}
    return create_codec(config, MEL, "conf").fit(mel.flatten(0, 1))


def test_kmeans_finds_separated_clusters_and_repeats_itself():
    generator = torch.Generator().manual_seed(1)
    centres = 10 * torch.eye(4)
    rows = (centres[:, None] + 0.1 * torch.randn(4, 50, 4, generator=generator)).flatten(0, 1)
    found = fit_kmeans(rows, 4, seed=3)
    assert torch.cdist(centres, found).min(1).values.max() < 0.1
    assert torch.equal(found, fit_kmeans(rows, 4, seed=3))
    assert torch.equal(nearest(rows, found), torch.cdist(rows, found).argmin(-1))


def test_kmeans_with_fewer_distinct_rows_than_clusters():
    rows = torch.tensor([[0.0], [1.0]]).repeat(5, 1)
    assert fit_kmeans(rows, 4).isfinite().all()
    with pytest.raises(ValueError, match="too few"):
        fit_kmeans(rows, 11)


def test_every_codebook_lowers_the_distortion(codec, mel):
    codes = codec.encode_mel(mel)
    assert codes.shape == (8, 50, 3)
    errors = [(codec.decode_mel(codes[..., :k]) - mel).square().mean().item() for k in range(4)]
    assert errors[0] > 2 * errors[1] and errors == sorted(errors, reverse=True)
    assert (codec.embed(codes[..., :0]) == 0).all()


def test_each_code_is_the_nearest_and_embeddings_add_up(codec, mel):
    codes = codec.encode_mel(mel)
    again = codec.encode_mel(codec.decode_mel(codes[..., :1]))
    assert torch.equal(again[..., 0], codes[..., 0])
    parts = [codec.centroids[k][codes[..., k]] for k in range(3)]
    assert torch.allclose(codec.embed(codes), sum(parts))


def test_batched_equals_single(codec):
    wavs = tones(3)
    singles = torch.cat([codec.encode(wav[None]) for wav in wavs])
    assert torch.equal(codec.encode(wavs), singles)


def test_saves_and_loads_strictly(codec, mel, tmp_path):
    config = {"type": "mel_rvq", "n_codebooks": 3, "codebook_size": 16}
    codec.save(tmp_path)
    loaded = load_codec(config, MEL, tmp_path)
    assert torch.equal(loaded.encode_mel(mel), codec.encode_mel(mel))
    with pytest.raises(UserError, match=r"codec\.safetensors: centroids: shape \(3, 16, 160\)"):
        load_codec({**config, "n_codebooks": 4}, MEL, tmp_path)
    with pytest.raises(UserError, match="unknown key 'n_codebook'"):
        load_codec({"type": "mel_rvq", "n_codebook": 4}, MEL, tmp_path)
    with pytest.raises(UserError, match="'mp3'"):
        load_codec({"type": "mp3"}, MEL, tmp_path)


def test_griffin_lim_returns_the_spectrogram_it_was_given(mel):
    wav = griffin_lim(mel[:2], LogMel(MEL), n_iter=32)
    assert wav.shape == (2, 24000)
    again = LogMel(MEL)(wav)
    loud = mel[:2] > mel[:2].amax() - 5
    inner = slice(3, -3)
    error = (again - mel[:2]).abs()[:, inner][loud[:, inner]]
    assert error.mean() < 0.25


def test_decodes_audio_of_the_codes_length(codec, mel):
    wav = codec.decode(codec.encode_mel(mel[:1]))
    assert wav.shape == (1, 24000) and wav.isfinite().all()
