"""The flow model: conditions, spaces, losses, sampling."""

import pytest
import torch

from espnet2_ext.audio.pitch import hz_to_midi, midi_to_hz
from espnet2_ext.conditions.pitch_features import fill_gaps, pitch_features
from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError
from espnet2_ext.flow.corruption import CorruptionConfig, corrupt, similar_frames
from espnet2_ext.flow.features import smooth_noise
from espnet2_ext.flow.inference import FlowInference
from espnet2_ext.flow.sampler import SamplingConfig
from espnet2_ext.networks import convnext
from espnet2_ext.tokenizer.embedding_tables import probe_tables

ABLATIONS = {
    "Flow1+Voc": ({"pitch": "none"}, {"output": "mel", "f0_mode": "absolute"}),
    "Flow2+Voc": ({"pitch": "rich"}, {"output": "mel"}),
    "Flow1+CD": ({"pitch": "none"}, {"output": "codec", "f0_mode": "absolute"}),
    "Flow2+CD": ({"pitch": "raw"}, {"output": "codec"}),
}


def randomise(model):
    """Away from the zero initialisations that would hide a dependence."""
    for parameter in model.networks.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def utterances(batch):
    """(tokens, midi, prompts) of a collated batch, as inference takes them."""
    rows = range(len(batch["codec_ssl"]))
    lengths = batch["codec_ssl_lengths"]
    tokens = [batch["codec_ssl"][b, : lengths[b]] for b in rows]
    midi = [batch["score_frames"][b, : lengths[b], 1] for b in rows]
    prompts = [batch["prompt"][b, : batch["prompt_lengths"][b]] for b in rows]
    return tokens, midi, prompts


@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("velocity", ["convnext", "dit"])
def test_gradients_are_finite_and_reach_every_parameter(make_model, make_batch, ablation, velocity):
    condition, space = ABLATIONS[ablation]
    model = randomise(make_model(velocity, condition, space=space, condition_dropout=0.5))
    loss, stats, weight = model(**make_batch([20, 13, 16, 9] * 4))
    loss.backward()
    assert weight == 16 and torch.isfinite(loss)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all() and parameter.grad.abs().sum() > 0, name
    model.eval()
    with torch.no_grad():
        _, stats, _ = model(**make_batch([20, 13]))
    assert {"l1", "f0_cents", "vuv_error"} <= stats.keys()


