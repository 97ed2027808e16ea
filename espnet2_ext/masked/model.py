"""A masked generator with its conditions: text to semantic tokens, or semantic to acoustic ones.

An utterance's codes are ``codec_ssl`` (B, L, nq): the semantic (SSL) token first, then the N
acoustic ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import BoolTensor, LongTensor, nn

from espnet2_ext.conditions.condition import Sizes
from espnet2_ext.conditions.registry import ConditionSet
from espnet2_ext.data.batch import Batch
from espnet2_ext.masked.config import MaskedConfig
from espnet2_ext.masked.decoding import Decoded, decode
from espnet2_ext.masked.draw import Draw
from espnet2_ext.masked.generator import MaskedTokens, Predicted
from espnet2_ext.masked.noise import Noise
from espnet2_ext.masked.options import MaskedDecoding
from espnet2_ext.masked.steering import Steering, steer
from espnet2_ext.masked.task import Task

SEMANTIC, ACOUSTIC = TARGETS = ("semantic", "acoustic")


class MaskedModel(nn.Module):
    """Conditions and the codes that they lead to.

    Args:
        target: ``semantic``: the first stream of ``codec_ssl``; ``acoustic``: the others.
        sizes: With the codes of all streams; the width is set here.
        config: Options of the generator.
        conditions: Name -> options. Those on the tokens' clock are added to the tokens, a sequence
            (phones without times) stands before them.
        place: Of the configuration, for errors.

    Raises:
        ValueError: an unknown target.
        UserError: an unknown condition, or an option that it does not have.
    """

    def __init__(
        self,
        target: str,
        sizes: Sizes,
        config: MaskedConfig,
        conditions: Mapping[str, Mapping[str, Any] | None],
        place: str = "config",
    ) -> None:
        super().__init__()
        if target not in TARGETS:
            raise ValueError(f"target {target!r} is none of {', '.join(TARGETS)}")
        self.target = target
        self.sizes = sizes = replace(sizes, width=config.network.width)
        self.conditions = ConditionSet(conditions, sizes, f"{place}: conditions")
        self.generator = MaskedTokens(sizes.codes[self._streams], config)
        self.virtual: nn.Parameter | None = None
        if config.virtual_tokens:
            tokens = torch.randn(config.virtual_tokens, sizes.width) * sizes.width**-0.5
            self.virtual = nn.Parameter(tokens)

    @property
    def _streams(self) -> slice:
        return slice(0, 1) if self.target == SEMANTIC else slice(1, None)

    def codes(self, batch: Batch) -> LongTensor:
        """What the generator predicts (B, L, N)."""
        return batch["codec_ssl"][..., self._streams]

    def filled(self, codec_ssl: LongTensor, predicted: LongTensor | int) -> LongTensor:
        """``codec_ssl`` (..., nq) with what the generator predicted (..., N) in its place."""
        filled = codec_ssl.clone()
        filled[..., self._streams] = predicted
        return filled

    def steering(self, batch: Batch, without: Sequence[str] = ()) -> Steering:
        """The conditions of a batch, some of them left out."""
        found = steer(self.conditions, batch, [name for name in self.conditions if name in without])
        return found if self.virtual is None else found.behind(self.virtual, batch.size)

    def loss(self, batch: Batch, draw: Draw | None = None) -> Predicted:
        """A training step; see `MaskedTokens.loss`."""
        lengths = batch.lengths("codec_ssl")
        return self.generator.loss(self.codes(batch), lengths, self.steering(batch), draw)

    @torch.no_grad()
    def generate(
        self,
        batch: Batch,
        prompts: LongTensor,
        config: MaskedDecoding,
        seeds: Sequence[int],
        fixed: BoolTensor | None = None,
        probabilities: bool = False,
    ) -> Decoded:
        """Decode a batch, in evaluation mode.

        Args:
            batch: What the conditions read, prompt and target one after the other; of ``codec_ssl``
                the target's codes of the generator are not looked at, unless `fixed`.
            prompts: Frames of each prompt (B,).
            config: Options.
            seeds: Of the utterances' noise.
            fixed: Codes of the target that stay as they are (B, L, N).
            probabilities: Also return them.
        """
        task = Task(self.codes(batch), batch.lengths("codec_ssl"), prompts, fixed)
        guided, unguided = self.steering(batch), None
        if config.guidance and set(config.without) & set(self.conditions):
            unguided = self.steering(batch, config.without)
        noise = Noise(seeds)
        return decode(self.generator, task, guided, unguided, config, noise, probabilities)
