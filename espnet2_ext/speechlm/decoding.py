"""Batched decoding: sequences of any lengths, all streams of a step at once.

Step j predicts frame j - q of stream q (delay interleaving) from position s + j - 1, s the prefix's
length. The prefix is fed once and its keys and values are shared by an utterance's candidates;
sequences leave the batch when they are done. On a GPU a step is one CUDA graph.
"""

from dataclasses import dataclass

import torch
from torch import LongTensor, Tensor

from espnet2_ext.speechlm.cuda_graph import GraphedStep
from espnet2_ext.speechlm.forward import Cached, Recomputed
from espnet2_ext.speechlm.guide import STEPS, ScoreGuide
from espnet2_ext.speechlm.interleave import delay, undelay
from espnet2_ext.speechlm.model import Conditions, SpeechLM
from espnet2_ext.speechlm.sampling import DecodingConfig, choose

KEYS = 256  # a captured step sees a multiple of it
CHECK_EVERY = 16  # steps between looks at what a GPU has finished


@dataclass(frozen=True)
class Decoded:
    """Tokens of a batch.

    Args:
        tokens: Local codes, one (F, nq) per candidate.
        scores: Mean log-likelihood of a code under the model, untempered (candidates,).
    """

    tokens: list[LongTensor]
    scores: Tensor


@torch.no_grad()
def decode(
    model: SpeechLM,
    conditions: Conditions,
    lengths: LongTensor,
    uniform: Tensor,
    config: DecodingConfig,
) -> Decoded:
    """Decode a batch: every utterance `config.nbest` times, its candidates one after another.

    Args:
        model: Speech LM, in evaluation mode.
        conditions: Of the utterances; in order of falling length.
        lengths: Frames of each utterance (U,), not rising; the most frames where the length is
            free.
        uniform: Numbers of [0, 1) for the choices (U * nbest, max frames + nq, nq).
        config: Options.
    """
    batch, nq = _Batch(model, conditions, lengths, uniform, config), model.vocabulary.nq
    on_gpu = model.device.type == "cuda"
    graph = GraphedStep(batch.step, model.device) if on_gpu and batch.capturable else None
    over = lengths.cpu().repeat_interleave(config.nbest) + nq - 1  # steps of each sequence
    batch.start()
    for j in range(1, batch.steps):
        if not config.fixed_length and (not on_gpu or j % CHECK_EVERY == 0):
            over = batch.ends.cpu() + nq - 1
        if j >= int(over.min()):
            alive = over > j
            n = int(alive.sum())
            if not n:
                break
            # leading rows are a view and cost nothing, except a captured graph
            leading = bool(alive[:n].all())
            if (leading and not on_gpu) or n <= len(over) // 2:
                batch.pick(slice(n) if leading else alive.nonzero()[:, 0].to(model.device))
                over = over[alive]
        batch.look_ahead(j)
        if graph is None:
            batch.step(j)
        else:
            graph(j, key=(batch.seen_keys(j), batch.picked))
    return batch.decoded()


