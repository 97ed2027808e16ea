"""Prompts and targets as one sequence."""

import pytest
import torch

from espnet2_ext.data.batch import Batch
from espnet2_ext.data.streams import DROPPED
from espnet2_ext.masked.config import PromptConfig
from espnet2_ext.masked.joined import Stretch, draw_stretches, halves, join, own_prompt
from espnet2_ext.masked.options import MaskedDecoding

from .singers import singer, sung_batch

LENGTHS, PROMPTS = [7, 4, 9], [5, 6, 0]


def rows(batch: Batch, name: str) -> list[torch.Tensor]:
    return [v[:n] for v, n in zip(batch[name], batch.lengths(name), strict=True)]


def stretch(begin, length) -> Stretch:
    return Stretch(torch.tensor(begin), torch.tensor(length))


@pytest.mark.parametrize("part", [None, stretch([1, 2, 0], [3, 4, 0])])
def test_each_target_stands_directly_behind_its_prompt(part):
    batch = sung_batch(LENGTHS, [5, 6, 1])
    joined = join(batch, part)
    part = part or stretch([0, 0, 0], [5, 6, 1])
    assert joined.prompts.tolist() == part.length.tolist()
    for b, (begin, n) in enumerate(zip(part.begin, part.length, strict=True)):
        prompt = rows(batch, "prompt")[b][begin : begin + n]
        codes = torch.cat([prompt, rows(batch, "codec_ssl")[b]])
        assert torch.equal(rows(joined.batch, "codec_ssl")[b], codes)
        unknown = torch.full((n, 4), DROPPED)
        expected = torch.cat([unknown, rows(batch, "score_frames")[b]])
        assert torch.equal(rows(joined.batch, "score_frames")[b], expected)
        assert torch.equal(rows(joined.batch, "prompt")[b], prompt)
        padding = joined.batch["codec_ssl"][b, len(codes) :]
        assert not padding.any()
    assert joined.n_frames == max(int(n) + m for n, m in zip(part.length, LENGTHS, strict=True))
    assert joined.target_lengths.tolist() == LENGTHS


def test_values_go_behind_the_prompts_and_back():
    joined = join(sung_batch(LENGTHS, [5, 6, 1]))
    values = torch.randn(3, 9, 2) * joined.is_target[..., None]
    there = joined.behind_prompts(values)
    assert not there[joined.is_prompt].any() and there.count_nonzero() == values.count_nonzero()
    assert torch.equal(joined.of_target(there) * joined.is_target[..., None], values)
    assert joined.behind_prompts(joined.is_target).dtype == torch.bool
    some = joined.rows(torch.tensor([2, 0]))
    assert torch.equal(some.of_target(there[[2, 0]]), joined.of_target(there)[[2, 0]])


def test_without_prompts_a_batch_stays_as_it_is():
    batch = sung_batch(LENGTHS)
    joined = join(batch)
    assert torch.equal(joined.batch["codec_ssl"], batch["codec_ssl"])
    assert joined.prompts.tolist() == [0, 0, 0] and not joined.is_prompt.any()


def test_first_frames_become_the_prompt():
    batch = sung_batch(LENGTHS)
    split = own_prompt(batch, torch.tensor([3, 1, 0]))
    joined = join(split)
    assert torch.equal(joined.batch["codec_ssl"], batch["codec_ssl"])
    assert split.lengths("codec_ssl").tolist() == [4, 3, 9]
    score = joined.batch["score_frames"]
    assert (score[joined.is_prompt] == DROPPED).all()
    assert torch.equal(score[~joined.is_prompt], batch["score_frames"][~joined.is_prompt])


def test_stretches_of_both_halves_never_overlap():
    torch.manual_seed(0)
    there, targets = torch.tensor([20, 9, 1, 0] * 64), torch.tensor([12, 30, 8, 3] * 64)
    half = torch.randint(2, (256,))
    config = PromptConfig(dropout=0.0)
    a, b = (draw_stretches(there, targets, config, h) for h in (half, 1 - half))
    for one in (a, b):
        assert (one.begin >= 0).all() and (one.begin + one.length <= there).all()
        assert (one.length <= targets // 2).all()
    apart = (a.begin + a.length <= b.begin) | (b.begin + b.length <= a.begin)
    assert (apart | (a.length == 0) | (b.length == 0)).all()
    assert len(set(a.begin[::4].tolist())) > 4 and len(set(a.length[::4].tolist())) > 3
    whole = draw_stretches(there, targets, config)
    assert int((whole.begin + whole.length)[::4].max()) > 10 > int(whole.begin[::4].min())
    both = [halves(there, torch.full((256,), h)) for h in (0, 1)]
    assert torch.equal(both[0].length + both[1].length, there)
    assert torch.equal(both[0].length, both[1].begin)


def test_what_a_prompt_sings_is_not_told():
    """A prompt's score would change nothing: there is no way for it to be seen."""
    model = singer().eval()
    joined = join(sung_batch(LENGTHS, [5, 6, 1]))
    melody = model.conditions["melody"]
    value = melody(joined.batch).value
    assert (value[joined.is_prompt] == melody.stand_in).all()
    assert not (value[~joined.is_prompt] == melody.stand_in).all(-1).any()
    whole = model.loss(joined.batch)
    for b, n in enumerate(joined.batch.lengths("codec_ssl")):
        alone = joined.rows(torch.tensor([b])).batch
        steering = model.steering(alone).frames[0, :n]
        torch.testing.assert_close(steering, model.steering(joined.batch).frames[b, :n])
    assert torch.isfinite(whole.loss)


@pytest.mark.parametrize("virtual_tokens", [0, 3])
def test_a_joined_batch_is_decoded_as_its_utterances_alone(virtual_tokens):
    model = singer(virtual_tokens=virtual_tokens).eval()
    batch = sung_batch(LENGTHS, [5, 6, 1])
    joined = join(batch)
    config = MaskedDecoding(steps=[3, 1], without=["prompt"])
    found = model.generate(joined.batch, joined.prompts, config, [1, 2, 3]).tokens
    assert torch.equal(found[joined.is_prompt], model.codes(joined.batch)[joined.is_prompt])
    sung = joined.of_target(found)
    for b, n in enumerate(LENGTHS):
        alone = join(batch.rows(torch.tensor([b])))
        again = model.generate(alone.batch, alone.prompts, config, [b + 1]).tokens
        assert torch.equal(alone.of_target(again)[0, :n], sung[b, :n])
    unknown = batch["codec_ssl"].clone()
    unknown[..., 1:] = 0  # acoustic codes of the target are not looked at
    other = join(batch.having(codec_ssl=unknown))
    again = model.generate(other.batch, other.prompts, config, [1, 2, 3]).tokens
    assert torch.equal(again, found)
