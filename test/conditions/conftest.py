"""Batches of every stream that a condition reads, drawn by the table of streams."""

from collections.abc import Callable

import pytest
import torch

from espnet2_ext.conditions.condition import ConditionEncoder, Sizes
from espnet2_ext.conditions.registry import ConditionSet, conditions, streams_read
from espnet2_ext.data.batch import Batch
from espnet2_ext.data.streams import CODES, EMBEDDING, SCORE, STREAMS, TEXT, TOKEN

SIZES = Sizes(width=8, codes=[8, 16, 16], embed_dim=5, n_phones=3)
TIMBRE_DIM = 192
NAMED = {"state_dim": 3584}  # widths that have a name


def draw(name: str, n_frames: int, generator: torch.Generator) -> torch.Tensor:
    """A stream of an utterance of `n_frames` token frames; others have lengths of their own."""
    stream = STREAMS[name]
    own = n_frames if stream.clock == TOKEN else int(torch.randint(2, 9, (), generator=generator))
    if stream.kind == EMBEDDING:
        return torch.randn(TIMBRE_DIM, generator=generator)
    if stream.kind == TEXT:
        return torch.randint(32, 100, (own,), generator=generator)
    if stream.kind == CODES:
        return torch.randint(8, (own, 3), generator=generator)
    if stream.kind == SCORE:
        phone = torch.arange(own) // 3
        midi = torch.randint(55, 70, (own,), generator=generator)
        ids = torch.randint(3, (own,), generator=generator)
        return torch.stack([ids, midi, phone, phone], 1)
    width = [] if stream.width is None else [NAMED.get(stream.width, stream.width)]
    return torch.randn(own, *width, generator=generator)


@pytest.fixture
def make_rows() -> Callable[..., dict[str, list[torch.Tensor]]]:
    """Rows of all streams of utterances, with what a generator's codec makes of their codes."""

    def make(lengths: list[int], seed: int = 0) -> dict[str, list[torch.Tensor]]:
        generator = torch.Generator().manual_seed(seed)
        names = dict.fromkeys(("codec_ssl", *streams_read()))
        rows = {name: [draw(name, n, generator) for n in lengths] for name in names}
        for codes, embedding in (("codec_ssl", "token_embedding"), ("prompt", "prompt_embedding")):
            rows[embedding] = [torch.randn(len(c), 5, generator=generator) for c in rows[codes]]
        return rows

    return make


def build(name: str, drop: float = 0.5, seed: int = 0) -> ConditionEncoder:
    """A condition that can be left out, by its name alone."""
    torch.manual_seed(seed)
    option = "dropout" if name == "pooled_prompt" else "drop"
    encoder = ConditionSet({name: {option: drop}}, SIZES, "test")[name]
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return encoder


@pytest.fixture(params=sorted(conditions()))
def name(request) -> str:
    """Of each condition that is registered."""
    return request.param


def batch_of(rows: dict[str, list[torch.Tensor]]) -> Batch:
    return Batch.of(**rows)
