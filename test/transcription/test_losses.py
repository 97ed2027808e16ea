"""Each loss against a loop written from the printed equation; what the paper leaves open."""

import math

import pytest
import torch

from espnet2_ext.score.frames import round_boundaries
from espnet2_ext.transcription.config import LossConfig
from espnet2_ext.transcription.losses import (
    cross_entropy,
    duration_loss,
    onsets_of,
    segment_loss,
    segments_of,
    transcription_loss,
)

C = 5  # pitch tokens


def example(seed=0, lengths=(9, 6)):
    """Distributions, pitches, notes (one repeated) and mask of two utterances."""
    torch.manual_seed(seed)
    L = max(lengths)
    pitch = torch.tensor([[0, 0, 3, 3, 3, 3, 2, 2, 0], [4, 4, 0, 1, 1, 1, 0, 0, 0]])[:, :L]
    notes = torch.tensor([[0, 0, 1, 1, 2, 2, 3, 3, 4], [7, 7, 8, 9, 9, 9, 0, 0, 0]])[:, :L]
    mask = torch.arange(L) < torch.tensor(lengths)[:, None]
    return torch.randn(2, L, C).softmax(-1), pitch, notes, mask


def printed_segment_loss(p, m, delta):
    """Eq. (7) of one utterance."""
    total = 0.0
    for t in range(1, len(m)):
        b = 1.0 if m[t] != m[t - 1] else 0.0
        norm = math.sqrt(sum((float(p[t][c]) - float(p[t - 1][c])) ** 2 for c in range(C)))
        total += (1 - b) * norm**2 + b * max(0.0, delta - norm) ** 2
    return total


def printed_duration_loss(p, tokens, lengths):
    """Eq. (8) of one utterance, with allocated lengths a_i."""
    total, begin = 0.0, 0
    for m, a in zip(tokens, lengths, strict=True):
        mass = sum(float(p[t][m]) for t in range(begin, begin + a))
        total += (mass - a) ** 2
        begin += a
    return total


NOTES = [([0, 3, 3, 2, 0], [2, 2, 2, 2, 1]), ([4, 0, 1], [2, 1, 3])]


@pytest.mark.parametrize("delta", [0.3, 1.0, 2**0.5])
def test_the_printed_segment_loss(delta):
    p, pitch, _, mask = example()
    expected = sum(
        printed_segment_loss(p[k][mask[k]].tolist(), pitch[k][mask[k]].tolist(), delta)
        for k in range(2)
    )
    assert segment_loss(p, pitch, mask, delta, "sum").item() == pytest.approx(expected / 2)
    assert segment_loss(p, pitch, mask, delta).item() == pytest.approx(expected / (8 + 5))


def test_the_printed_duration_loss():
    p, pitch, notes, mask = example()
    expected = sum(printed_duration_loss(p[k].tolist(), *NOTES[k]) for k in range(2))
    assert duration_loss(p, pitch, notes, mask, "sum").item() == pytest.approx(expected / 2)


def test_the_mean_duration_loss_is_relative_to_each_notes_length():
    p, pitch, notes, mask = example()
    terms = []
    for k, (tokens, lengths) in enumerate(NOTES):
        begin = 0
        for m, a in zip(tokens, lengths, strict=True):
            terms.append(((float(p[k, begin : begin + a, m].sum()) - a) / a) ** 2)
            begin += a
    assert duration_loss(p, pitch, notes, mask).item() == pytest.approx(sum(terms) / len(terms))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_sure_and_right_model_has_no_loss(reduction):
    _, pitch, notes, mask = example()
    p = torch.nn.functional.one_hot(pitch, C).float()
    for delta in (1.0, 2**0.5):
        assert segment_loss(p, pitch, mask, delta, reduction).item() == pytest.approx(0, abs=1e-12)
    assert duration_loss(p, pitch, notes, mask, reduction).item() == 0


def test_a_model_that_never_moves_pays_the_margin_at_each_change():
    _, pitch, _, mask = example()
    p = torch.full((2, 9, C), 1 / C)
    changes = 3 + 2  # padding of the second utterance is no change
    assert segment_loss(p, pitch, mask, 0.8).item() == pytest.approx(0.64 * changes / 13)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_padding_changes_no_loss_and_gets_no_gradient(reduction):
    p, pitch, notes, mask = example()
    config = LossConfig(reduction=reduction)
    logits = p.log()
    logits.requires_grad_()
    onset = torch.randn(2, 9, 2, requires_grad=True)
    begins = onsets_of(pitch, notes, pitch > 0)
    loss = transcription_loss(logits, pitch, notes, mask, config, onset, begins)
    loss.total.backward()
    assert not logits.grad[1, 6:].any() and not onset.grad[1, 6:].any()
    other, pitches = logits.detach().clone(), pitch.clone()
    other[1, 6:], pitches[1, 6:] = 9.0, 3
    begins = begins | ~mask[..., None]
    again = transcription_loss(other, pitches, notes + 1, mask, config, onset, begins)
    assert again.total.item() == pytest.approx(loss.total.item())


def test_a_rest_is_a_pitch_token_like_any_other():
    """What a rest lacks costs as much as what a note lacks."""
    mask = torch.ones(1, 4, dtype=torch.bool)
    p = torch.full((1, 4, C), 1 / C)
    rest = torch.zeros(1, 4, dtype=torch.long)
    assert duration_loss(p, rest, rest, mask) == duration_loss(p, rest + 3, rest, mask)
    change = torch.tensor([[0, 0, 3, 3]])
    assert segment_loss(p, change, mask) == segment_loss(p, change + 1, mask)


