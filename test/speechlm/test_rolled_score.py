import pytest
import torch

from espnet2_ext.speechlm.rolled_score import Shift, Utterance, rolled_score, shifted

from .conftest import make_batch, make_model, make_utterance

SHIFTS = [Shift(frames=5), Shift(frames=-5), Shift(semitones=3)]


def test_shifted_score():
    score = torch.tensor([[1, 60, 0, 0], [2, 60, 1, 0], [0, 0, 2, 1]])
    assert shifted(score, Shift(frames=1)).tolist() == [[0, 0, 0, 0], [1, 60, 1, 1], [2, 60, 2, 1]]
    assert shifted(score, Shift(semitones=2))[:, 1].tolist() == [62, 62, 0]
    assert torch.equal(shifted(score, Shift()), score)


@pytest.mark.slow
def test_an_lm_that_follows_the_score_passes_and_one_that_does_not_fails():
    """Codes are a function of phone and pitch; one model trains on it, the other cannot."""
    utterances = []
    for seed in range(8):
        u = make_utterance(24, 4, seed)
        u.codec_ssl = torch.stack(
            [u.score_frames[:, 0], *[(u.score_frames[:, 1] + u.score_frames[:, 0]) % 8] * 3], 1
        )
        utterances.append(u)
    batch = make_batch(*utterances)
    model = make_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        loss, _, _ = model(**batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    real = [Utterance(u.codec_ssl, u.score_frames, u.prompt) for u in utterances]
    report = rolled_score(model.eval(), real, SHIFTS, margin=0.1)
    assert report.passed and report.n_utt == 8

    deaf = make_model()
    for parameter in (*deaf.score_encoder.out.parameters(), deaf.score_head.weight):
        torch.nn.init.zeros_(parameter)
    report = rolled_score(deaf.eval(), real, SHIFTS, margin=0.1)
    assert not report.passed and abs(report.shifts[0].drop) < 1e-6
