"""`MaskedTokens`: codes of every frame, predicted from those that are not masked.

One generator serves both stages of MaskGCT: text to semantic tokens (one layer of codes, phones as
a prefix) and semantic to acoustic tokens (N layers, conditions on the tokens' clock). A training
step masks one layer: layers below it are seen, those above it only in the prompt.

Source: Wang et al. 2024 (MaskGCT, arXiv 2409.00750), section 3.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import BoolTensor, LongTensor, Tensor, nn
from torch.nn import functional as F

from espnet2_ext.masked.config import MaskedConfig
from espnet2_ext.masked.draw import Draw, draw
from espnet2_ext.masked.steering import Steering
from espnet2_ext.networks.bidirectional import BidirectionalLlama

NO_CODE = float("-inf")


@dataclass(frozen=True)
class Predicted:
    """What a training step computed.

    Args:
        loss: Mean cross entropy over the masked frames.
        accuracy: Share of the masked frames whose likeliest code is the true one.
        logits: Of the masked layer (B, L, K); -inf on codes that its layer does not have.
        hidden: States that the logits are of (B, L, d).
        draw: Prompt, time, layer and mask.
    """

    loss: Tensor
    accuracy: Tensor
    logits: Tensor
    hidden: Tensor
    draw: Draw


class MaskedTokens(nn.Module):
    """Masked generator.

    Parameters have MaskGCT's names, but for those of its text-to-semantic model (`maskgct`).

    Args:
        codes: Codes of each layer (N,).
        config: Options.
    """

    def __init__(self, codes: Sequence[int], config: MaskedConfig) -> None:
        super().__init__()
        N, d = len(codes), config.network.width
        if config.first_layer >= N:
            raise ValueError(f"first_layer {config.first_layer} is not below {N}")
        self.codes, self.config = tuple(codes), config
        network = config.network
        self.layer_emb = nn.Embedding(N, d) if config.layer_embedding else None
        self.mask_emb = nn.Embedding(1, d)
        self.token_emb = nn.ModuleList(nn.Embedding(k, d) for k in codes)
        self.to_logits = nn.ModuleList(nn.Linear(d, k) for k in codes)
        for table in (self.layer_emb, self.mask_emb, *self.token_emb):
            if table is not None:
                nn.init.normal_(table.weight, std=d**-0.5)
        self.diff_estimator = BidirectionalLlama(
            d,
            network.heads,
            network.n_layers,
            network.expansion,
            network.checkpointing,
            network.dropout,
        )

    def draw(self, lengths: LongTensor, frames: int) -> Draw:
        """Draw prompts, times, layers and masks of a batch, each utterance's by itself.

        Args:
            lengths: Frames of each utterance (B,).
            frames: Of the padded batch: L.
        """
        return draw(lengths, frames, len(self.codes), self.config)

    def embed(
        self, tokens: LongTensor, visible: BoolTensor, layers: Iterable[int] | None = None
    ) -> Tensor:
        """Sum over layers of codes' embeddings (B, L, d).

        Args:
            tokens: Codes (B, L, N).
            visible: Where they are seen (B, L, N); elsewhere the mask's embedding stands.
            layers: That are summed; None: all.
        """
        total = self.mask_emb.weight.new_zeros(*tokens.shape[:2], self.mask_emb.embedding_dim)
        for i in range(len(self.codes)) if layers is None else layers:
            codes = tokens[..., i].masked_fill(~visible[..., i], 0)
            embedded = self.token_emb[i](codes)
            total = total + torch.where(visible[..., i, None], embedded, self.mask_emb.weight[0])
        return total

    def conditioned(self, frames: Tensor | None, layer: LongTensor) -> Tensor | float:
        """What is added to the embeddings of tokens while `layer` (B,) is masked (B, L or 1, d)."""
        cond = frames
        if self.layer_emb is not None:
            embedded = self.layer_emb(layer)[:, None]
            cond = embedded if cond is None else cond + embedded
        return 0.0 if cond is None else self.diff_estimator.cond_mlp(cond)

    def hidden(
        self, tokens: LongTensor, lengths: LongTensor, steering: Steering, draw: Draw
    ) -> Tensor:
        """Hidden states of the frames (B, L, d).

        Args:
            tokens: Codes (B, L, N); on padding any that there is.
            lengths: Frames of each utterance (B,).
            steering: Conditions.
            draw: What is seen, and when.
        """
        L = tokens.size(1)
        x = self.embed(tokens, draw.visible(len(self.codes)))
        x = x + self.conditioned(steering.frames, draw.layer)
        mask = torch.arange(L, device=tokens.device) < lengths[:, None]
        steering = steering.without_prefix(draw.no_prefix)
        if steering.prefix is not None:
            x = torch.cat([self.diff_estimator.cond_mlp(steering.prefix), x], 1)
            mask = torch.cat([steering.prefix_mask, mask], 1)
        return self.diff_estimator(x, draw.t, mask)[:, -L:]

    def logits(self, hidden: Tensor, layer: LongTensor) -> Tensor:
        """Logits (B, L, K) of hidden states (B, L, d) for each utterance's layer (B,)."""
        K = max(self.codes)
        found = hidden.new_full((*hidden.shape[:2], K), NO_CODE)
        for i, head in enumerate(self.to_logits):  # all of them: each has a gradient, if of 0
            rows = (layer == i).nonzero()[:, 0]
            of_layer = F.pad(head(hidden[rows]), (0, K - self.codes[i]), value=NO_CODE)
            found = found.index_copy(0, rows, of_layer.to(found.dtype))
        return found

    def loss(
        self,
        tokens: LongTensor,
        lengths: LongTensor,
        steering: Steering,
        draw: Draw | None = None,
        weight: Tensor | None = None,
    ) -> Predicted:
        """Cross entropy of the masked codes.

        Args:
            tokens: Codes (B, L, N); on padding any that there is.
            lengths: Frames of each utterance (B,).
            steering: Conditions.
            draw: Prompt, time, layer and mask; None: drawn.
            weight: Of the frames' losses (B,) or (B, L); 0 leaves an utterance or a frame out.
        """
        draw = self.draw(lengths, tokens.size(1)) if draw is None else draw
        hidden = self.hidden(tokens, lengths, steering, draw)
        return self.predicted(hidden, tokens, lengths, draw, weight)

    def predicted(
        self,
        hidden: Tensor,
        tokens: LongTensor,
        lengths: LongTensor,
        draw: Draw,
        weight: Tensor | None = None,
    ) -> Predicted:
        """Logits and loss of hidden states (B, L, d); arguments as `loss`'s."""
        B, L, _ = tokens.shape
        logits = self.logits(hidden, draw.layer)
        target = tokens.gather(2, draw.layer[:, None, None].expand(B, L, 1)).squeeze(2)
        real = torch.arange(L, device=tokens.device) < lengths[:, None]
        counted = (draw.mask & real).to(hidden.dtype)
        if weight is not None:
            counted = counted * weight.reshape(B, -1)
        total = counted.sum().clamp(min=torch.finfo(torch.float32).tiny)
        loss = (self._cross_entropy(logits, target, draw.layer) * counted).sum() / total
        right = (logits.argmax(-1) == target).to(counted.dtype)
        return Predicted(loss, (right * counted).sum() / total, logits, hidden, draw)

    def _cross_entropy(self, logits: Tensor, target: LongTensor, layer: LongTensor) -> Tensor:
        """Of each frame (B, L), smoothed over the codes that its layer has."""
        log_prob = logits.float().log_softmax(-1)
        loss = -log_prob.gather(2, target[..., None]).squeeze(2)
        smoothing = self.config.label_smoothing
        if not smoothing:
            return loss
        sizes = torch.tensor(self.codes, device=layer.device)[layer]
        there = torch.arange(logits.size(-1), device=layer.device) < sizes[:, None]
        uniform = -log_prob.masked_fill(~there[:, None], 0.0).sum(-1) / sizes[:, None]
        return (1 - smoothing) * loss + smoothing * uniform