def test_long_and_short_utterances_weigh_their_frames_by_default():
    """Twice the same utterance, end to end, has the same mean and twice the printed sum."""
    p, pitch, notes, mask = example(lengths=(9, 9))
    twice = [torch.cat([x, x], 1)[:1] for x in (p, pitch, notes, mask)]
    twice[2] = torch.cat([notes, notes + 10], 1)[:1]
    once = [x[:1] for x in (p, pitch, notes, mask)]
    assert duration_loss(*twice).item() == pytest.approx(duration_loss(*once).item())
    assert duration_loss(*twice, "sum").item() == pytest.approx(2 * duration_loss(*once, "sum"))


def test_the_parts_add_up():
    p, pitch, notes, mask = example()
    loss = transcription_loss(p.log(), pitch, notes, mask)
    assert loss.cross_entropy == cross_entropy(p.log(), pitch, mask)
    total = loss.cross_entropy + 0.5 * loss.segment + 0.3 * loss.duration
    assert loss.total.item() == pytest.approx(total.item()) and loss.onset is None


def test_gradients_are_finite_where_neighbours_are_equal():
    logits = torch.zeros(1, 4, C, requires_grad=True)
    pitch = torch.tensor([[0, 0, 3, 3]])
    mask = torch.ones(1, 4, dtype=torch.bool)
    transcription_loss(logits, pitch, segments_of(pitch), mask).total.backward()
    assert logits.grad.isfinite().all() and logits.grad.any()


def test_segments_and_onsets():
    pitch = torch.tensor([[0, 3, 3, 3, 0, 4]])
    assert segments_of(pitch).tolist() == [[0, 1, 1, 1, 2, 3]]
    notes = torch.tensor([[0, 1, 1, 2, 3, 4]])
    vowel = torch.tensor([[1, 0, 1, 1, 0, 0]]).bool()
    onset, vowel_onset = onsets_of(pitch, notes, vowel)[0].T.int().tolist()
    assert onset == [0, 1, 0, 1, 0, 1]
    assert vowel_onset == [0, 0, 1, 1, 0, 0], "of a note without a vowel there is none"
    late = onsets_of(pitch[:, 1:], notes[:, 1:], vowel[:, 1:])[0]
    assert late[:, 0].int().tolist() == onset[1:], "a phrase may begin with a note"
    assert late[:, 1].int().tolist() == vowel_onset[1:]


@pytest.mark.parametrize(
    "options",
    [{"delta": 0}, {"delta": 1.5}, {"reduction": "max"}, {"segment": -1}, {"label_smoothing": 1}],
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ValueError):
        LossConfig(**options)


def printed_length_expansion(durations, L):
    """Eq. (2): frames of each token by rounding the cumulative normalised duration down."""
    D, c, ends = sum(durations), 0.0, []
    for duration in durations:
        c += duration
        ends.append(math.floor(c / D * L + 1e-9))
    return [b - a for a, b in zip([0, *ends], ends, strict=False)]


def test_the_frames_of_eq_2_are_the_scores_where_notes_are_whole_frames():
    durations = [0.5, 0.3, 0.02, 1.1, 0.08]
    ours = round_boundaries(torch.tensor(durations, dtype=torch.float64).cumsum(0).tolist(), 50)
    assert ours.tolist() == printed_length_expansion(durations, 100) == [25, 15, 1, 55, 4]


def test_the_frames_of_eq_2_are_early_by_half_a_frame_on_average():
    """It rounds boundaries down and we to the nearest: they differ by one frame or none; both are
    as many frames in sum, and neither drifts. What eq. (2) gives no frame keeps one of ours."""
    generator = torch.Generator().manual_seed(0)
    late = []
    for _ in range(50):
        durations = torch.rand(40, generator=generator, dtype=torch.float64) + 0.06
        durations = durations * (round(float(durations.sum()) * 50) / 50 / durations.sum())
        L = round(float(durations.sum()) * 50)
        ours = round_boundaries(durations.cumsum(0).tolist(), 50).cumsum()
        theirs = torch.tensor(printed_length_expansion(durations.tolist(), L)).cumsum(0).numpy()
        assert ours[-1] == theirs[-1] == L
        assert set((ours - theirs).tolist()) <= {0, 1}
        exact = durations.cumsum(0).numpy()[:-1] * 50
        late.append([(ours[:-1] - exact).mean(), (theirs[:-1] - exact).mean()])
    ours, theirs = torch.tensor(late).mean(0).tolist()
    assert abs(ours) < 0.05 and abs(theirs + 0.5) < 0.05
    assert printed_length_expansion([0.5, 0.005, 0.495], 50) == [25, 0, 25]
    assert round_boundaries([0.5, 0.505, 1.0], 50).tolist() == [24, 1, 25]


def test_the_segments_of_eq_8_as_printed_drift_from_those_of_eq_2():
    """Each duration is rounded down by itself: 40 notes lose 20 frames or so."""
    durations = [0.37 + 0.011 * k for k in range(40)]
    L = round(sum(durations) * 50)
    printed = [math.floor(d / sum(durations) * L) for d in durations]
    assert L - sum(printed) > 10
    assert sum(printed_length_expansion(durations, L)) == L
