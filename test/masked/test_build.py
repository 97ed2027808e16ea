"""What an untrained generator starts from."""

import torch

from espnet2_ext.conditions.condition import Sizes
from espnet2_ext.masked.build import start_from_codec
from espnet2_ext.masked.config import MaskedConfig, NetworkConfig
from espnet2_ext.masked.model import ACOUSTIC, MaskedModel


def make_model() -> MaskedModel:
    torch.manual_seed(0)
    conditions = {"semantic": {}, "pooled_prompt": {"channels": 8}}
    return MaskedModel(
        ACOUSTIC, Sizes(0, (5, 4, 4), 0, 9), MaskedConfig(NetworkConfig(16, 2, 1)), conditions
    )


def test_codes_and_singers_that_sound_alike_start_alike_and_all_else_as_it_was():
    model, before = make_model(), make_model()
    pairs = torch.randn(2, 2, 6, generator=torch.Generator().manual_seed(0))
    tables = pairs.repeat_interleave(2, 1)  # codes 0 and 1 sound the same, and 2 and 3
    start_from_codec(model, tables - tables.mean(1, keepdim=True))
    codes = "conditions.pooled_prompt.embedding.weight"
    changed = {codes, *(f"generator.{name}.{i}.weight" for name in ("token_emb", "to_logits")
                        for i in range(2))}  # fmt: skip
    was = before.state_dict()
    same = {name for name, value in model.state_dict().items() if torch.equal(value, was[name])}
    assert same == was.keys() - changed
    for name in changed:
        rows = model.state_dict()[name][5 if name == codes else 0 :, :6]  # what the codec has
        torch.testing.assert_close(rows[0::2], rows[1::2])
        assert not torch.allclose(rows[0], rows[2])
    prompt = model.state_dict()[codes]
    torch.testing.assert_close(prompt[:5], 0.3 * was[codes][:5])  # the SSL token tells words
