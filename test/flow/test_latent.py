"""The flow of latents: an MM-DiT steered by text, voice and score, with guidance by condition."""

from argparse import Namespace

import numpy as np
import pytest
import torch

from espnet2_ext.bin import train
from espnet2_ext.conditions.text import TextCondition
from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, write_text
from espnet2_ext.flow.build import build_model
from espnet2_ext.flow.latent_inference import LatentInference
from espnet2_ext.flow.sampler import SamplingConfig, integrate
from espnet2_ext.flow.token_embedding import Geometry

from .test_cli import run
from .test_model import randomise

C = 4
GEOMETRY = {"latent_dim": C, "latent_fps": 43.07, "n_phones": 3}
LENGTHS, WORDS = [12, 7, 9], [3, 6, 2]
MMDIT = {"channels": 16, "n_joint": 2, "n_single": 1, "n_heads": 2}
NO_TOKENS = {"tokens": False, "pitch": "none", "prompt": False, "channels": 12, "n_layers": 1}
MORE = {"text": {"drop": 0.3}, "timbre": {"dim": 5, "drop": 0.3}, "score": {"drop": 0.3}}


def make(velocity="mmdit", more=MORE, velocity_conf=None, condition=None, **model_conf):
    torch.manual_seed(0)
    sizes = {"mmdit": MMDIT, "dit": {"channels": 16, "n_layers": 1, "n_heads": 2}}
    space = {"output": "latent", "predict_f0": False}
    options = {"space": space, "residual": "none", "ema_decay": 0.0, "bfloat16": "off"}
    args = Namespace(
        model_conf=options | model_conf,
        condition_conf=NO_TOKENS | {"more": more} | (condition or {}),
        velocity=velocity,
        velocity_conf=sizes.get(velocity, {"channels": 16, "n_layers": 1}) | (velocity_conf or {}),
    )
    return randomise(build_model(args, Geometry(**GEOMETRY)))


def rows(seed: int = 0) -> dict[str, list[torch.Tensor]]:
    """What the conditions read, of three utterances."""
    torch.manual_seed(seed)
    score = []
    for n in LENGTHS:
        phone = torch.arange(n) // 3
        ids, midi = torch.randint(3, (n,)), torch.randint(55, 70, (n,))
        score.append(torch.stack([ids, midi, phone, phone], 1))
    return {
        "text_ids": [torch.randint(256, (n,)) for n in WORDS],
        "timbre": [torch.randn(5) for _ in LENGTHS],
        "score_frames": score,
    }


def batch_of(given) -> Batch:
    torch.manual_seed(5)
    return Batch.of(latents=[torch.randn(n, C) for n in LENGTHS], **given)


def streams(batch: Batch) -> dict[str, torch.Tensor]:
    """A batch as ESPnet gives it to a model's forward."""
    ends = ("", "_lengths")
    return {n + e: batch.get(n + e) for n in batch.names for e in ends}


@pytest.mark.parametrize(
    ("velocity", "more"),
    [("mmdit", MORE), ("mmdit", {"text": {}}), ("dit", MORE), ("convnext", {"timbre": {"dim": 5}})],
    ids=str,
)
def test_gradients_are_finite_and_reach_every_parameter(velocity, more):
    model = make(velocity, more, condition_dropout=0.3)
    given = {k: v * 8 for k, v in rows().items()}
    batch = Batch.of(latents=[torch.randn(n, C) for n in LENGTHS] * 8, **given)
    torch.manual_seed(3)
    loss, stats, weight = model(**streams(batch))
    loss.backward()
    assert weight == 24 and set(stats) == {"loss", "flow", "flow_spectral"}
    for name, parameter in model.networks.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name
    model.eval()
    with torch.no_grad():
        assert torch.isfinite(model(**streams(batch_of(given | rows())))[1]["l1"])


@pytest.mark.parametrize("attend", [False, True])
def test_a_regression_knows_a_description_only_if_frames_attend_to_it(attend):
    options = {"residual": "encoder", "condition": {"attend": attend}}
    model, given = make(more={"text": {}, "score": {}}, **options).eval(), rows()
    other = given | {"text_ids": [(ids + 1) % 256 for ids in given["text_ids"]]}
    with torch.no_grad():
        base, base_of_other = (model.condition(batch_of(g)).base for g in (given, other))
    assert torch.equal(base, base_of_other) is not attend


