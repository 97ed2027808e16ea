"""The network: padding, what it reads, gradients through each way of reading logits."""

import pytest
import torch

from espnet2_ext.transcription.config import TranscriptionConfig
from espnet2_ext.transcription.inputs import WAYS, PartlyPredicted
from espnet2_ext.transcription.losses import segments_of, transcription_loss
from espnet2_ext.transcription.net import N_PITCHES, TranscriptionNet

N, V = 3, 7
SMALL = {"n_layers": 2, "width": 16, "n_heads": 2, "feedforward": 32, "code_dim": 4}


def small(**options):
    torch.manual_seed(0)
    return TranscriptionNet(N, V, TranscriptionConfig(**{**SMALL, **options})).eval()


def codes(*lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(V, (len(lengths), max(lengths), N), generator=generator), torch.tensor(
        lengths
    )


def test_the_papers_sizes():
    with torch.device("meta"):
        net = TranscriptionNet(12, 1024)
    assert len(net.encoder.layers) == 4 and net.encoder.layers[0].self_attn.num_heads == 8
    assert net.head.weight.shape == (N_PITCHES, 512)
    assert net.projection.weight.shape == (512, 12 * 64)


@pytest.mark.parametrize("grad", [False, True])
def test_a_batch_equals_its_utterances_one_by_one(grad):
    net = small(onset=True)
    batch, lengths = codes(9, 5, 1)
    with torch.set_grad_enabled(grad):
        together = net.with_onsets(batch, lengths)
        for k, n in enumerate(lengths.tolist()):
            alone = net.with_onsets(batch[k : k + 1, :n], lengths[k : k + 1])
            for a, b in zip(together, alone, strict=True):
                torch.testing.assert_close(a[k, :n], b[0], rtol=1e-5, atol=1e-6)


def test_positions_are_told():
    net = small()
    batch, lengths = codes(6)
    turned = net(batch.flip(1), lengths).flip(1)
    assert not torch.allclose(net(batch, lengths), turned, atol=1e-3)


def test_a_phrase_may_stand_anywhere():
    """Positions are relative: a repeated phrase is read alike but for its edges."""
    net = small(n_layers=1)
    batch, _ = codes(12)
    x = torch.nn.functional.gelu(net.position(net.projection(net.embedding(batch.repeat(1, 8, 1)))))
    torch.testing.assert_close(x[:, 36:48], x[:, 48:60])


def test_one_hot_rows_read_as_their_codes():
    net = small()
    batch, lengths = codes(8, 6)
    rows = torch.nn.functional.one_hot(batch, V).float()
    torch.testing.assert_close(net(rows, lengths), net(batch, lengths), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        net(torch.zeros_like(rows), lengths), net(torch.full_like(batch, -1), lengths)
    )


@pytest.mark.parametrize("way", WAYS)
def test_ways_from_logits(way):
    """Hard ways read the likeliest code; sure logits are read alike by all."""
    net = small()
    batch, lengths = codes(8, 6)
    sure = 60.0 * torch.nn.functional.one_hot(batch, V).float()
    read = WAYS[way](sure)
    torch.testing.assert_close(net(read, lengths), net(batch, lengths), rtol=1e-4, atol=1e-5)
    unsure = torch.randn(2, 8, N, V, generator=torch.Generator().manual_seed(1))
    hard = net(unsure.argmax(-1), lengths)
    same = torch.allclose(net(WAYS[way](unsure), lengths), hard, rtol=1e-4, atol=1e-5)
    assert same == (way != "expected")


@pytest.mark.parametrize("way", WAYS)
def test_gradients_reach_the_generators_logits_but_as_printed(way):
    net = small().requires_grad_(False)
    _, lengths = codes(8, 6)
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 8, N, V, generator=generator).requires_grad_()
    pitch = torch.randint(60, 63, (2, 8), generator=generator)
    mask = torch.arange(8) < lengths[:, None]
    out = net(WAYS[way](logits), lengths)
    loss = transcription_loss(out, pitch, segments_of(pitch), mask).total
    assert loss.requires_grad == (way != "stop_gradient")
    if loss.requires_grad:
        loss.backward()
        assert logits.grad[0].abs().sum(-1).gt(0).all() and not logits.grad[1, 6:].any()


def test_straight_through_has_the_gradient_of_the_expected_embedding():
    logits = torch.randn(4, V, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(4, V, generator=torch.Generator().manual_seed(1))
    grads = []
    for way in ("expected", "straight_through"):
        x = logits.clone().requires_grad_()
        (WAYS[way](x) * weight).sum().backward()
        grads.append(x.grad)
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("soft", [False, True])
def test_one_predicted_codebook_among_known_ones(soft):
    """As codes of all codebooks, with the predicted ones put in and finer ones unknown."""
    net = small()
    known, lengths = codes(8, 6)
    known = known.clone()
    known[1, :, 1:] = -1
    predicted, _ = codes(8, 8, seed=3)
    predicted = predicted[..., 0]
    codebook = torch.tensor([2, 0])
    mask = torch.rand(2, 8, generator=torch.Generator().manual_seed(2)) < 0.5
    read = torch.nn.functional.one_hot(predicted, V).float() if soft else predicted
    for where in (mask, None):
        whole = known.clone()
        for k, book in enumerate(codebook.tolist()):
            at = mask[k] if where is not None else slice(None)
            whole[k, at, book] = predicted[k, at]
        out = net(PartlyPredicted(known, read, codebook, where), lengths)
        torch.testing.assert_close(out, net(whole, lengths), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options", [{"n_heads": 3}, {"position_kernel": 4}, {"dropout": 1.0}, {"width": 0}]
)
def test_sizes_that_cannot_be_are_refused(options):
    with pytest.raises(ValueError):
        TranscriptionConfig(**{**SMALL, **options})
