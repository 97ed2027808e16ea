"""The model that ESPnet trains: what it reads, what it learns, and windows of long recordings."""

import pytest
import torch

from espnet2_ext.score.lyrics.languages import LANGUAGES, vowels_among
from espnet2_ext.score.phones import FINALS, PHONES
from espnet2_ext.transcription import inference
from espnet2_ext.transcription.build import CodeGeometry, start_from_codec
from espnet2_ext.transcription.config import TranscriptionConfig
from espnet2_ext.transcription.inference import TranscriptionInference
from espnet2_ext.transcription.model import TranscriptionModel, truncated
from espnet2_ext.transcription.net import TranscriptionNet

N, V = 3, 7
SMALL = {"n_layers": 1, "width": 16, "n_heads": 2, "feedforward": 32, "code_dim": 4,
         "position_kernel": 3}  # fmt: skip


def make_model(**options):
    torch.manual_seed(0)
    config = TranscriptionConfig(**{**SMALL, **options})
    return TranscriptionModel(TranscriptionNet(N, V, config), [False, True])


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([9, 6])
    notes = torch.tensor([[0, 0, 1, 1, 1, 2, 2, 3, 3], [0, 0, 0, 1, 1, 1, 0, 0, 0]])
    pitch = torch.tensor([0, 60, 60, 64])[notes]
    score = torch.stack([(pitch > 0).long(), pitch, notes, notes], -1)
    tokens = torch.randint(V, (2, 9, 1 + N), generator=generator)
    streams = {"codec_ssl": tokens, "score_frames": score}
    return {**streams, **{f"{name}_lengths": lengths for name in streams}}


def test_the_ssl_token_is_not_read():
    model, streams = make_model(onset=True).eval(), batch()
    loss, stats, _ = model(**streams)
    tokens = streams.pop("codec_ssl")
    other = tokens.clone()
    other[..., 0] = 0
    assert model(**{**streams, "codec_ssl": other})[0] == loss
    codes = {"codes": tokens[..., 1:], "codes_lengths": streams.pop("codec_ssl_lengths")}
    assert model(**streams, **codes)[0] == loss
    assert set(stats) == {"loss", "ce", "seg", "dur", "onset", "acc"}


def test_gradients_reach_every_parameter():
    model = make_model(onset=True)
    model(**batch())[0].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_one_batch_is_learned_by_heart():
    model, streams = make_model(onset=True, dropout=0.0), batch()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(80):
        optimizer.zero_grad()
        loss, stats, _ = model(**streams)
        loss.backward()
        optimizer.step()
    assert stats["acc"] == 1 and stats["dur"] < 0.1


def test_truncation_leaves_the_coarser_codebooks():
    torch.manual_seed(0)
    codes = torch.randint(V, (200, 5, N))
    cut = truncated(codes, 0.5)
    lost = cut == -1
    assert not lost[..., 0].any() and (lost[..., 1] <= lost[..., 2]).all()
    assert (lost == lost[:, :1]).all(), "of whole utterances"
    assert 0.2 < lost[:, 0, 2].float().mean() < 0.5  # half of them, a third of which keeps all
    assert torch.equal(cut[~lost], codes[~lost])
    assert torch.equal(truncated(codes, 0.0), codes)


def test_embeddings_begin_as_the_codecs_of_which_the_projection_sees_the_sum():
    net = make_model(code_dim=4).net
    tables = torch.randn(N, V, 4)
    tables = tables - tables.mean(1, keepdim=True)
    start_from_codec(net, tables)
    codes = torch.randint(V, (2, 5, N))
    total = sum(tables[k][codes[..., k]] for k in range(N)) / tables.var(1).sum(0).sqrt()
    found = net.projection(net.embedding(codes)) - net.projection.bias
    weight = net.projection.weight[:, :4]
    torch.testing.assert_close(found, total @ weight.T)


def test_a_long_recording_is_read_in_windows(monkeypatch):
    """As by one look where the context is all that a frame sees."""
    geometry = CodeGeometry(4, N, V, 4, 50)
    reader = TranscriptionInference(make_model(onset=True).net, geometry)
    codes = torch.randint(V, (50, N), generator=torch.Generator().manual_seed(1))
    whole = reader.posteriors(codes)
    monkeypatch.setattr(inference, "WINDOW_FRAMES", 20)
    monkeypatch.setattr(inference, "CONTEXT_FRAMES", 50)
    parts = reader.posteriors(codes)
    assert parts.log_probability.shape == (50, 128) and parts.onset.shape == (50, 2)
    torch.testing.assert_close(
        torch.from_numpy(parts.log_probability[:20]), torch.from_numpy(whole.log_probability[:20])
    )
    monkeypatch.setattr(inference, "CONTEXT_FRAMES", 2)
    assert reader.posteriors(codes).log_probability.shape == (50, 128)


def test_vowels_of_a_phone_set():
    assert [p for p, v in zip(PHONES, vowels_among(PHONES), strict=True) if v] == list(FINALS)
    both = [*PHONES, *LANGUAGES["en"].phones]
    vowels = {p for p, v in zip(both, vowels_among(both), strict=True) if v}
    assert vowels == set(FINALS) | set(LANGUAGES["en"].carriers)
    assert vowels_among(["SP", "AP", "x", "a", "ts"]) == [False, False, False, True, False]


@pytest.mark.parametrize("code", LANGUAGES)
def test_each_languages_own_carriers_are_its_vowels(code):
    phones = list(LANGUAGES[code].phones)
    found = {p for p, v in zip(phones, vowels_among(phones), strict=True) if v}
    assert found == set(LANGUAGES[code].carriers)