@pytest.mark.parametrize("residual", ["none", "codec", "encoder"])
@pytest.mark.parametrize("velocity", ["convnext", "dit"])
def test_batched_equals_single(make_model, make_batch, velocity, residual):
    model = randomise(make_model(velocity, residual=residual))
    tokens, midi, prompts = utterances(make_batch([24, 7, 15]))
    config = SamplingConfig(n_steps=3, guidance=0.5)
    together = FlowInference(model).generate(tokens, midi, prompts, config)
    alone = FlowInference(model, batch_frames=1)
    for k, features in enumerate(together):
        (single,) = alone.generate([tokens[k]], [midi[k]], [prompts[k]], config)
        assert features.mel.shape == (2 * len(tokens[k]), 12)
        torch.testing.assert_close(features.mel, single.mel, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(features.f0, single.f0, atol=1e-2, rtol=1e-4)


@pytest.mark.parametrize(
    "config",
    [
        SamplingConfig(n_steps=2, guidance=0.5),
        SamplingConfig(n_steps=1, solver="midpoint"),
        SamplingConfig(solver="dopri5"),
        SamplingConfig(solver="bosh3", guidance=0.5),
    ],
    ids=lambda config: config.solver,
)
@pytest.mark.parametrize("velocity", ["convnext", "dit"])
def test_one_frame_beside_hundreds_equals_it_alone(make_model, make_batch, velocity, config):
    """An adaptive solver chose its steps for the whole batch: differences of up to .6."""
    flow = FlowInference(randomise(make_model(velocity, residual="none")))
    inputs = utterances(make_batch([1, 300, 2, 17]))
    together = flow.generate(*inputs, config)
    for k, features in enumerate(together):
        (single,) = flow.generate(*(v[k : k + 1] for v in inputs), config)
        torch.testing.assert_close(features.mel, single.mel, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(features.f0, single.f0, atol=1e-2, rtol=1e-4)


def test_one_frame_is_trained_on(make_model, make_batch):
    for lengths in ([1, 1], [1, 90]):
        model = randomise(make_model())
        loss, _, _ = model(**make_batch(lengths))
        loss.backward()
        assert torch.isfinite(loss)
        _, stats, _ = model.eval()(**make_batch(lengths))
        assert all(torch.isfinite(value).all() for value in stats.values())


def test_parts_of_a_long_song_equal_the_whole(make_model, make_batch, monkeypatch):
    model = randomise(make_model(velocity_conf={"kernel_size": 5}))
    tokens, midi, prompts = utterances(make_batch([40, 33]))
    flow = FlowInference(model, batch_frames=80)
    whole = flow.generate(tokens, midi, prompts, SamplingConfig(n_steps=2))
    monkeypatch.setattr(convnext, "PART_FRAMES", 7)
    parts = flow.generate(tokens, midi, prompts, SamplingConfig(n_steps=2))
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one.mel, other.mel, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(one.f0, other.f0, atol=1e-2, rtol=1e-4)


@pytest.mark.parametrize("residual", ["none", "encoder"])
@pytest.mark.parametrize(
    "precision", [{"bfloat16": "on"}, {"dtype": "bfloat16"}, {"dtype": "float16"}]
)
def test_autocast_is_near_float32(make_model, make_batch, residual, precision):
    tokens, midi, prompts = utterances(make_batch([24]))
    mels = []
    for options in ({"dtype": "float32"}, precision):
        torch.manual_seed(0)
        flow = FlowInference(randomise(make_model(residual=residual)), **options)
        (features,) = flow.generate(tokens, midi, prompts, SamplingConfig(n_steps=2))
        assert features.mel.dtype == features.f0.dtype == torch.float32
        mels.append(features.mel)
    error = (mels[0] - mels[1]).abs()
    assert 0 < error.max() < 0.2 and error.mean() < 0.02


def test_training_loss_does_not_see_padding(make_model, make_batch):
    model = randomise(make_model(residual="encoder")).eval()
    batch = make_batch([20, 12])
    loss, _, _ = model(**batch)
    batch["mel"][1, 24:] = 1e3
    batch["codec_ssl"][1, 12:] = 3
    batch["score_frames"][1, 12:] = 70
    changed, _, _ = model(**batch)
    torch.testing.assert_close(loss, changed)


def test_phones_of_the_score_matter_only_where_asked(make_model, make_batch):
    tokens, midi, prompts = utterances(make_batch([14, 9]))
    scores = [torch.stack([torch.zeros_like(m), m, m, m], -1) for m in midi]
    others = [s.clone() for s in scores]
    for score in others:
        score[:, 0] = 1
    config = SamplingConfig(n_steps=2)
    for phones in (False, True):
        flow = FlowInference(randomise(make_model(condition={"phones": phones})))
        first, second = (flow.generate(tokens, s, prompts, config) for s in (scores, others))
        assert torch.equal(first[0].mel, second[0].mel) != phones
        (single,) = flow.generate(tokens[1:], scores[1:], prompts[1:], config)
        torch.testing.assert_close(single.mel, first[1].mel, atol=1e-4, rtol=1e-4)
        if phones:
            with pytest.raises(UserError, match="midi"):
                flow.generate(tokens, midi, prompts)
        else:
            notes = flow.generate(tokens, midi, prompts, config)
            assert torch.equal(first[0].mel, notes[0].mel)


@pytest.mark.parametrize("residual", ["codec", "encoder"])
def test_soft_tokens_stand_in_for_the_codes(make_model, make_batch, residual):
    model = randomise(make_model(residual=residual))
    flow = FlowInference(model)
    tokens, midi, prompts = utterances(make_batch([14, 9]))
    config = SamplingConfig(n_steps=2)
    own = [model.codec(t[None, :, 1:])[0] for t in tokens]
    hard, soft = (flow.generate(tokens, midi, prompts, config, s) for s in (None, own))
    torch.testing.assert_close(hard[1].mel, soft[1].mel)
    moved = flow.generate(tokens, midi, prompts, config, [s + 0.5 for s in own])
    assert (moved[1].mel - hard[1].mel).abs().max() > 1e-3


def test_trains_on_soft_tokens_only_where_sampled_ones_are_drawn(make_model, make_batch):
    batch = make_batch([14, 9])
    shape = (2, 14, make_model().geometry.embed_dim)
    more = {"sampled": batch["codec_ssl"].clone(), "soft": torch.full(shape, 3.0)}

    def loss(prob, **given):
        torch.manual_seed(0)
        model = randomise(make_model(sampled_prob=prob, corruption=None, condition_dropout=0.0))
        torch.manual_seed(1)
        return model(**batch, **given)[0]

    assert loss(0.0, **more) == loss(0.0, sampled=more["sampled"])
    assert loss(1.0, **more) != loss(1.0, sampled=more["sampled"])


def test_sampling_repeats_with_its_seed(make_model, make_batch):
    model = randomise(make_model(residual="none"))
    inputs = utterances(make_batch([10, 14]))
    flow = FlowInference(model)
    first, again, other = (
        flow.generate(*inputs, SamplingConfig(n_steps=2, seed=seed)) for seed in (1, 1, 2)
    )
    torch.testing.assert_close(first[0].mel, again[0].mel, rtol=0, atol=0)
    assert (first[0].mel - other[0].mel).abs().max() > 1e-3
    reordered = flow.generate(*([v[1], v[0]] for v in inputs), SamplingConfig(n_steps=2, seed=1))
    torch.testing.assert_close(reordered[1].mel, first[0].mel, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_overfits_a_tiny_batch(make_model, make_batch):
    model = make_model(
        condition={"channels": 32, "n_layers": 2},
        velocity_conf={"channels": 48, "n_layers": 2},
        corruption=None,
        condition_dropout=0.0,
    )
    batch = make_batch([24, 20])
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    model.eval()
    before = model(**batch)[1]
    model.train()
    for _ in range(250):
        loss, _, _ = model(**batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    after = model(**batch)[1]
    assert after["l1"] < 0.4 * before["l1"]
    tokens, midi, prompts = utterances(batch)
    config = SamplingConfig(n_steps=8, noise_temperature=0.5)
    features = FlowInference(model).generate(tokens, midi, prompts, config)[0]
    truth = batch["f0"][0]
    both = (features.f0 > 0) & (truth > 0)
    assert ((features.f0 > 0) == (truth > 0)).float().mean() > 0.95
    assert (1200 * (features.f0[both] / truth[both]).log2()).abs().median() < 25


def test_smooth_noise_has_unit_variance_everywhere_and_moves_slowly():
    torch.manual_seed(0)
    noise = smooth_noise(torch.randn(4000, 40), 6)
    torch.testing.assert_close(noise.std(0), torch.ones(40), atol=0.05, rtol=0)
    assert noise.diff(dim=1).std() < 0.25 < 1.3 < torch.randn(4000, 40).diff(dim=1).std()


def test_pitch_starts_from_smooth_noise_of_its_own_temperature(make_model, make_batch):
    model = make_model(space={"f0_noise_frames": 6})
    n = model.space.spectral_dim
    white = torch.randn(2, 30, model.space.dim)
    x_0 = model.space.source(white)
    assert torch.equal(x_0[..., :n], white[..., :n])
    f0 = x_0[..., n:].chunk(2, -1)[0].flatten(1)
    assert f0.diff(dim=1).std() < 0.4
    batch = make_batch([24])
    tokens, midi, prompts = utterances(batch)
    flow = FlowInference(randomise(model))

    def drawn(seed, **temperatures):
        config = SamplingConfig(n_steps=2, seed=seed, **temperatures)
        return flow.generate(tokens, midi, prompts, config)[0]

    same = {"noise_temperature": 0.5, "f0_temperature": 0.5}
    assert torch.equal(drawn(1, **same).mel, drawn(1, noise_temperature=0.5).mel)
    still = {"noise_temperature": 0.0, "f0_temperature": 0.0}
    assert torch.equal(drawn(1, **still).mel, drawn(2, **still).mel)
    assert not torch.equal(drawn(1, **same).f0, drawn(2, **same).f0)


def test_space_is_inverted_exactly(make_model, make_batch):
    for _, space in ABLATIONS.values():
        model = make_model(space=space)
        batch = make_batch([12, 12])
        midi, tokens = batch["score_frames"][..., 1], batch["codec_ssl"]
        mask = torch.ones(2, 12, dtype=torch.bool)
        x_1, _ = model.target(Batch(batch), mask)
        features = model.space.decode(x_1, model.codec, midi, mask)[0]
        torch.testing.assert_close(features.f0, batch["f0"][0], rtol=1e-4, atol=1e-3)
        if space["output"] == "mel":
            torch.testing.assert_close(features.mel, batch["mel"][0], rtol=1e-4, atol=1e-4)
        else:
            torch.testing.assert_close(features.codes, tokens[0, :, 1:])


def test_tables_repeat_the_codec_and_refuse_what_is_no_sum(codec, make_model):
    codes = torch.randint(16, (1, 30, 2))
    model = make_model()
    torch.testing.assert_close(model.codec(codes), codec.embed(codes), atol=1e-4, rtol=1e-4)
    mel = model.space.codec_mel(model.codec(codes))
    torch.testing.assert_close(mel, codec.decode_mel(codes), atol=1e-4, rtol=1e-4)
    with pytest.raises(UserError, match="no sum"):
        probe_tables(lambda c: c.float().prod(-1, keepdim=True) + 1, 2, 16, "codec")


def test_corruption_keeps_codes_in_their_stream_and_can_be_off():
    tokens = torch.arange(2 * 20 * 3).view(2, 20, 3) * 3 + torch.arange(3)
    tokens[..., 0] = tokens[..., 0] // 3 % 4 * 3
    lengths = torch.tensor([20, 11])
    off = CorruptionConfig(0, 0, 0, 0, drop_ssl=0)
    assert (corrupt(tokens, lengths, off) == tokens).all()
    out = corrupt(tokens, lengths, CorruptionConfig(1.0, 1.0, 1.0, 1.0, drop_ssl=0))
    kept = out >= 0
    assert (out[..., 0] >= 0).all() and (out[..., 1] >= 0).all() and not kept.all()
    assert (out % 3 == torch.arange(3))[kept].all()
    assert (out[1, :11][kept[1, :11]] <= tokens[1, 10, 2]).all()
    assert (out != tokens)[kept].float().mean() > 0.05


def test_similar_frames_have_the_same_ssl_code_and_are_real():
    ssl = torch.randint(5, (3, 40))
    ssl[0, 0] = 7
    real = torch.arange(40) < torch.tensor([40, 25, 33])[:, None]
    partner = similar_frames(ssl, real).view(3, 40)
    assert (ssl.reshape(-1)[partner] == ssl)[real].all()
    assert real.reshape(-1)[partner][real].all()
    own = partner == torch.arange(120).view(3, 40)
    assert own[0, 0] and own[real].sum() == 1


def test_pitch_curve_runs_through_rests_and_features_ignore_padding():
    values = torch.tensor([[0.0, 2, 0, 0, 8, 0]])
    filled = fill_gaps(values, values > 0)
    torch.testing.assert_close(filled, torch.tensor([[2.0, 2, 4, 6, 8, 8]]))
    assert (fill_gaps(values, values > 99, 5.0) == 5).all()
    midi = torch.tensor([[60, 60, 0, 62, 62, 62, 0, 0]])
    mask = torch.ones(1, 8, dtype=torch.bool)
    padded = torch.nn.functional.pad(midi, (0, 4), value=77)
    longer = torch.nn.functional.pad(mask, (0, 4))
    a, b = pitch_features(midi, mask), pitch_features(padded, longer)
    torch.testing.assert_close(a, b[:, :8])
    assert (b[:, 8:] == 0).all()
    hz = torch.tensor([110.0, 440.0, 261.6])
    torch.testing.assert_close(midi_to_hz(hz_to_midi(hz)), hz)


def test_mistakes_are_named(make_model, make_batch):
    with pytest.raises(UserError, match="unknown key 'residul'"):
        make_model(residul="none")
    with pytest.raises(UserError, match="relative needs pitch"):
        make_model(condition={"pitch": "none"})
    with pytest.raises(UserError, match="condition_conf: unknown key 'chanels'"):
        make_model(condition={"chanels": 3})
    flow = FlowInference(make_model())
    tokens, midi, prompts = utterances(make_batch([10]))
    with pytest.raises(UserError, match="midi"):
        flow.generate(tokens, None, prompts)
    with pytest.raises(UserError, match="outside its stream"):
        flow.generate([tokens[0] + 99], midi, prompts)
