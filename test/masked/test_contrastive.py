"""The contrasts, against plain loops over the printed equations."""

import math

import pytest
import torch

from espnet2_ext.masked.contrastive import (
    frame_contrast,
    frame_labels,
    perturb,
    pool,
    sequence_contrast,
    transpositions,
)


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


@pytest.mark.parametrize("normalize", [True, False])
def test_sequence_contrast_is_equation_3_with_a_minus(normalize):
    torch.manual_seed(0)
    ga, gb, K, tau = torch.randn(4, 3), torch.randn(4, 3), 4, 0.7
    alike = cosine if normalize else (lambda a, b: float(a @ b))
    printed = 0.0
    for i in range(K):
        own = math.exp(alike(ga[i], gb[i]) / tau)
        printed += math.log(own / sum(math.exp(alike(ga[i], gb[j]) / tau) for j in range(K)))
        printed += math.log(own / sum(math.exp(alike(gb[i], ga[j]) / tau) for j in range(K)))
    found = sequence_contrast(ga, gb, tau, normalize)
    assert float(found) == pytest.approx(-printed / (2 * K), rel=1e-5)
    assert torch.allclose(found, sequence_contrast(gb, ga, tau, normalize))


def test_sequence_contrast_is_least_where_pairs_match():
    g = torch.eye(4)
    least = -math.log(math.exp(10) / (math.exp(10) + 3))
    assert float(sequence_contrast(g, g)) == pytest.approx(least, abs=1e-6)
    assert sequence_contrast(g, g.roll(1, 0)) > 5
    assert sequence_contrast(g[:1], g[1:2]) == 0  # one melody has nothing to be told from


def plain_labels(pitch_a, pitch_b, semantic, valid, alpha):
    K, L = pitch_a.shape
    labels = torch.empty(K, L, L)
    for k in range(K):
        for i in range(L):
            for j in range(L):
                same = pitch_a[k, i] == pitch_b[k, j]
                label = (1.0 if semantic[k, i] == semantic[k, j] else alpha) if same else 0.0
                silent = pitch_a[k, i] <= 0 or pitch_b[k, j] <= 0
                labels[k, i, j] = -1.0 if silent or not (valid[k, i] and valid[k, j]) else label
    return labels


def views(seed: int = 0, K: int = 3, L: int = 7):
    torch.manual_seed(seed)
    pitch_a, pitch_b = (torch.randint(60, 63, (K, L)) * (torch.rand(K, L) < 0.8) for _ in "ab")
    valid = torch.arange(L) < torch.tensor([L, 4, 1])[:, None]
    return pitch_a, pitch_b, torch.randint(2, (K, L)), valid


def test_frame_labels_are_equation_4():
    pitch_a, pitch_b, semantic, valid = views()
    labels = frame_labels(pitch_a, pitch_b, semantic, valid, 0.3)
    torch.testing.assert_close(labels, plain_labels(pitch_a, pitch_b, semantic, valid, 0.3))
    assert labels.unique().tolist() == pytest.approx([-1.0, 0.0, 0.3, 1.0])
    swapped = frame_labels(pitch_b, pitch_a, semantic, valid, 0.3)
    assert torch.equal(swapped, labels.transpose(1, 2))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_frame_contrast_is_equation_5(reduction):
    pitch_a, pitch_b, semantic, valid = views()
    labels = frame_labels(pitch_a, pitch_b, semantic, valid, 0.3)
    fa, fb = torch.randn(3, 7, 5), torch.randn(3, 7, 5)
    total = count = 0
    for k in range(3):
        for i in range(7):
            for j in range(7):
                if labels[k, i, j] >= 0:
                    total += (cosine(fa[k, i], fb[k, j]) - float(labels[k, i, j])) ** 2
                    count += 1
    expected = total / (3 if reduction == "sum" else count)
    found = frame_contrast(fa, fb, labels, reduction)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    swapped = frame_contrast(fb, fa, labels.transpose(1, 2), reduction)
    torch.testing.assert_close(found, swapped)


