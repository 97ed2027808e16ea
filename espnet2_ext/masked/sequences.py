"""The sequences that a step of decoding gives the network, and what guidance makes of them.

An utterance is a sequence of prefix, prompt and target. With guidance it is a second one too, which
lacks some parts. All sequences lie end to end (`networks.packed`), and so do all targets.
"""

import torch
from torch import LongTensor, Tensor
from torch.nn.functional import embedding, one_hot

from espnet2_ext.masked.generator import MaskedTokens
from espnet2_ext.masked.options import PREFIX, PROMPT, MaskedDecoding
from espnet2_ext.masked.steering import Steering
from espnet2_ext.masked.task import Task
from espnet2_ext.networks.packed import PackedLlama


class Sequences:
    """The codes of a batch while its layers are decoded; arguments as `decoding.decode`'s.

    Frames of targets are named by their place among those of the layer's utterances, which are the
    utterances that do not have all of its codes.

    Attributes:
        rows: Utterances of the layer.
        free: How many frames of each are to be decoded.
        network: Packed.
    """

    def __init__(
        self,
        model: MaskedTokens,
        task: Task,
        steering: Steering,
        unguided: Steering | None,
        config: MaskedDecoding,
    ) -> None:
        task.check(len(model.codes), model.config.first_layer)
        self.model, self.task, self.config = model, task, config
        dtype = torch.bfloat16 if config.bfloat16 else None
        self.network = PackedLlama(model.diff_estimator, dtype)
        L, device = task.tokens.size(1), task.tokens.device
        frame = torch.arange(L, device=device)
        self._is_prompt = frame < task.prompts[:, None]
        self._is_target = (frame < task.lengths[:, None]) & ~self._is_prompt
        self._given = self._is_target[..., None].expand(task.tokens.shape)
        self._given = self._given & (False if task.fixed is None else task.fixed)
        self._tokens = task.tokens.masked_fill(~(self._given | self._is_prompt[..., None]), 0)
        self._prompts, self._lengths = task.prompts.tolist(), task.lengths.tolist()
        self._probabilities: dict[int, Tensor] = {}
        self._branches = [_Branch(model, steering, True, True)]
        if config.guidance:
            without = set(config.without)
            self._branches.append(
                _Branch(model, unguided or steering, PREFIX not in without, PROMPT not in without)
            )

    def begin(self, layer: int) -> LongTensor:
        """Start on a layer of codes: the frames that are masked at first."""
        self.layer = layer
        self._free = self._is_target & ~self._given[..., layer]
        counts = self._free.sum(1).tolist()
        self.rows = [b for b, n in enumerate(counts) if n]
        self.free = [counts[b] for b in self.rows]
        if not self.rows:
            return self._free.new_zeros(0, dtype=torch.long)
        target = self._is_target[self.rows]
        self._place = target.nonzero()  # row and frame of each place
        self._of = self._place[:, 0]
        self._lay_end_to_end(self._embedded())
        self._table = torch.cat([self.model.token_emb[layer].weight, self.model.mask_emb.weight])
        self._codes = self._tokens[self.rows][target][:, layer]
        masked = self._free[self.rows][target].nonzero()[:, 0]
        self.hide(masked)
        return masked

    def _embedded(self) -> Tensor:
        """Embeddings (rows, L, d) of all codes but those of this layer in the target."""
        model, tokens = self.model, self._tokens[self.rows]
        prompt = self._is_prompt[self.rows, :, None]
        j = torch.arange(len(model.codes), device=tokens.device)
        # layers below are known, of those above what is given
        known = (j < self.layer) | self._given[self.rows] | prompt
        x = model.embed(tokens, known, [i for i in range(len(j)) if i != self.layer])
        return x + prompt * model.token_emb[self.layer](tokens[..., self.layer])

    def _lay_end_to_end(self, x: Tensor) -> None:
        """Add the conditions to x (rows, L, d), and cut it into the sequences of all branches."""
        conditions: dict[int, Tensor | float] = {}
        pieces, lengths, wanted = [], [], []
        layer = torch.full((len(self.rows),), self.layer, device=x.device)
        for branch in self._branches:
            frames = branch.steering.frames
            if id(frames) not in conditions:
                own = None if frames is None else frames[self.rows]
                conditions[id(frames)] = self.model.conditioned(own, layer)
            inputs = x + conditions[id(frames)]
            for row, b in enumerate(self.rows):
                begin, end = self._prompts[b], self._lengths[b]
                parts = [*branch.prefix(b), inputs[row, 0 if branch.prompt else begin : end]]
                pieces += parts
                lengths.append(sum(map(len, parts)))
                wanted.append(end - begin)
        self._static = torch.cat(pieces)
        self._layout = self.network.layout(lengths, wanted)
        ends = torch.tensor(lengths).cumsum(0).tolist()
        spans = [torch.arange(end - n, end) for end, n in zip(ends, wanted, strict=True)]
        self._last = torch.cat(spans).to(x.device)

    def hide(self, masked: LongTensor) -> None:
        """Mask frames again."""
        self._codes[masked] = len(self._table) - 1

    def reveal(self, masked: LongTensor, codes: LongTensor) -> None:
        """Put codes into masked frames."""
        self._codes[masked] = codes

    def guided(self, modulation: Tensor, masked: LongTensor) -> Tensor:
        """Hidden states of masked frames (M, d), guided.

        e' = e + w (e - e_u), scaled by r std(e) / std(e') + 1 - r; the spread is that of all frames
        of an utterance's target.

        Args:
            modulation: Of the norms at this step's time.
            masked: The frames.
        """
        tokens = embedding(self._codes, self._table)
        x = self._static.index_add(0, self._last, tokens.repeat(len(self._branches), 1))
        hidden = self.network(x, modulation, self._layout)
        if len(self._branches) == 1:
            return hidden[masked]
        e, e_u = hidden.chunk(2)
        guided = e + self.config.guidance * (e - e_u)
        r = self.config.rescale
        scale = r * self._spread(e) / self._spread(guided) + 1 - r
        return guided[masked] * scale[self._of[masked], None].to(guided.dtype)

    def _spread(self, states: Tensor) -> Tensor:
        """Standard deviation of each utterance's states (len(rows),)."""
        sums = torch.stack([states.sum(-1), states.square().sum(-1)], 1).double()
        sums = sums.new_zeros(len(self.rows), 2).index_add(0, self._of, sums)
        n = torch.bincount(self._of, minlength=len(self.rows)) * states.size(-1)
        variance = (sums[:, 1] - sums[:, 0].square() / n) / (n - 1)
        return variance.clamp(min=torch.finfo(torch.float32).tiny).sqrt()

    def keep(self, masked: LongTensor, probabilities: Tensor) -> None:
        """Remember the probabilities of masked frames' codes (M, K of the layer)."""
        if self.layer not in self._probabilities:
            B, L, _ = self._tokens.shape
            self._probabilities[self.layer] = probabilities.new_zeros(B, L, max(self.model.codes))
        row, frame = self._place[masked].unbind(1)
        row = torch.tensor(self.rows, device=row.device)[row]
        self._probabilities[self.layer][row, frame, : probabilities.size(1)] = probabilities

    def finish(self) -> None:
        """Take the layer's codes over."""
        row, frame = self._place.unbind(1)
        row = torch.tensor(self.rows, device=row.device)[row]
        self._tokens[row, frame, self.layer] = self._codes

    def decoded(self) -> LongTensor:
        """All codes (B, L, N); zeros on padding."""
        return self._tokens

    def probabilities(self) -> Tensor:
        """Of all codes (B, L, N, K): as they were kept, and 1 for those that were given."""
        found = one_hot(self._tokens, max(self.model.codes)).float()
        for layer, kept in self._probabilities.items():
            free = self._is_target & ~self._given[..., layer]
            found[:, :, layer] = torch.where(free[..., None], kept, found[:, :, layer])
        return found


class _Branch:
    """One of the two sequences of every utterance."""

    def __init__(
        self, model: MaskedTokens, steering: Steering, with_prefix: bool, prompt: bool
    ) -> None:
        self.steering, self.prompt, self._prefix = steering, prompt, None
        if with_prefix and steering.prefix is not None:
            self._prefix = model.diff_estimator.cond_mlp(steering.prefix)

    def prefix(self, b: int) -> list[Tensor]:
        """What stands before an utterance: one tensor (S, d), or none."""
        return [] if self._prefix is None else [self._prefix[b][self.steering.prefix_mask[b]]]
