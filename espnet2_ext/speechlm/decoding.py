"""Batched decoding: a light loop over the Hugging Face decoder, keys and values preallocated."""

from dataclasses import dataclass

import torch
from torch import LongTensor, Tensor
from transformers.cache_utils import Cache

from espnet2_ext.speechlm.model import Conditions, SpeechLM
from espnet2_ext.speechlm.sampling import DecodingConfig, choose


@dataclass(frozen=True)
class Decoded:
    """Tokens of a batch.

    Args:
        tokens: Local codes, one (F, nq) per utterance.
        scores: Mean log-likelihood of a code under the model, untempered (B,).
    """

    tokens: list[LongTensor]
    scores: Tensor


class PreallocatedCache(Cache):
    """Keys and values of all positions in one tensor per layer, written in place.

    `rows` limits it to the first utterances of the batch: those that are still being decoded.
    """

    def __init__(self, max_positions: int) -> None:
        super().__init__(layers=[])
        self.max_positions, self.length, self.rows = max_positions, 0, None
        self._stored: dict[int, tuple[Tensor, Tensor]] = {}

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: object, **_: object
    ) -> tuple[Tensor, Tensor]:
        B, heads, n, width = key_states.shape
        if layer_idx not in self._stored:
            shape = (B, heads, self.max_positions, width)
            self._stored[layer_idx] = (key_states.new_empty(shape), value_states.new_empty(shape))
        end = self.length + n
        keys, values = self._stored[layer_idx]
        keys[:B, :, self.length : end] = key_states
        values[:B, :, self.length : end] = value_states
        return keys[:B, :, :end], values[:B, :, :end]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.length

    def get_query_offset(self, layer_idx: int = 0) -> int:
        return self.length

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        return self.length + query_length, 0


class _Decoder:
    """Hidden state of the newest position, with or without a cache.

    Args:
        model: Speech LM.
        pads: Positions of padding before each sequence (B,).
        max_positions: Most positions of a sequence.
        use_cache: Keep keys and values.
    """

    def __init__(
        self, model: SpeechLM, pads: LongTensor, max_positions: int, use_cache: bool
    ) -> None:
        self.backbone = model.corelm.backbone
        self.flash = model.corelm.attention == "flash_attention_2"
        self.pads, self.padded = pads, bool(pads.any())
        self.cache = PreallocatedCache(max_positions) if use_cache else None
        self.seen: Tensor | None = None
        self.length = 0

    def __call__(self, embedded: Tensor) -> Tensor:
        """Feed positions (B, n, d); B may fall from call to call, the first rows staying."""
        B, n, _ = embedded.shape
        self.length += n
        if self.cache is None:
            past = None if self.seen is None else self.seen[:B]
            embedded = embedded if past is None else torch.cat([past, embedded], dim=1)
            self.seen, n = embedded, self.length
        positions = torch.arange(self.length - n, self.length, device=embedded.device)
        positions = positions[None]
        if self.padded:
            positions = (positions - self.pads[:B, None]).clamp(min=0)
        hidden = self.backbone(
            inputs_embeds=embedded,
            attention_mask=self._mask(B, n),
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=self.cache is not None,
        ).last_hidden_state[:, -1]
        if self.cache is not None:
            self.cache.length = self.length
        return hidden

    def _mask(self, B: int, n: int) -> Tensor:
        keys = torch.arange(self.length, device=self.pads.device)
        if self.flash:
            return (keys >= self.pads[:B, None]).long()
        if n == 1 and not self.padded:
            return keys.new_ones(1, 1, 1, self.length, dtype=torch.bool)
        queries = torch.arange(self.length - n, self.length, device=self.pads.device)[:, None]
        seen = (keys <= queries) & (keys >= self.pads[:B, None, None])
        # a position of padding sees itself: a row without any key would be NaN
        return (seen | (keys == queries))[:, None]


