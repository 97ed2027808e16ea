"""Conditions in a flow: each by itself, a user's own, and the weights of before they had names."""

import sys

import numpy as np
import pytest
import torch

import espnet2_ext.conditions
from espnet2_ext.bin import infer, train
from espnet2_ext.checkpoint import load_state, load_strict
from espnet2_ext.conditions.condition import CONDITIONS
from espnet2_ext.conditions.registry import conditions
from espnet2_ext.data.batch import Batch
from espnet2_ext.data.streams import STREAMS
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_scp
from espnet2_ext.flow.inference import FlowInference
from espnet2_ext.flow.sampler import SamplingConfig

from .test_cli import run, train_args
from .test_model import randomise, utterances

BUILT_IN = {  # options that ask for them
    "tokens": {},
    "pitch": {"pitch": "rich"},
    "prompt": {"prompt": True},
    "phones": {"phones": True},
}
LENGTHS = [12, 9]
OWN = '''
"""How loud each token frame is."""

from torch import nn

from espnet2_ext.conditions.condition import FRAMES, ConditionEncoder, register_condition
from espnet2_ext.data.streams import FRAMES as REAL
from espnet2_ext.data.streams import TOKEN, Stream, register_stream

register_stream(Stream("loudness", REAL, TOKEN, 1))


@register_condition("loudness")
class Loudness(ConditionEncoder):
    kind, streams = FRAMES, ("loudness",)

    def __init__(self, sizes, drop: float = 0.2) -> None:
        super().__init__(sizes.width, drop)
        self.linear = nn.Linear(1, sizes.width)

    def encode(self, batch, vector=None):
        return self.linear(batch["loudness"]), batch.mask("loudness")
'''


def old_names(state):
    """The weights of a flow as they were once saved."""
    names = {
        "condition.encoders.tokens.": "condition.",
        "condition.encoders.pitch.linear.": "condition.pitch_in.",
        "condition.encoders.prompt.": "condition.prompt_net.",
        "condition.encoders.phones.": "condition.phones.",
    }
    old = {}
    for name, value in state.items():
        for new, before in names.items():
            name = name.replace(new, before)
            name = name.replace(new.replace(".", "/"), before.replace(".", "/"))
        old[name] = value
    return old


@pytest.fixture
def make_given(make_batch):
    """A batch of all streams that some condition reads."""

    def make(seed: int = 0) -> dict[str, torch.Tensor]:
        batch = make_batch(LENGTHS, seed)
        torch.manual_seed(seed)
        more = Batch.of(
            text_ids=[torch.randint(256, (n,)) for n in (7 + seed, 5)],
            lyrics_ids=[torch.randint(90, (n,)) for n in (6 + seed, 4)],
            instruction=[torch.randn(n, 3584) for n in (3 + seed, 5)],
            instruction_ids=[torch.randint(1000, (n,)) for n in (4 + seed, 3)],
            timbre=[torch.randn(192) for _ in LENGTHS],
        )
        streams = {n + end for n in more.names for end in ("", "_lengths")}
        score = batch["score_frames"]
        score[..., 0] = torch.randint(2, score.shape[:2])
        score[..., 2:] = torch.arange(score.size(1))[:, None] // 3
        return {**batch, **{name: more.get(name) for name in streams}}

    return make


def with_alone(name):
    """``condition_conf`` of a flow with tokens, unless `name` reads them, and with `name`."""
    none = {"pitch": "none", "prompt": False, "phones": False}
    none["tokens"] = "codec_ssl" not in conditions()[name].streams or name == "tokens"
    if name in BUILT_IN:
        return none | BUILT_IN[name] | {"drop": {name: 0.5}}
    return none | {"more": {name: {"dropout" if name == "pooled_prompt" else "drop": 0.5}}}


@pytest.mark.parametrize("velocity", ["convnext", "dit"])
@pytest.mark.parametrize("name", sorted(conditions()))
def test_each_condition_is_left_out_by_itself(make_model, make_given, name, velocity):
    """A flow has any condition by a line of its YAML, and without it does not know it."""
    space = {"f0_mode": "absolute"}
    model = make_model(velocity, with_alone(name), residual="none", space=space)
    model = randomise(model).eval()
    x_t, t = torch.randn(2, max(LENGTHS), model.space.dim), torch.tensor([0.3, 0.8])
    first, second = make_given(), make_given(1)
    read = [stream for stream in conditions()[name].streams if stream in STREAMS]
    other = {key: second[key] for stream in read for key in (stream, f"{stream}_lengths")}
    with torch.no_grad():
        velocities = [
            model.velocity(x_t, t, model.condition(Batch(given), without))
            for without in ((), (name,))
            for given in (first, first | other)
        ]
    assert (velocities[0] - velocities[1]).abs().max() > 1e-5
    assert torch.equal(velocities[2], velocities[3])


def test_a_loss_reaches_every_condition(make_model, make_given):
    drop = dict.fromkeys(BUILT_IN, 0.5)
    more = {"text": {"drop": 0.5}, "timbre": {"drop": 0.5}}
    conf = {"phones": True, "drop": drop, "more": more}
    model = randomise(make_model(condition=conf, condition_dropout=0.5))
    total = sum(model(**make_given(seed))[0] for seed in range(8))
    total.backward()
    for name, parameter in model.networks.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_mistakes_are_named(make_model):
    for condition, message in (
        ({"more": {"timber": {}}}, "unknown condition 'timber'"),
        ({"more": {"pitch": {}}}, "more: pitch has an option of its own"),
        ({"drop": {"timbre": 0.5}}, "drop: timbre is none of tokens, pitch, prompt"),
        ({"pitch": "odd"}, "pitch 'odd' is none of none, rich, raw"),
    ):
        with pytest.raises(UserError, match=message):
            make_model(condition=condition)