class _Batch:
    """The sequences being decoded; arguments as `decode`'s.

    Attributes:
        steps: Steps of the longest.
        ends: Frames of each (B,); the most there may be until its end is chosen.
        picked: How often sequences have left.
    """

    def __init__(
        self,
        model: SpeechLM,
        conditions: Conditions,
        lengths: LongTensor,
        uniform: Tensor,
        config: DecodingConfig,
    ) -> None:
        self.model, self.core, self.config, n = model, model.corelm, config, config.nbest
        nq, pad, device = model.vocabulary.nq, model.vocabulary.pad, model.device
        self.offsets, self.streams = model.offsets, torch.arange(nq, device=device)
        F, prefix_lengths = int(lengths[0]), [len(p) for p in conditions.prefixes]
        self.steps, self.prefix, self.picked = F + nq - 1, max(prefix_lengths), 0
        # one more than is chosen: an end may follow the last
        tokens = torch.full((len(lengths), self.prefix + F + 1, nq), pad, device=device)
        for row, prefix in zip(tokens, conditions.prefixes, strict=True):
            row[self.prefix - len(prefix) : self.prefix] = prefix
        self.ids = delay(tokens, pad)  # inputs: of the prefix, and chosen
        self.pads = torch.tensor([self.prefix - k for k in prefix_lengths], device=device)
        self.ends = lengths.to(device).repeat_interleave(n)
        self.uniform = uniform
        self.log_likelihood = torch.zeros(len(self.ends), device=device)
        self.rows: LongTensor | None = None  # of the whole, where sequences were copied
        self.heads, self.bias = self.core.head_table()  # (nq, d, K), (nq, K); EOS comes last
        if config.fixed_length:
            self.bias[0, -1] = float("-inf")
        self.guide = None
        if conditions.score is not None:
            score = conditions.score.repeat_interleave(n, dim=0) if n > 1 else conditions.score
            alone = config.score_weight > 0
            self.guide = ScoreGuide(model, score, self.heads, self.bias, alone)
        positions = self.prefix + self.steps - 1
        self.positions = positions + -positions % 8  # rows of masks as fused attention wants them
        self.forward = (Cached if config.use_cache else Recomputed)(self.core, self.positions)
        places, self.padded = torch.arange(self.positions, device=device), bool(self.pads.any())
        hidden = (places < self.pads[:, None])[:, None, None]
        self.padding = torch.zeros(hidden.shape, device=device, dtype=self.heads.dtype)
        self.padding.masked_fill_(hidden, float("-inf"))  # as attention wants a mask

    @property
    def capturable(self) -> bool:
        return self.config.use_cache and self.forward.capturable

    def start(self) -> None:
        """Feed the prefixes, once for all candidates, and choose what follows them."""
        n, s, condition = self.config.nbest, self.prefix, None
        self.look_ahead(0)
        if self.guide is not None:
            condition = self.guide.condition.new_zeros(len(self.pads), s, self.core.d_model)
            condition[:, -1] = self.guide.condition[::n, 0]
        hidden = self.forward.prefill(self.core.embed(self.ids[:, :s], condition), self.pads)
        if n > 1:
            self.forward.repeat(n)
            hidden, self.ids, self.pads, self.padding = (
                t.repeat_interleave(n, dim=0) for t in (hidden, self.ids, self.pads, self.padding)
            )
        self.whole = (self.ids, self.ends, self.log_likelihood)
        if self.config.fixed_length:
            rows = torch.arange(len(self.ids), device=self.ids.device)
            self.ids[rows, s + self.ends, 0] = self.model.vocabulary.sos_eos
        bias = self.bias.clone()
        bias[0, -1] = float("-inf")  # one frame at least
        self._choose(0, hidden, bias)

    def look_ahead(self, j: int) -> None:
        """To be called before each step: the score's part in it and those that follow."""
        if self.guide is not None and j % STEPS == 0:
            self.guide.refill(j)

    def seen_keys(self, j: int) -> int:
        """Keys that a captured step j sees; few different numbers, for each needs a graph."""
        needed = self.prefix + j
        return min(needed + -needed % KEYS, self.positions)

    def step(self, j: int | LongTensor, key: tuple[int, int] | None = None) -> None:
        """Feed what was chosen last, and choose.

        Args:
            j: Step, from 1; on the device (1,) where the step is to be captured.
            key: Of a captured step: how many keys it sees.
        """
        place = self.prefix + j - 1
        inputs, condition = _at(self.ids, place, 1)[:, None], None
        if self.guide is not None:
            condition = _at(self.guide.condition, j % STEPS, 1)[:, None]
        mask = None
        if key is not None:
            keys = torch.arange(key[0], device=self.ids.device)
            mask = self.padding[..., : key[0]].masked_fill(keys > place, float("-inf"))
        elif self.padded:
            mask = self.padding[..., : place + 1]
        x = self.core.embed(inputs, condition)[:, 0]
        self._choose(j, self.forward.step(x, place, place - self.pads, mask), self.bias)

    def _choose(self, j: int | LongTensor, hidden: Tensor, bias: Tensor) -> None:
        """Choose a code for every stream after `hidden` (B, d)."""
        frames = (j - self.streams)[:, None]  # that each stream predicts now
        free, w = not self.config.fixed_length, self.config.score_weight
        if self.guide is not None:
            h = hidden + _at(self.guide.seen, j % STEPS, 2)
        else:
            h = hidden.expand(len(self.streams), -1, -1)
        logits = torch.bmm(h, self.heads).float() + bias[:, None]  # (nq, B, K)
        log_prob = drawn = logits.log_softmax(-1)
        if self.guide is None or self.guide.alone is None:
            drawn = logits
        else:
            drawn = (1 - w) * log_prob + w * _at(self.guide.alone, j % STEPS, 2)
            if free:
                drawn[0, :, -1] = log_prob[0, :, -1]
        codes = choose(drawn, _at(self.uniform, j, 1).T, self.config)  # (nq, B)
        live = (frames >= 0) & (frames < self.ends)
        if free:
            ended = live[0] & (codes[0] == logits.size(-1) - 1)
            self.ends.copy_(torch.where(ended, j, self.ends))
            live = live & (frames < self.ends)
        chosen = log_prob.gather(-1, codes[..., None]).squeeze(-1)
        self.log_likelihood += torch.where(live, chosen, 0.0).sum(0)
        kept = _at(self.ids, self.prefix + j, 1)
        written = torch.where(live.T, codes.T + self.offsets, kept)
        if free:
            over = self.ends == j
            written[:, 0] = torch.where(over, self.model.vocabulary.sos_eos, written[:, 0])
        if isinstance(j, int):
            self.ids[:, self.prefix + j] = written
        else:
            self.ids.index_copy_(1, self.prefix + j, written[:, None])

    def pick(self, rows: slice | LongTensor) -> None:
        """Go on with some of the sequences."""
        self._settle()
        if not isinstance(rows, slice) or self.rows is not None:
            before = (
                torch.arange(len(self.ids), device=rows.device) if self.rows is None else self.rows
            )
            self.rows = before[rows]
        self.ids, self.pads, self.uniform = self.ids[rows], self.pads[rows], self.uniform[rows]
        self.ends, self.log_likelihood = self.ends[rows], self.log_likelihood[rows]
        self.padding = self.padding[rows]
        if self.guide is not None:
            self.guide.pick(rows)
        self.forward.pick(rows)
        self.picked += 1

    def _settle(self) -> None:
        """Copies of sequences go back to where the whole batch is."""
        if self.rows is not None:
            for whole, part in zip(
                self.whole, (self.ids, self.ends, self.log_likelihood), strict=True
            ):
                whole[self.rows] = part

    def decoded(self) -> Decoded:
        """What was chosen."""
        self._settle()
        ids, ends, log_likelihood = self.whole
        codes = undelay(ids[:, self.prefix : -1]) - self.offsets
        tokens = [row[:n] for row, n in zip(codes, ends.tolist(), strict=True)]
        return Decoded(tokens, log_likelihood / (ends * codes.size(2)))


def _at(t: Tensor, index: int | LongTensor, dim: int) -> Tensor:
    """One slice of a dimension; the index may be on the device (1,)."""
    if isinstance(index, int):
        return t.select(dim, index)
    return t.index_select(dim, index).squeeze(dim)
