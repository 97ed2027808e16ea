"""Conditions and codes together: both stages, whole batches and utterances alone."""

import pytest
import torch

from espnet2_ext.conditions.condition import Sizes
from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config
from espnet2_ext.masked.config import MaskedConfig
from espnet2_ext.masked.model import ACOUSTIC, SEMANTIC, MaskedModel
from espnet2_ext.masked.options import MaskedDecoding

SIZES = Sizes(width=0, codes=(15, 12, 12), n_phones=6)
LENGTHS = [14, 9, 11]
ACOUSTIC_CONDITIONS = {
    "semantic": {"drop": 0.5},
    "pitch": {"drop": 0.5},
    "timbre": {"dim": 4, "drop": 0.5},
}
SEMANTIC_CONDITIONS = {"text": {"drop": 0.5}, "phones": {"drop": 0.5}}
STREAMS = {
    "semantic": "codec_ssl", "pitch": "score_frames", "timbre": "timbre", "text": "text_ids",
    "phones": "score_frames",
}  # fmt: skip


def utterances(seed: int = 0) -> dict[str, list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)

    def draw(high: int, *size: int) -> torch.Tensor:
        return torch.randint(high, size, generator=generator)

    def score(n: int) -> torch.Tensor:
        places = torch.arange(n) // 3
        return torch.stack([draw(6, n), 60 + draw(12, n), places, places], 1)

    return {
        "codec_ssl": [torch.stack([draw(k, n) for k in SIZES.codes], 1) for n in LENGTHS],
        "score_frames": [score(n) for n in LENGTHS],
        "text_ids": [draw(99, n // 2) for n in LENGTHS],
        "timbre": [torch.randn(4, generator=generator) for _ in LENGTHS],
    }


def build(target: str) -> MaskedModel:
    torch.manual_seed(0)
    network = {"width": 16, "heads": 2, "n_layers": 2}
    config = parse_config(MaskedConfig, {"network": network}, "test.yaml")
    conditions = ACOUSTIC_CONDITIONS if target == ACOUSTIC else SEMANTIC_CONDITIONS
    model = MaskedModel(target, SIZES, config, conditions, "test.yaml").eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(0, 1.0 if "emb" in name or "conditions" in name else 0.3)
    return model


def decoding(**options) -> MaskedDecoding:
    values = {"steps": [5, 1], "kept_share": 0.5, **options}
    return parse_config(MaskedDecoding, values, "decode.yaml")


@pytest.mark.parametrize("target", [SEMANTIC, ACOUSTIC])
def test_a_batch_is_its_utterances_alone(target):
    model, rows = build(target), utterances()
    config, prompts = decoding(without=["prompt", "prefix", "pitch", "phones"]), [4, 2, 0]
    found = model.generate(Batch.of(**rows), torch.tensor(prompts), config, [7, 8, 9]).tokens
    own = slice(0, 1) if target == SEMANTIC else slice(1, 3)
    for b, n in enumerate(LENGTHS):
        alone = Batch.of(**{name: values[b : b + 1] for name, values in rows.items()})
        single = model.generate(alone, torch.tensor(prompts[b : b + 1]), config, [7 + b]).tokens
        assert torch.equal(found[b, :n], single[0])
        assert torch.equal(single[0, : prompts[b]], rows["codec_ssl"][b][: prompts[b], own])


@pytest.mark.parametrize(
    ("target", "name"),
    [(ACOUSTIC, name) for name in ACOUSTIC_CONDITIONS]
    + [(SEMANTIC, name) for name in SEMANTIC_CONDITIONS],
)
def test_a_condition_that_is_left_out_cannot_change_anything(target, name):
    model, rows, stream = build(target), utterances(), STREAMS[name]
    others = [v.clone() for v in utterances(1)[stream]]
    if name == "semantic":
        for other, codes in zip(others, rows[stream], strict=True):
            other[:, 1:] = codes[:, 1:]
    batches = [Batch.of(**rows), Batch.of(**(rows | {stream: others}))]
    torch.manual_seed(3)
    draw = model.generator.draw(torch.tensor(LENGTHS), max(LENGTHS))
    for without, same in (((), False), ((name,), True)):
        found = [
            model.generator.loss(
                model.codes(batch), batch.lengths("codec_ssl"), model.steering(batch, without), draw
            ).hidden
            for batch in batches
        ]
        assert torch.equal(*found) == same


@pytest.mark.parametrize("target", [SEMANTIC, ACOUSTIC])
def test_finite_gradients_reach_every_parameter(target):
    model, rows = build(target).train(), utterances()
    for seed in range(4):
        torch.manual_seed(seed)
        model.loss(Batch.of(**rows)).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_options_that_do_not_exist_are_named():
    with pytest.raises(ValueError, match="target 'mel'"):
        MaskedModel("mel", SIZES, MaskedConfig(), {})
    with pytest.raises(UserError, match="unknown condition 'tune'"):
        MaskedModel(ACOUSTIC, SIZES, MaskedConfig(), {"tune": {}})
    with pytest.raises(UserError, match="mask_schedule 'tan' is none of"):
        parse_config(MaskedConfig, {"mask_schedule": "tan"}, "test.yaml")
    with pytest.raises(UserError, match="network: unknown key 'depth'"):
        parse_config(MaskedConfig, {"network": {"depth": 3}}, "test.yaml")
