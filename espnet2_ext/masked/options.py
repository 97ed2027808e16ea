"""Options of iterative decoding."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

PROMPT, PREFIX = "prompt", "prefix"
MAX_STEPS = 1000
MAX_TAKES = 1000


@dataclass(frozen=True)
class MaskedDecoding:
    """How masked tokens are decoded; defaults are those of MaskGCT's semantic-to-acoustic stage.

    Args:
        steps: Of each layer of codes; the last holds for all further layers.
        temperature: Of the codes, at the first step; it falls with the time to 0.
        last_temperature: Of a layer that has one step.
        choice_temperature: Of the noise on the confidence by which frames are kept, at the first
            step; it falls with the time to 0.
        kept_share: Likeliest codes to draw from, as a share of the layer's codes.
        guidance: w in e + w (e - e_u), on hidden states; 0 is off.
        rescale: Share of the guided states that are scaled back to the spread of e.
        without: What e_u lacks: `prompt`, `prefix`, names of conditions.
        seed: Of the noise.
        batch_size: Utterances decoded together.
        bfloat16: Multiply in 16 bits: faster, but a token may then depend on what else is in the
            batch, where two codes are nearly as likely.
        soft: Also give the embeddings that the model expected where it chose its codes, for a codec
            or a flow that reads these.
        nbest: Takes of each utterance; the one that is heard to agree best with the score is kept.
    """

    steps: Sequence[int] = (25, 10, 1)
    temperature: float = 1.5
    last_temperature: float = 0.2
    choice_temperature: float = 1.0
    kept_share: float = 0.02
    guidance: float = 2.5
    rescale: float = 0.75
    without: Sequence[str] = (PROMPT,)
    seed: int = 0
    batch_size: int = 16
    bfloat16: bool = False
    soft: bool = False
    nbest: int = 1

    def __post_init__(self) -> None:
        steps = tuple(self.steps)
        if not steps or not all(type(n) is int and 1 <= n <= MAX_STEPS for n in steps):
            raise ValueError(f"steps {list(steps)} are not each 1 to {MAX_STEPS}")
        for name in ("temperature", "last_temperature", "choice_temperature", "guidance", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} {getattr(self, name)} is negative")
        if not 0 <= self.rescale <= 1:
            raise ValueError(f"rescale {self.rescale} is not 0 to 1")
        if not 0 < self.kept_share <= 1:
            raise ValueError(f"kept_share {self.kept_share} is not above 0 and at most 1")
        if self.batch_size < 1:
            raise ValueError(f"batch_size {self.batch_size} is below 1")
        if not 1 <= self.nbest <= MAX_TAKES:
            raise ValueError(f"nbest {self.nbest} is not 1 to {MAX_TAKES}")

    def steps_of(self, layer: int) -> int:
        """Steps of a layer of codes."""
        return self.steps[min(layer, len(self.steps) - 1)]

    def candidates(self, codes: int) -> int:
        """How many of a layer's codes may be drawn."""
        return min(codes, max(1, math.ceil(self.kept_share * codes - 1e-9)))
