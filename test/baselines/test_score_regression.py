"""Score regression: what it learns from, and that it keeps notes, tempo and padding apart."""

import inspect

import pytest
import torch
from espnet2.train.preprocessor import SVSPreprocessor

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.baselines.phone_ends import PhoneEnds, closes_note
from espnet2_ext.baselines.score_regression import ScoreRegression

MELS = 4
PHONES = torch.tensor([[2, 3, 4, 3, 4, 2]])  # a rest, two notes of two phones, a rest
MIDI = torch.tensor([[0, 60, 60, 67, 67, 0]])
NOTES = torch.tensor([[20, 40, 40, 30, 30, 10]])
RULED = torch.tensor([[20, 10, 30, 8, 22, 10]])
SUNG = torch.tensor([[16, 6, 35, 7, 25, 11]])
T = int(SUNG.sum())


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ScoreRegression(
        5, MELS, spks=3, channels=16, n_layers=1, duration_channels=16, dropout=0.0
    ).eval()


def batch(seed=0):
    """One utterance as ESPnet gives it: a semitone above the written note, consonants unvoiced."""
    generator = torch.Generator().manual_seed(seed)
    midi = MIDI[0].repeat_interleave(SUNG[0])
    voiced = (PHONES[0] == 4).repeat_interleave(SUNG[0])
    log_f0 = torch.where(voiced, midi_to_hz(midi + 1.0).log(), 0.0)
    return {
        "text": PHONES, "text_lengths": torch.tensor([6]),
        "feats": torch.randn(1, T, MELS, generator=generator), "feats_lengths": torch.tensor([T]),
        "label": {"score": PHONES}, "label_lengths": {"score": torch.tensor([6])},
        "melody": {"score": MIDI},
        "duration": {"lab": SUNG, "score_phn": RULED, "score_syb": NOTES},
        "pitch": log_f0[None, :, None].float(), "sids": torch.tensor([[1]]),
    }  # fmt: skip


def padded(one, phones, frames):
    """Two utterances: `one`, padded, and a longer one."""

    def pair(value, size):
        longer = value.repeat(1, 2, *(1,) * (value.dim() - 2))[:, :size]
        return torch.nn.utils.rnn.pad_sequence([value[0], longer[0]], batch_first=True)

    def pairs(values, size):
        return {name: pair(value, size) for name, value in values.items()}

    return {
        **one, "feats": pair(one["feats"], frames), "pitch": pair(one["pitch"], frames),
        "feats_lengths": torch.tensor([T, frames]),
        "label": pairs(one["label"], phones), "melody": pairs(one["melody"], phones),
        "label_lengths": {"score": torch.tensor([6, phones])},
        "duration": pairs(one["duration"], phones), "sids": torch.tensor([[1], [2]]),
    }  # fmt: skip


def test_gradients_reach_every_parameter(model):
    loss, stats, weight = model(**batch())
    loss.backward()
    assert {"loss", "mel_loss", "f0_loss", "vuv_loss", "duration_loss"} == set(stats)
    assert weight == 1 and torch.isfinite(loss)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_padding_changes_nothing(model):
    """The loss of two utterances is the mean over their frames, so their sums add up."""
    one = batch()
    both = padded(one, 9, T + int(SUNG[0, :3].sum()))
    other = {
        **one,
        **{name: both[name][1:] for name in ("feats", "pitch", "feats_lengths", "sids")},
        **{name: {key: value[1:] for key, value in both[name].items()}
           for name in ("label", "melody", "duration", "label_lengths")},
    }  # fmt: skip
    found = [model(**each)[1] for each in (one, other, both)]
    frames = torch.tensor([float(T), float(other["feats_lengths"])])
    for name, n in (("mel_loss", frames), ("duration_loss", torch.tensor([6.0, 9.0]))):
        first, second, mean = (float(stats[name]) for stats in found)
        assert mean == pytest.approx((first * n[0] + second * n[1]).item() / n.sum().item(), 1e-4)


def test_unvoiced_frames_have_no_error_of_f0(model):
    one = batch()
    assert model(**one)[1]["f0_loss"] > 0
    silent = {**one, "pitch": torch.zeros_like(one["pitch"])}
    assert model(**silent)[1]["f0_loss"] == 0
    longer = torch.cat([one["pitch"], torch.full((1, 9, 1), 9.0)], 1)  # after the end
    assert model(**{**one, "pitch": longer})[1]["f0_loss"] == model(**one)[1]["f0_loss"]


def test_a_phrase_is_learnt_with_its_pitch_voicing_and_timing(model):
    one = batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        loss, _, _ = model(**one)
        loss.backward()
        optimizer.step()
    score = {name: one[name] for name in ("text", "label", "melody", "duration")}
    with torch.no_grad():
        sung = model.inference(**score, sids=torch.tensor([1]), use_teacher_forcing=False)
    durations = model.duration_predictor.inference(
        model._phones(one["label"], one["melody"], one["duration"]), NOTES, torch.tensor([1])
    )
    assert (durations - SUNG).abs().max() <= 1
    assert sung["feat_gen"].shape == (int(durations.sum()), MELS)
    model.duration_predictor.inference = lambda *_: SUNG
    with torch.no_grad():
        sung = model.inference(**score, sids=torch.tensor([1]))
    wanted, voiced = one["pitch"][0, :, 0], sung["f0"] > 0
    assert (voiced == (wanted > 0)).float().mean() > 0.95
    both = voiced & (wanted > 0)
    cents = 1200 * (sung["f0"][both].log2() - wanted[both].exp().log2())
    assert cents.abs().median() < 30


def test_an_odd_number_of_frames_has_as_many_in_mel_and_f0(model):
    one = batch()
    score = {name: one[name] for name in ("text", "label", "melody", "duration")}
    model.duration_predictor.inference = lambda *_: torch.tensor([[3, 1, 2, 2, 2, 1]])
    with torch.no_grad():
        sung = model.inference(**score, sids=torch.tensor([1]))
    assert sung["feat_gen"].shape == (11, MELS) and sung["f0"].shape == (11,)


def test_untrained_durations_keep_the_tempo_of_the_score():
    head = PhoneEnds(5, 8)
    torch.nn.init.zeros_(head.network.output.weight)
    torch.nn.init.zeros_(head.network.output.bias)
    phones = torch.stack(
        [PHONES, MIDI, torch.arange(6)[None], torch.tensor([[0, 1, 1, 2, 2, 3]])], -1
    )
    with torch.no_grad():
        frames = head.inference(phones, NOTES)
    # a consonant ends where its note begins, and takes a frame after the phone before it
    assert frames.tolist() == [[20, 1, 39, 1, 29, 10]] and frames.sum() == 20 + 40 + 30 + 10


def test_notes_are_found_in_the_rule_that_espnet_divides_them_by():
    rule = inspect.signature(SVSPreprocessor).parameters["phn_seg"].default
    for ends in rule.values():
        for length in range(12, 300):
            starts = [0, *ends[:-1]]
            ruled = [
                int((end - start) * length + 0.5) for start, end in zip(starts, ends, strict=True)
            ]
            closing = closes_note(torch.tensor([ruled]), torch.full((1, len(ends)), length))
            assert closing.tolist() == [[False] * (len(ends) - 1) + [True]]