def test_the_loss_is_that_of_real_frames_alone():
    model, batch = make().eval(), streams(batch_of(rows()))
    with torch.no_grad():
        loss = model(**batch)[0]
        batch["latents"][1, LENGTHS[1] :] = 1e3
        batch["text_ids"][0, WORDS[0] :] = 7
        torch.testing.assert_close(model(**batch)[0], loss)


@pytest.mark.parametrize("velocity", ["mmdit", "dit", "convnext"])
@pytest.mark.parametrize("options", [{}, {"guidance": 0.7}, {"solver": "midpoint", "guidance_by":
    {"text": 2.0, "timbre": 0.5}}, {"guidance": 1.0, "negative": "noise"}], ids=str)  # fmt: skip
def test_batched_equals_single(velocity, options):
    flow, given = LatentInference(make(velocity)), rows()
    config = SamplingConfig(n_steps=2, **options)
    together = flow.generate(LENGTHS, given, config, ["a", "b", "c"])
    for k, latents in enumerate(together):
        one = {name: values[k : k + 1] for name, values in given.items()}
        (single,) = flow.generate(LENGTHS[k : k + 1], one, config, ["abc"[k]])
        assert latents.shape == (LENGTHS[k], C)
        torch.testing.assert_close(latents, single, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("negative", ["null", "zero", "noise"])
@pytest.mark.parametrize("name", MORE)
def test_a_condition_that_is_left_out_changes_nothing(name, negative):
    model = make().eval()
    x_t, t = torch.randn(3, max(LENGTHS), C), torch.rand(3)
    stream = {"text": "text_ids", "timbre": "timbre", "score": "score_frames"}[name]
    other = rows() | {stream: rows(1)[stream]}
    if name == "text":
        other[stream] = [ids.repeat(2) for ids in other[stream]]
    with torch.no_grad():
        v = [
            model.velocity(x_t, t, model.condition(batch_of(given), without, negative))
            for without in ((), (name,))
            for given in (rows(), other)
        ]
    assert (v[0] - v[1]).abs().max() > 1e-4
    assert torch.equal(v[2], v[3])


def test_guidance_by_condition_is_the_nested_sum_over_separate_passes():
    model, batch = make().eval(), batch_of(rows())
    x_0 = torch.randn(3, max(LENGTHS), C)
    config = SamplingConfig(n_steps=3, guidance_by={"text": 3.0, "timbre": 0.5, "score": 2.0})
    found = model.sample(model.nested(batch, config), x_0, config)
    sets = [("text", "timbre", "score"), ("timbre", "score"), ("score",), ()]
    with torch.no_grad():
        given = [model.condition(batch, without) for without in sets]

        def field(x, t):
            v = [model.velocity(x, t.expand(3), one) for one in given]
            return v[0] + 3 * (v[1] - v[0]) + 0.5 * (v[2] - v[1]) + 2 * (v[3] - v[2])

        expected = integrate(field, x_0, config)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    # a condition whose weight is 1 need not be named
    named = SamplingConfig(n_steps=2, guidance_by={"text": 3.0, "timbre": 1.0})
    short = SamplingConfig(n_steps=2, guidance_by={"text": 3.0})
    apart = [model.sample(model.nested(batch, c), x_0, c) for c in (named, short)]
    assert (apart[0] - apart[1]).abs().max() > 1e-5  # v_0 of the first knows no timbre


def test_sequences_are_encoded_once_per_utterance(monkeypatch):
    seen = []
    encode = TextCondition.encode

    def count(self, batch, vector=None):
        seen.append(batch.size)
        return encode(self, batch, vector)

    monkeypatch.setattr(TextCondition, "encode", count)
    flow = LatentInference(make())
    steps = {"n_steps": 4, "solver": "midpoint"}
    by = {"text": 2.0, "timbre": 2.0, "score": 2.0}
    for options in ({}, {"guidance": 0.5}, {"guidance_by": by}):
        seen.clear()
        flow.generate(LENGTHS, rows(), SamplingConfig(**steps, **options))
        assert seen == [3]


def test_noise_follows_seed_and_name():
    flow, given = LatentInference(make()), rows()
    config = SamplingConfig(n_steps=1)
    first, again = (flow.generate(LENGTHS, given, config) for _ in range(2))
    other = flow.generate(LENGTHS, given, SamplingConfig(n_steps=1, seed=1))
    named = flow.generate(LENGTHS, given, config, ["x", "y", "z"])
    for k in range(3):
        assert torch.equal(first[k], again[k])
        assert (first[k] - other[k]).abs().max() > 1e-2 < (first[k] - named[k]).abs().max()


def test_batches_are_no_larger_than_asked():
    flow = LatentInference(make(), batch_frames=20)
    assert flow._batches([5, 12, 9, 3, 4], False) == [[1], [2, 0], [4, 3]]
    assert flow._batches([5, 12], True) == [[1], [0]]


def test_logit_normal_times_are_trained_on(monkeypatch):
    model, times = make(time_sampling="logit_normal"), []
    sample = model.path.__class__.sample
    monkeypatch.setattr(
        model.path.__class__, "sample", lambda s, a, b, t: times.append(t) or sample(s, a, b, t)
    )
    batch = streams(batch_of(rows()))
    for _ in range(40):
        model(**batch)
    t = torch.logit(torch.cat(times))
    assert abs(t.mean()) < 0.3 and abs(t.std() - 1) < 0.2


@pytest.mark.slow
def test_it_trains_from_tables_and_its_epochs_weights_sing(tmp_path):
    given, names = rows(), ["a", "b", "c"]
    given["latents"] = [torch.randn(n, C) for n in LENGTHS]
    for name, values in given.items():
        with ArkWriter(tmp_path, name) as writer:
            for key, value in zip(names, values, strict=True):
                flat = name == "score_frames"
                value = value.numpy()
                writer[key] = value.reshape(-1).astype(np.int32) if flat else value
    write_text(tmp_path / "conf.yaml", f"""
velocity: mmdit
velocity_conf: {MMDIT}
geometry: {GEOMETRY}
condition_conf: {NO_TOKENS | {"more": MORE}}
model_conf: {{space: {{output: latent, predict_f0: false}}, residual: none, bfloat16: "off"}}
""")  # fmt: skip
    data = [
        argument
        for part in ("train", "valid")
        for name in given
        for argument in (
            f"--{part}_data_path_and_name_and_type",
            f"{tmp_path}/{name}.scp,{name},kaldi_ark",
            f"--{part}_shape_file",
            tmp_path / "latents.scp",
        )
    ]
    exp = tmp_path / "exp"
    options = ("--max_epoch", 1, "--ngpu", 0, "--num_workers", 0, "--batch_type", "unsorted")
    options += ("--batch_size", 3, "--use_tensorboard", "false")
    arguments = ("--config", tmp_path / "conf.yaml", "--output_dir", exp, *data, *options)
    assert run(train.main, "latent_flow", *arguments) == 0
    flow = LatentInference.load(exp / "config.yaml", exp / "1epoch.pth", dtype="float32")
    assert flow.model.geometry == Geometry(**GEOMETRY)
    latents = flow.generate(LENGTHS, {"text_ids": given["text_ids"]}, SamplingConfig(n_steps=1))
    assert all(torch.isfinite(x).all() and x.shape == (n, C)
               for x, n in zip(latents, LENGTHS, strict=True))  # fmt: skip


def test_mistakes_are_named():
    for options, message in (
        ({"space": {"output": "latent"}}, "output latent needs predict_f0 false"),
        ({"space": {"output": "codec", "predict_f0": False}}, "output codec of a geometry"),
        ({"residual": "encoder", "more": {"text": {}}}, "residual encoder needs a condition"),
        ({"velocity": "dit", "more": {"text": {}}}, "text without a condition on the clock"),
        ({"more": {"timbre": {}}}, "2 joint blocks for 0 channels of text"),
        ({"time_sampling": "odd"}, "time_sampling 'odd' is none of uniform, cosine, logit_normal"),
    ):
        with pytest.raises(UserError, match=message):
            make(**options)
    flow, given = LatentInference(make(condition_dropout=0.0)), rows()
    for lengths, more, config, message in (
        (LENGTHS, {"text": []}, {}, "text: not read by this model .expected one of text_ids"),
        (LENGTHS, {"timbre": []}, {}, "timbre: 0 .expected 3 utterances"),
        ([12, 0, 9], {}, {}, "length: 0 frames"),
        (LENGTHS, {}, {"guidance": 1.0}, "guidance: 1.0 for a model trained with"),
        (LENGTHS, {}, {"guidance_by": {"lyrics": 1.0}}, "guidance_by: 'lyrics' .expected one of"),
    ):
        with pytest.raises(UserError, match=message):
            flow.generate(lengths, given | more, SamplingConfig(n_steps=1, **config))
