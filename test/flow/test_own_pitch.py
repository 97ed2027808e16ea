"""F0 and voicing by networks that do not see the tokens."""

import pytest
import torch

from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError
from espnet2_ext.flow.inference import FlowInference
from espnet2_ext.flow.sampler import SamplingConfig

from .test_model import randomise, utterances

OWN = {"own_pitch": {"channels": 16, "n_layers": 1, "prompt": True}}


def test_tokens_change_the_spectrum_and_not_the_pitch(make_model, make_batch):
    model = randomise(make_model(**OWN)).eval()
    flow = FlowInference(model)
    tokens, midi, prompts = utterances(make_batch([20, 16]))
    others = [(t + 1) % 4 for t in tokens]
    batch = Batch({**make_batch([20, 16])})
    first = model.condition(batch)
    second = model.condition(batch.having(codec_ssl=(batch["codec_ssl"] + 1) % 4))
    x_t, t = torch.randn(2, 20, model.space.dim), torch.tensor([0.3, 0.8])
    n = model.space.spectral_dim
    with torch.no_grad():
        one, two = (model.velocity(x_t, t, conditions) for conditions in (first, second))
    assert torch.equal(one[..., n:], two[..., n:]) and not torch.equal(one[..., :n], two[..., :n])
    assert torch.equal(first.base[..., n:], second.base[..., n:])
    score = [torch.stack([m * 0, m, m * 0, m * 0], 1) for m in midi]
    still = SamplingConfig(n_steps=2, noise_temperature=0.0)
    a, b = (flow.generate(t, score, prompts, still)[0] for t in (tokens, others))
    assert torch.equal(a.f0, b.f0) and not torch.equal(a.mel, b.mel)


def test_score_and_singer_reach_the_pitch_until_they_are_dropped(make_model, make_batch):
    model = randomise(make_model(**OWN)).eval()
    batch = Batch(make_batch([20, 16]))
    n = model.space.spectral_dim
    x_t, t = torch.randn(2, 20, model.space.dim), torch.tensor([0.3, 0.8])
    score = batch["score_frames"].clone()
    score[..., 1] += 2
    everyone = torch.tensor([True, True])
    for changed in (
        batch.having(score_frames=score),
        batch.having(score_frames=batch["score_frames"] * torch.tensor([0, 1, 1, 1])),
        batch.having(prompt=(batch["prompt"] + 1) % 4),
    ):
        conditions = [model.condition(given) for given in (batch, changed)]
        with torch.no_grad():
            one, two = (model.velocity(x_t, t, c)[..., n:] for c in conditions)
            gone = [model.velocity(x_t, t, model.drop(c, everyone)) for c in conditions]
        assert (one - two).abs().max() > 1e-5
        assert torch.equal(gone[0], gone[1])


@pytest.mark.slow
def test_takes_of_one_score_are_drawn_apart_where_tokens_say_one_of_them(make_model, make_batch):
    """Two takes, half a semitone up and down, whose tokens tell which: drawn without tokens, F0
    goes either way, and by the take's temperature of 0 to their mean."""
    model = make_model(
        condition={"channels": 16}, corruption=None, condition_dropout=0.0,
        own_pitch={"channels": 32, "n_layers": 2, "prompt": False}, space={"f0_noise_frames": 6},
    )  # fmt: skip
    batch = {name: value.repeat_interleave(2, 0) for name, value in make_batch([24]).items()}
    shift = torch.tensor([[2 ** (0.5 / 12)], [2 ** (-0.5 / 12)]])
    batch["f0"] = batch["f0"] * shift
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    model.train()
    torch.manual_seed(0)
    for _ in range(400):
        loss, _, _ = model(**batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    flow = FlowInference(model.eval())
    tokens, _, prompts = utterances(batch)
    scores = list(batch["score_frames"])

    def semitones(seed: int, temperature: float) -> float:
        config = SamplingConfig(n_steps=16, seed=seed, f0_temperature=temperature)
        f0 = flow.generate(tokens[:1], scores[:1], prompts[:1], config)[0].f0
        middle = (batch["f0"][0] * batch["f0"][1]).sqrt()
        both = (f0 > 0) & (middle > 0)
        return float((12 * (f0[both] / middle[both]).log2()).median())

    drawn = torch.tensor([semitones(seed, 1.0) for seed in range(24)])
    assert drawn.min() < -0.25 < 0.25 < drawn.max()
    assert drawn.std() == pytest.approx(0.5, rel=0.5)


def test_pitch_of_its_own_needs_pitch_relative_to_the_note(make_model):
    with pytest.raises(UserError, match="own_pitch needs predict_f0 and f0_mode relative"):
        make_model(space={"f0_mode": "absolute"}, **OWN)
