"""Durations, token form and errors of the baselines' data and inference."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from espnet2_ext.baselines.data import continuous_log_f0, on_grid, phone_frames
from espnet2_ext.baselines.decode import Expected, sung_frames
from espnet2_ext.baselines.inference import BaselineInference, kind_of
from espnet2_ext.errors import UserError
from espnet2_ext.score.music_score import MusicScore, Note, Phone

OPTIONS = {
    "svs": "toksing", "model_type": "discrete_svs", "fs": 24000, "discrete_token_layers": 2,
    "token_list": ["<blank>", "b", "a"], "feats_extract_conf": {"hop_length": 480},
}  # fmt: skip


class Regulator(nn.Module):
    """FastSpeech's: states (1, P, 1) repeated by durations (1, P)."""

    def forward(self, states, durations):
        return states.repeat_interleave(durations[0].long(), dim=1)


class Predictor(nn.Module):
    def inference(self, states, masks=None):
        return torch.tensor([[2.0, 1.0]])


class Model(nn.Module):
    """Logits of which a code beyond the second stream's size is the largest."""

    def __init__(self):
        super().__init__()
        self.length_regulator, self.duration_predictor = Regulator(), Predictor()
        self.spks, self.use_discrete_token = 3, True


class Generate:
    use_sids, device = True, "cpu"

    def __init__(self):
        self.svs = Model()

    def __call__(self, score, **inputs):
        states = torch.zeros(1, len(score["label"][1]), 1)
        frames = self.svs.duration_predictor.inference(states)
        length = self.svs.length_regulator(states, frames).size(1)
        assert not self.svs.use_discrete_token
        return {"feat_gen": torch.arange(6.0).repeat(length * 2, 1)}


def score(ends=(0.1, 0.26)):
    notes = (Note(0, ends[-1], 60, "ba", ("b", "a")),)
    return MusicScore(notes, (Phone(0, ends[0], "b", 0), Phone(ends[0], ends[1], "a", 0)))


def test_label_durations_are_obeyed_and_own_ones_reported():
    model = BaselineInference(Generate(), OPTIONS, [6, 4])
    singing = model.sing(score(), 1)
    assert singing.frames.tolist() == [5, 8] and singing.codes.shape == (13, 2)
    assert singing.codes.dtype == np.int32 and (singing.codes == [5, 3]).all()
    first, second = singing.probabilities
    assert first.shape == (13, 6) and second.shape == (13, 4)  # no code beyond a stream's size
    assert torch.allclose(second.sum(1), torch.ones(13)) and second[0, 3] > second[0, 2] > 0
    own = model.sing(score(), 1, own_durations=True)
    assert own.frames.tolist() == [2, 1] and own.codes.shape == (3, 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda m: m.sing(score((0.1, 0.265)), 1, place="u"),
            "u: label: phones off the grid of 50",
        ),
        (lambda m: m.sing(score(), 3, place="u"), "u: singer 3 .expected 1 to 2"),
        (lambda m: m.sing(score(), None, place="u"), "u: singer None"),
        (lambda m: BaselineInference(Generate(), OPTIONS, [6]), "1 streams .expected 2"),
        (lambda m: kind_of({"svs": "naive_rnn"}, "c.yaml"), "c.yaml: svs: 'naive_rnn'"),
    ],
)
def test_mistakes_are_one_line(wrong, message):
    with pytest.raises(UserError, match=message):
        wrong(BaselineInference(Generate(), OPTIONS, [6, 4]))


def test_unknown_phone_is_named():
    model = BaselineInference(Generate(), {**OPTIONS, "token_list": ["b"]}, [6, 4])
    with pytest.raises(UserError, match="u: label: phone 'a'"):
        model.sing(score(), 1, place="u")


def test_phones_on_the_grid_do_not_drift():
    times = np.cumsum(np.full(40, 0.0299))
    phones = tuple(Phone(end - 0.0299, end, "a", 0) for end in times.tolist())
    long = MusicScore(
        (Note(0, times[-1], 60, "a", ("a",)),), (Phone(0, times[0], "a", 0), *phones[1:])
    )
    frames = phone_frames(long, 60, 50)
    assert frames.sum() == 60 and frames.min() >= 1
    grid = on_grid(long, frames, 50)
    assert np.allclose([p.end_sec * 50 for p in grid.phones], np.cumsum(frames))
    # what ESPnet makes of each duration alone
    alone = [int((p.end_sec - p.start_sec) * 50 + 0.5) for p in grid.phones]
    assert alone == frames.tolist()
    assert (
        max(abs(p.end_sec - q.end_sec) for p, q in zip(grid.phones, long.phones, strict=True))
        < 0.011
    )


def test_what_a_token_model_expects_of_the_codec():
    codebooks = torch.tensor([[[1.0, 0], [3, 0]], [[0, 5], [0, 7]]])  # (codebooks, codes, D)
    codec = SimpleNamespace(
        n_codebooks=2, codebook_size=2,
        embed=lambda codes: sum(codebooks[k][codes[..., k]] for k in range(2)),
    )  # fmt: skip
    expected = Expected(SimpleNamespace(codec=codec))
    assert expected(None) is None
    ssl = torch.ones(1, 9) / 9
    found = expected([ssl, torch.tensor([[0.0, 1.0]]), torch.tensor([[0.75, 0.25]])])
    np.testing.assert_allclose(found, [[3, 5.5]], rtol=1e-6)


def test_sung_frames_count_token_frames_of_a_mel_model():
    timing = sung_frames(score(), np.array([3, 4]), {"b": 7, "a": 2}, every=2)
    assert timing.tolist() == [[7, 60, 0, 0], [7, 60, 0, 0], [2, 60, 1, 0], [2, 60, 1, 0]]


def test_log_f0_is_drawn_through_unvoiced_frames():
    log_f0 = continuous_log_f0(np.array([0, 100, 0, 400, 0], dtype=np.float32))
    assert np.allclose(np.exp(log_f0), [100, 100, 200, 400, 400])
    assert not continuous_log_f0(np.zeros(3, dtype=np.float32)).any()