@torch.no_grad()
def decode(
    model: SpeechLM,
    conditions: Conditions,
    lengths: LongTensor,
    uniform: Tensor,
    config: DecodingConfig,
) -> Decoded:
    """Decode a batch.

    Args:
        model: Speech LM, in evaluation mode.
        conditions: Of the batch; rows in order of falling length.
        lengths: Frames of each utterance (B,), not rising; the most frames where the length is
            free.
        uniform: Numbers of [0, 1) for the choices (B, max frames + nq, nq).
        config: Options.
    """
    core, nq, pad = model.corelm, model.vocabulary.nq, model.vocabulary.pad
    device, B, F = model.device, len(lengths), int(lengths[0])
    prefix_lengths = [len(p) for p in conditions.prefixes]
    s = max(prefix_lengths)
    pads = torch.tensor([s - n for n in prefix_lengths], device=device)
    tokens = torch.full((B, s + F + nq, nq), pad, device=device)
    for b, prefix in enumerate(conditions.prefixes):
        tokens[b, s - len(prefix) : s] = prefix
    heads, bias = core.head_table()
    if config.fixed_length:
        bias[0, -1] = float("-inf")
    eos = heads.size(-1) - 1
    at_frame = None
    if conditions.score is not None:
        at_frame = model.score_head(conditions.score).unflatten(-1, (nq, -1))  # (B, S, nq, d)
        S = at_frame.size(1)
    decoder = _Decoder(model, pads, s + F + nq, config.use_cache)
    streams = torch.arange(nq, device=device)
    offsets, ends = model.offsets, lengths.to(device, copy=True)
    log_likelihood = torch.zeros(B, device=device)
    finished = torch.zeros(B, dtype=torch.bool, device=device)
    position, rows = s, torch.arange(B, device=device)
    for j in range(F + nq - 1):
        if config.fixed_length:
            # rows whose last stream has been decoded leave the batch
            B = int((lengths + nq - 1 > j).sum())
        elif bool((finished & (j >= ends + nq - 1)).all()):
            break
        first = 0 if j == 0 else position - 1
        places = torch.arange(first, position, device=device)[:, None] - streams
        inputs = tokens[:B, places.clamp(min=0), streams].masked_fill(places < 0, pad)
        condition = None
        if at_frame is not None:
            condition = torch.zeros(B, position - first, core.d_model, device=device)
            condition = condition.to(at_frame.dtype)
            if j < S:
                condition[:, -1] = conditions.score[:B, j]
        hidden = decoder(core.embed(inputs, condition))  # (B, d)
        frames = j - streams  # the frame that each stream predicts now
        h = hidden[:, None].expand(B, nq, -1)
        if at_frame is not None:
            shown = at_frame[:B, frames.clamp(0, S - 1), streams]
            outside = ((frames < 0) | (frames >= S))[:, None]
            seen = torch.where(outside, model.score_head.bias.unflatten(0, (nq, -1)), shown)
            h = h + seen
        logits = torch.einsum("bqd,qdk->bqk", h, heads).float() + bias
        if not config.fixed_length and j == 0:
            logits[:, 0, eos] = float("-inf")
        drawn = logits
        if config.score_weight > 0 and at_frame is not None:
            # the model without its history: what the score alone says, as history dropout trains it
            alone = torch.einsum("bqd,qdk->bqk", seen, heads).float() + bias
            w = config.score_weight
            drawn = (1 - w) * logits.log_softmax(-1) + w * alone.log_softmax(-1)
            drawn[:, 0, eos] = logits.log_softmax(-1)[:, 0, eos]
        codes = choose(drawn, uniform[:B, j], config)
        live = (frames >= 0) & (frames < ends[:B, None])
        if not config.fixed_length:
            ended = live[:, 0] & (codes[:, 0] == eos)
            ends[:B] = torch.where(ended, j, ends[:B])
            finished |= ended | (ends <= j + 1)
            live = live & (frames < ends[:B, None])
        chosen = logits.log_softmax(-1).gather(-1, codes[..., None]).squeeze(-1)
        log_likelihood[:B] += torch.where(live, chosen, 0.0).sum(-1)
        write = (s + frames).clamp(min=0)
        kept = tokens[:B, write, streams]
        tokens[:B, write, streams] = torch.where(live, codes + offsets, kept)
        over = rows[:B][ends[:B] == j]
        tokens[over, s + j, 0] = model.vocabulary.sos_eos
        position += 1
    done = [tokens[b, s : s + n] - offsets for b, n in enumerate(ends.tolist())]
    return Decoded(done, log_likelihood / (ends * nq))
