"""What the score adds at each decoding step, worked out for many steps at once."""

import torch
from torch import LongTensor, Tensor

from espnet2_ext.speechlm.model import SpeechLM

STEPS = 32


class ScoreGuide:
    """The synchronous score's part in the steps ahead.

    Args:
        model: Speech LM of the synchronous mode.
        score: Encoded score (B, S, d).
        heads: Of all streams (nq, d, K).
        bias: Of all streams (nq, K).
        alone: Also predict from the score alone, as history dropout trains it.

    Attributes:
        condition: Added to the embeddings that predict step j (B, `STEPS`, d), at j % `STEPS`.
        seen: Added to the hidden state for each stream (nq, B, `STEPS`, d).
        alone: Log-probabilities without the history (nq, B, `STEPS`, K), or None.
    """

    def __init__(
        self, model: SpeechLM, score: Tensor, heads: Tensor, bias: Tensor, alone: bool
    ) -> None:
        self._score, self._head = score, model.score_head
        self._heads, self._bias = heads, bias
        nq, d, K = heads.shape
        B = len(score)
        self.condition = score.new_empty(B, STEPS, d)
        self.seen = score.new_empty(nq, B, STEPS, d)
        self.alone = None
        if alone:
            self.alone = bias.new_empty(nq, B, STEPS, K, dtype=torch.float32)

    def refill(self, j: int) -> None:
        """Work out steps j up to j + `STEPS`; a frame outside the score adds the head's bias."""
        nq, S = len(self._heads), self._score.size(1)
        frames = torch.arange(j - nq + 1, j + STEPS, device=self._score.device)
        outside = (frames < 0) | (frames >= S)
        near = self._score[:, frames.clamp(0, S - 1)]  # (B, STEPS + nq - 1, d)
        self.condition.copy_(near[:, nq - 1 :].masked_fill(outside[nq - 1 :, None], 0.0))
        shown = torch.where(outside[:, None], self._head.bias, self._head(near))
        for q, part in enumerate(shown.chunk(nq, dim=-1)):
            # stream q predicts frame j - q at step j
            self.seen[q] = part[:, nq - 1 - q : nq - 1 - q + STEPS]
        if self.alone is not None:
            logits = torch.bmm(self.seen.flatten(1, 2), self._heads).view_as(self.alone)
            self.alone.copy_((logits.float() + self._bias[:, None, None]).log_softmax(-1))

    def pick(self, rows: slice | LongTensor) -> None:
        """Go on with some of the sequences."""
        self._score, self.condition = self._score[rows], self.condition[rows]
        self.seen = self.seen[:, rows]
        if self.alone is not None:
            self.alone = self.alone[:, rows]
