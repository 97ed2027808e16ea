"""Vectors of codes that start from the codec's embeddings."""

import pytest
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.speechlm.codec_start import start_from_codec
from espnet2_ext.tasks.speechlm import SpeechLMTask

from .conftest import make_args, make_model


def nearest(rows: torch.Tensor) -> torch.Tensor:
    """Index of each row's nearest other row."""
    distance = torch.cdist(rows.double(), rows.double())
    return distance.fill_diagonal_(float("inf")).argmin(1)


def make_tables(n_codebooks: int, size: int, dim: int = 6) -> torch.Tensor:
    """Codes in pairs that sound nearly alike; later codebooks are finer, as residual ones are."""
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randn(n_codebooks, size // 2, dim, generator=generator)
    tables = pairs.repeat_interleave(2, 1)
    tables = tables + 0.01 * torch.randn(tables.shape, generator=generator)
    tables = tables - tables.mean(1, keepdim=True)
    return tables * 0.5 ** torch.arange(n_codebooks)[:, None, None]


def test_codes_that_sound_alike_start_alike_and_all_else_as_it_was():
    model, before = make_model(), make_model()
    spans = model.corelm.stream_slices[1:]
    size = spans[0][1] - spans[0][0]
    start_from_codec(model, make_tables(len(spans), size))
    pair = torch.arange(size) ^ 1
    for start, end in spans:
        for one, other in (
            (model.corelm.emb.weight, before.corelm.emb.weight),
            (model.corelm.lm_head.weight, before.corelm.lm_head.weight),
        ):
            assert torch.equal(nearest(one[start:end]), pair)
            assert one[start:end].std().item() == pytest.approx(other[start:end].std().item())
    prompt = model.prompt_encoder.embedding.weight[-len(spans) * size :]
    assert torch.equal(nearest(prompt[:size]), pair)
    changed = {"corelm.emb.weight", "corelm.lm_head.weight", "prompt_encoder.embedding.weight"}
    others = before.state_dict()
    same = {name for name, value in model.state_dict().items() if torch.equal(value, others[name])}
    assert same == others.keys() - changed
    first = spans[0][0]
    assert torch.equal(model.corelm.emb.weight[:first], before.corelm.emb.weight[:first])


def test_the_codec_is_needed():
    args = make_args()
    args.model_conf |= {"codec_start": True}
    with pytest.raises(UserError, match="tokenizer_dir: missing .expected a path, for codec_start"):
        SpeechLMTask.build_model(args)
