"""What the transcription model reads: codes, or what a generator's logits say of them.

Algorithm 1 of CoMelSinger transcribes StopGrad(a_hat), the codes that S2A predicts. As printed, no
gradient of the transcription's loss reaches S2A. `WAYS` has it, and two ways that let it through.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import LongTensor, Tensor


@dataclass(frozen=True)
class PartlyPredicted:
    """Codes of which those of one codebook are predicted, as in masked training.

    Args:
        codes (LongTensor): Known codes (B, L, N); `DROPPED` where there are none, such as in the
            finer codebooks. Those of the predicted codebook are not looked at.
        predicted (Tensor): Codes (B, L) or their distribution (B, L, V), as one of `WAYS` gives.
        codebook (LongTensor): Which is predicted (B,).
        mask: Where it is (B, L); elsewhere the known codes hold. None: everywhere.
    """

    codes: LongTensor
    predicted: Tensor
    codebook: LongTensor
    mask: Tensor | None = None


def stop_gradient(logits: Tensor) -> LongTensor:
    """The likeliest codes (...,) of logits (..., V), as printed: no gradient passes."""
    return logits.argmax(-1)


def expected(logits: Tensor) -> Tensor:
    """Their distribution (..., V): the model reads the expected embedding (soft tokens)."""
    return logits.softmax(-1)


def straight_through(logits: Tensor) -> Tensor:
    """The likeliest codes as one-hot rows (..., V); the gradient is that of the distribution."""
    distribution = logits.softmax(-1)
    hard = F.one_hot(logits.argmax(-1), logits.size(-1)).to(distribution.dtype)
    return hard + distribution - distribution.detach()


WAYS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "stop_gradient": stop_gradient,
    "expected": expected,
    "straight_through": straight_through,
}