@pytest.fixture
def own_condition(tmp_path, monkeypatch):
    """A file among the conditions, as a user adds it."""
    folder = tmp_path / "conditions"
    folder.mkdir()
    (folder / "loudness.py").write_text(OWN)
    path = [*espnet2_ext.conditions.__path__, str(folder)]
    monkeypatch.setattr(espnet2_ext.conditions, "__path__", path)
    yield "loudness"
    for table in (CONDITIONS, STREAMS):
        table.pop("loudness", None)
    sys.modules.pop("espnet2_ext.conditions.loudness", None)


def test_a_condition_of_ones_own_is_a_file_and_a_line_of_yaml(
    own_condition, tokens, tokenizer_dir, tmp_path
):
    utts = read_scp(tokens / "mel.scp")
    with ArkWriter(tmp_path, "loudness") as writer:
        for utt, mel in utts.items():
            writer[utt] = mel.mean(1, keepdims=True)[::2]
    data = [
        argument
        for part in ("train", "valid")
        for argument in (
            f"--{part}_data_path_and_name_and_type",
            f"{tmp_path}/loudness.scp,loudness,kaldi_ark",
            f"--{part}_shape_file",
            tokens / "mel.scp",
        )
    ]
    exp = tmp_path / "flow"
    line = ("--condition_conf", "more={loudness: {}}")
    options = (*data, *line, "--max_epoch", 1, "--num_iters_per_epoch", 1)
    assert run(train.main, "flow", *train_args(tokens, tokenizer_dir, exp, *options)) == 0
    weights = exp / "1epoch.pth"
    linear = "networks.condition.encoders.loudness.linear.weight"
    assert linear in load_state(weights)
    flow = FlowInference.load(exp / "config.yaml", weights, bfloat16="off")
    token, midi, prompt = (
        [torch.randint(8, (9, 3))],
        [torch.tensor([[0, 60, 0, 0]] * 9)],
        [torch.randint(8, (4, 3))],
    )
    config = SamplingConfig(n_steps=1)
    randomise(flow.model)
    flow.model.ema = None
    given = [{"loudness": [torch.full((9, 1), level)]} for level in (0.0, 9.0)]
    quiet, loud, unsaid = (
        flow.generate(token, midi, prompt, config, more=more)[0].mel for more in (*given, None)
    )
    assert not torch.equal(quiet, loud) and not torch.equal(quiet, unsaid)
    # and over tables
    arguments = (
        "--train_config",
        exp / "config.yaml",
        "--model_file",
        weights,
        "--token_dir",
        tokens,
    )
    sung = {}
    for name, stream in (("said", f"loudness={tmp_path}/loudness.scp"), ("unsaid", "")):
        more = ("--more", stream) if stream else ()
        out = tmp_path / name
        assert run(infer.main, "flow", *arguments, "--output_dir", out, *more) == 0
        sung[name] = read_scp(out / "mel.scp")
    assert all(not np.array_equal(mel, sung["unsaid"][utt]) for utt, mel in sung["said"].items())
    for wrong in ("loudness", "pitch=x.scp"):
        command = (*arguments, "--output_dir", tmp_path / "no", "--more", wrong)
        assert run(infer.main, "flow", *command) == 2
    for more, message in (
        ({"loudnes": given[0]["loudness"]}, "loudnes: not read by this model .*loudness"),
        ({"prompt": prompt}, "prompt: not read by this model .expected one of loudness"),
        ({"loudness": []}, "flow: loudness: 0 .expected 1, as the tokens"),
    ):
        with pytest.raises(UserError, match=message):
            flow.generate(token, midi, prompt, config, more=more)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_weights_of_before_conditions_had_names_load(make_model, make_batch, ema_decay):
    conf = {"condition": {"phones": True}, "ema_decay": ema_decay}
    saved = randomise(make_model(**conf))
    saved(**make_batch([12, 9]))  # averages begin
    state = old_names(saved.state_dict())
    names = set(state)
    assert {"networks.condition.codec_in.weight", "networks.condition.pitch_in.bias",
            "networks.condition.phones.phone.weight", "networks.condition.ssl.weight",
            "networks.condition.prompt_net.frame.0.weight"} <= names  # fmt: skip
    assert ("ema.condition/prompt_net/out/weight" in names) == bool(ema_decay)
    assert not any("encoders" in name for name in names)
    for load in (lambda model: load_strict(model, state, "old.pth"),
                 lambda model: model.load_state_dict(state)):  # fmt: skip
        model = make_model(**conf)
        load(model)
        for name, value in saved.state_dict().items():
            assert torch.equal(model.state_dict()[name], value), name
    given, config = utterances(make_batch([12, 9])), SamplingConfig(n_steps=1)
    tokens, midi, prompts = given
    scores = [torch.stack([m * 0, m, m * 0, m * 0], -1) for m in midi]
    both = [FlowInference(m).generate(tokens, scores, prompts, config) for m in (saved, model)]
    assert all(torch.equal(a.mel, b.mel) for a, b in zip(*both, strict=True))


def test_bfloat16_takes_every_kind(make_model, make_given):
    more = {name: {} for name in ("text", "timbre", "score")}
    model = randomise(make_model(condition={"phones": True, "more": more}, bfloat16="on"))
    loss, _, _ = model(**make_given())
    loss.backward()
    with torch.no_grad():
        assert torch.isfinite(loss) and torch.isfinite(model.eval()(**make_given())[0])
