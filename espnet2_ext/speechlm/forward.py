"""The core LM position by position: with a cache of keys and values, or recomputing all."""

import torch
from torch import LongTensor, Tensor, nn

from espnet2_ext.speechlm.builtin import BuiltinDecoder
from espnet2_ext.speechlm.cache import KeyValueCache
from espnet2_ext.speechlm.corelm import DelayLM
from espnet2_ext.speechlm.lean import LeanDecoder
from espnet2_ext.speechlm.llama import LlamaDecoder


class Recomputed:
    """The backbone over the whole sequence, again for every position: what `Cached` must equal.

    Args:
        core: The multi-stream LM.
        positions: Most positions of a sequence.
    """

    def __init__(self, core: DelayLM, positions: int) -> None:
        core.settle_attention()
        self.backbone, self.positions = core.backbone, positions
        builtin = isinstance(self.backbone, BuiltinDecoder)
        self.flash = core.attention == "flash_attention_2" and not builtin
        self._embedded: Tensor | None = None

    def prefill(self, embedded: Tensor, pads: LongTensor) -> Tensor:
        """Feed the prefix (B, s, d), padded at its start; hidden state of its end (B, d)."""
        self._embedded, self._pads = embedded, pads
        return self._run(embedded, pads)

    def step(
        self, x: Tensor, place: int | LongTensor, positions: LongTensor, mask: Tensor | None
    ) -> Tensor:
        """Feed one position.

        Args:
            x: Embedded (B, d).
            place: In the padded sequence; on the device (1,) where the step is to be captured.
            positions: Those of each sequence, its padding left out (B,).
            mask: Added to the attention's logits (B, 1, 1, keys); None: nothing is hidden.

        Returns:
            Tensor: hidden state (B, d).
        """
        self._embedded = torch.cat([self._embedded, x[:, None]], dim=1)
        return self._run(self._embedded, self._pads)

    def pick(self, rows: slice | LongTensor) -> None:
        """Go on with some of the sequences."""
        self._embedded, self._pads = self._embedded[rows], self._pads[rows]

    def repeat(self, n: int) -> None:
        """Go on with every sequence n times, one after another."""
        self._embedded = self._embedded.repeat_interleave(n, dim=0)
        self._pads = self._pads.repeat_interleave(n)

    def _run(self, embedded: Tensor, pads: LongTensor, **cache: object) -> Tensor:
        places = torch.arange(embedded.size(1), device=embedded.device)
        there = places >= pads[:, None]
        if self.flash:
            mask = there.long()
        else:
            # a position of padding sees itself: a row without any key would be NaN
            mask = (places <= places[:, None]) & (there[:, None] | (places == places[:, None]))
            mask = mask[:, None]
        return self.backbone(
            inputs_embeds=embedded,
            attention_mask=mask,
            position_ids=(places - pads[:, None]).clamp(min=0),
            use_cache=bool(cache),
            **cache,
        ).last_hidden_state[:, -1]


class Cached(Recomputed):
    """The prefix through the backbone, then one position at a time: lean where that is known."""

    def __init__(self, core: DelayLM, positions: int) -> None:
        super().__init__(core, positions)
        self.cache = _cache_for(self.backbone, positions)
        fits = LeanDecoder.fits(self.backbone)
        self._lean = LeanDecoder(self.backbone, positions) if fits else None

    @property
    def capturable(self) -> bool:
        """Whether a step may become a CUDA graph: it is ours, and knows no limit it would check."""
        if isinstance(self.backbone, BuiltinDecoder):
            return self.positions <= self.backbone.n_ctx
        return self._lean is not None

    def prefill(self, embedded: Tensor, pads: LongTensor) -> Tensor:
        return self._run(embedded, pads, past_key_values=self.cache)

    def step(
        self, x: Tensor, place: int | LongTensor, positions: LongTensor, mask: Tensor | None
    ) -> Tensor:
        self.cache.seek(place, None if mask is None else mask.size(-1))
        if self._lean is not None:
            return self._lean(x, positions, mask, self.cache)
        if self.flash:
            mask = None if mask is None else (mask[:, 0, 0] == 0).long()
        elif mask is None:
            mask = x.new_zeros(1, 1, 1, place + 1)
        return self.backbone(
            inputs_embeds=x[:, None],
            attention_mask=mask,
            position_ids=positions[:, None],
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state[:, 0]

    def pick(self, rows: slice | LongTensor) -> None:
        self.cache.pick(rows)

    def repeat(self, n: int) -> None:
        self.cache.repeat(n)


def _cache_for(backbone: nn.Module, positions: int) -> KeyValueCache:
    if isinstance(backbone, BuiltinDecoder | LlamaDecoder):
        return KeyValueCache(positions)
    from espnet2_ext.speechlm.hf_cache import HfKeyValueCache

    return HfKeyValueCache(positions)