def test_frame_contrast_is_0_where_states_are_as_alike_as_their_pitches():
    pitch = torch.tensor([[60, 60, 62, 0, 64]])
    labels = frame_labels(pitch, pitch, torch.zeros_like(pitch), pitch >= 0, 0.5)
    states = torch.eye(5)[torch.tensor([[0, 0, 1, 2, 3]])]
    assert frame_contrast(states, states, labels) == pytest.approx(0, abs=1e-6)
    silent = frame_labels(pitch * 0, pitch, pitch, pitch >= 0, 0.5)
    assert frame_contrast(states, states, silent) == 0


def test_padding_moves_nothing_and_gets_no_gradient():
    pitch_a, pitch_b, semantic, valid = views()
    fa, fb = (torch.randn(3, 7, 5, requires_grad=True) for _ in "ab")
    labels = frame_labels(pitch_a, pitch_b, semantic, valid, 0.3)
    ga, gb = pool(fa, valid), pool(fb, valid)
    loss = frame_contrast(fa, fb, labels) + sequence_contrast(ga, gb)
    loss.backward()
    for f in (fa, fb):
        assert torch.isfinite(f.grad).all() and not f.grad[~valid].any()
        assert f.grad[valid].any(-1).all()
    noise = torch.randn(3, 7, 5) * ~valid[..., None]
    again = frame_contrast(fa + noise, fb - noise, labels)
    again = again + sequence_contrast(pool(fa + noise, valid), pool(fb - noise, valid))
    torch.testing.assert_close(loss, again)


def notes_of(lengths, midi):
    segments = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    return torch.tensor(midi)[segments], segments


def test_half_of_the_notes_move_and_rests_stay():
    generator = torch.Generator().manual_seed(0)
    lengths, midi = [2, 3, 1, 4, 2, 3], [0, 60, 60, 1, 127, 0]
    pitch, segments = notes_of(lengths, midi)
    padded = torch.cat([pitch, torch.zeros(3, dtype=torch.long)]).repeat(200, 1)
    numbers = torch.cat([segments, torch.zeros(3, dtype=torch.long)]).repeat(200, 1)
    found = perturb(padded, numbers, generator)
    assert not found[padded == 0].any()
    starts = torch.tensor(lengths).cumsum(0) - torch.tensor(lengths)
    for note, (start, n) in enumerate(zip(starts, lengths, strict=True)):
        assert (found[:, start : start + n] == found[:, start : start + 1]).all(), note
    shift = (found - padded)[:, starts]
    assert ((shift != 0).sum(1) == 2).all()  # of four notes
    assert set(shift.unique().tolist()) == set(range(-6, 7))
    assert found[padded > 0].min() >= 1 and found.max() <= 127
    assert ((shift != 0).float().mean(0)[1:5] - 0.5).abs().max() < 0.12
    again = perturb(padded, numbers, torch.Generator().manual_seed(0))
    assert torch.equal(found, again)


def test_of_an_odd_number_of_notes_one_more_moves():
    for count, moved in ((1, 1), (3, 2)):
        pitch, segments = notes_of([2] * count, [60] * count)
        found = perturb(pitch.repeat(50, 1), segments.repeat(50, 1))
        assert ((found - 60)[:, ::2].count_nonzero(1) == moved).all()


def test_transpositions_are_other_intervals_each():
    pitch = torch.tensor([0, 60, 64, 0, 67])
    found = transpositions(pitch, 8)
    assert torch.equal(found[0], pitch) and found.shape == (8, 5)
    shift = (found - pitch)[:, [1, 2, 4]]
    assert (shift == shift[:, :1]).all() and len(set(shift[:, 0].tolist())) == 8
    assert shift.abs().max() <= 6 and not found[:, [0, 3]].any()
    assert len(transpositions(pitch, 99)) == 13
    high = transpositions(torch.tensor([125, 3]), 99)
    assert sorted((high[:, 0] - 125).tolist()) == [-2, -1, 0, 1, 2]
    assert torch.equal(transpositions(pitch * 0, 4), pitch[None] * 0)
