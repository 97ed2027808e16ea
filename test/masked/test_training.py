"""The loss that ESPnet minimises: prompts of other utterances, and a validation that repeats."""

from argparse import Namespace

import torch

from espnet2_ext.data.batch import Batch
from espnet2_ext.masked.build import build_model
from espnet2_ext.masked.draw import draw as draw_as_ever
from espnet2_ext.masked.model import ACOUSTIC
from espnet2_ext.masked.training import MaskedTraining

from .test_inference import CONDITIONS, SMALL, prompts_of
from .test_model import SIZES, utterances


def model_and_batch(**options):
    torch.manual_seed(0)
    args = Namespace(
        target=ACOUSTIC,
        sizes={"codes": list(SIZES.codes), "n_phones": SIZES.n_phones},
        model_conf={**SMALL, "prompt": {"dropout": 0.0}, **options},
        conditions=CONDITIONS[ACOUSTIC],
    )
    rows = {k: v for k, v in utterances().items() if k in ("codec_ssl", "score_frames")}
    return build_model(args), Batch.of(**rows, prompt=prompts_of([8, 4, 6]))


def streams(batch: Batch) -> dict[str, torch.Tensor]:
    names = [*batch.names, *(f"{name}_lengths" for name in batch.names)]
    return {name: batch[name] for name in names}


def test_validation_draws_for_each_batch_by_itself(monkeypatch):
    model, batch = model_and_batch()
    found = []

    def draw(*args):
        found.append(draw_as_ever(*args))
        return found[-1]

    monkeypatch.setattr(f"{MaskedTraining.__module__}.draw", draw)
    other = streams(batch)
    other["codec_ssl"] = (other["codec_ssl"] + 1) % torch.tensor(SIZES.codes)
    model.eval()
    for given in (streams(batch), other, streams(batch)):
        model(**given)
    first, second, third = (drawn.t for drawn in found)
    assert torch.equal(first, third) and not torch.equal(first, second)


def test_validation_repeats_and_training_draws_anew():
    model, batch = model_and_batch()
    model.eval()
    before = torch.random.get_rng_state()
    first, second = (model(**streams(batch))[0].item() for _ in range(2))
    assert first == second and torch.equal(before, torch.random.get_rng_state())
    model.train()
    assert len({model(**streams(batch))[0].item() for _ in range(4)}) > 1


def test_the_prompt_is_seen_and_is_no_target():
    """Its codes have no loss of their own: only through what they tell of the target."""
    model, batch = model_and_batch()
    model.eval()
    loss = model(**streams(batch))[0].item()
    other = model(**streams(batch.having(prompt=(batch["prompt"] + 1) % 12)))[0].item()
    assert loss != other
    for weight in model.model.generator.diff_estimator.parameters():
        torch.nn.init.zeros_(weight)  # nothing reaches another frame
    alone = [model(**streams(batch.having(prompt=p)))[0].item()
             for p in (batch["prompt"], (batch["prompt"] + 1) % 12)]  # fmt: skip
    assert alone[0] == alone[1]


def test_where_nothing_is_given_the_prompt_is_gone_and_no_target():
    model, batch = model_and_batch(nothing_dropout=1.0)
    model.eval()
    losses = [model(**streams(batch.having(prompt=prompt)))[0].item()
              for prompt in (batch["prompt"], (batch["prompt"] + 1) % 12)]  # fmt: skip
    assert losses[0] == losses[1]


def test_all_weights_have_gradients():
    model, batch = model_and_batch()
    model(**streams(batch))[0].backward()
    assert all(weight.grad is not None for weight in model.parameters())
