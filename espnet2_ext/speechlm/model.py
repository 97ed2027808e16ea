"""The speech LM as an ESPnet model: conditioning, sequence, core LM, loss on the target."""

from dataclasses import dataclass

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import LongTensor, Tensor, nn
from torch.utils.checkpoint import checkpoint

from espnet2_ext.conditions.condition import FRAMES, SEQUENCE, VECTOR, ConditionEncoder, total
from espnet2_ext.conditions.registry import ConditionSet
from espnet2_ext.data.batch import Batch
from espnet2_ext.device import autocast_as
from espnet2_ext.errors import UserError
from espnet2_ext.speechlm.config import SpeechLMConfig
from espnet2_ext.speechlm.corelm import DelayLM
from espnet2_ext.speechlm.interleave import delay
from espnet2_ext.speechlm.packing import Segments
from espnet2_ext.speechlm.template import SYNCHRONOUS, Assembled, Assembler, template_of
from espnet2_ext.tokenizer.vocabulary import Vocabulary


def stream_sizes(vocabulary: Vocabulary) -> list[int]:
    """Number of codes of each stream."""
    return [end - start for start, end in vocabulary.stream_slices()]


@dataclass(frozen=True)
class Conditions:
    """What a batch is sung from.

    Args:
        prefixes: Global ids before the first target frame, one (s, nq) per utterance.
        score: Encoded score (B, F, d) of the synchronous mode, zero on padding; else None.
    """

    prefixes: list[LongTensor]
    score: Tensor | None


@dataclass(frozen=True)
class Scored:
    """Per-token log-likelihood of a batch.

    Args:
        log_prob: Of the target codes (B, F, nq), 0 on padding.
        eos_log_prob: Of the end after the last frame (B,).
        correct: Whether the likeliest code is the target's (B, F, nq).
        mask: True on target frames (B, F).
    """

    log_prob: Tensor
    eos_log_prob: Tensor
    correct: Tensor
    mask: Tensor


class SpeechLM(AbsESPnetModel):
    """Predict the codec and SSL tokens of singing from a score and a singer's prompt.

    Args:
        vocabulary: Tokens and their places.
        phones: Phone symbols by id.
        corelm: The multi-stream LM.
        config: Options.
        score_encoder: The score as a condition of kind `FRAMES`; synchronous mode only.
        prompt_encoder: The singer, `VECTOR`; synchronous mode only.
        more: Other conditions: frames are added to the score, vectors to the singer; synchronous
            mode only.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        phones: list[str],
        corelm: DelayLM,
        config: SpeechLMConfig,
        score_encoder: ConditionEncoder | None = None,
        prompt_encoder: ConditionEncoder | None = None,
        more: ConditionSet | None = None,
    ) -> None:
        super().__init__()
        self.vocabulary, self.phones, self.config = vocabulary, phones, config
        self.corelm = corelm
        if config.packing:
            corelm.allow_packing()
        self.synchronous = config.conditioning == SYNCHRONOUS
        if self.synchronous != (score_encoder is not None):
            raise ValueError("the synchronous mode, and only it, needs a score encoder")
        if prompt_encoder is not None and not self.synchronous:
            raise ValueError("the prefix mode has no prompt encoder: the prompt is in the prefix")
        if more is not None and (not self.synchronous or more.of_kind(SEQUENCE)):
            raise ValueError("the synchronous mode, and only it, has conditions, but no sequences")
        self.score_encoder, self.prompt_encoder = score_encoder, prompt_encoder
        self.more = more
        if self.synchronous:
            self.score_head = nn.Linear(corelm.d_model, corelm.nq * corelm.d_model)
        self.assembler = Assembler(
            vocabulary,
            template_of(config.task, config.conditioning),
            phones,
            config.svs_placeholder,
            config.condition_pad,
        )

    @property
    def keeps_time(self) -> bool:
        """Whether the target has a frame for each of the score's (speech has its own times)."""
        return self.synchronous or self.config.task == "svs"

    @property
    def device(self) -> torch.device:
        return self.corelm.emb.weight.device

    def collect_feats(self, **batch: Tensor) -> dict[str, Tensor]:
        """Nothing to normalise."""
        return {}

    def forward(self, **streams: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Loss per target frame.

        Args:
            streams: A batch as ESPnet gives it (see `score`).

        Returns:
            tuple: loss, stats (loss and accuracy of every stream), and the number of frames as
            the weight of both.
        """
        scored = self.score(Batch(streams))
        weight = scored.mask.sum().to(scored.log_prob.dtype)
        nll = -scored.log_prob.sum((0, 1)) / weight  # (nq,)
        accuracy = scored.correct.sum((0, 1)) / weight
        eos = -scored.eos_log_prob.sum() / weight
        w = self.config.weights
        loss = w.ssl * nll[0] + w.codec * nll[1:].sum() + w.special * eos
        stats = {
            "loss": loss,
            "nll_ssl": nll[0],
            "nll_codec": nll[1:].mean(),
            "acc": accuracy.mean(),
        }
        stats |= {f"acc_stream{q}": a for q, a in enumerate(accuracy)}
        stats = {k: v.detach() for k, v in stats.items()}
        return force_gatherable((loss, stats, weight), loss.device)

    def score(self, batch: Batch) -> Scored:
        """Log-likelihood of every target token.

        Args:
            batch: ``codec_ssl``, the target's local codes (B, F, nq), and what `conditions` reads.

        Raises:
            UserError: in the synchronous mode, a score is not as long as its target.
        """
        with autocast_as(self.config.autocast, self.device):
            conditions = self.conditions(batch, self.config.packing)
            codes, lengths = batch["codec_ssl"], batch.lengths("codec_ssl")
            scores = batch.lengths("score_frames")
            if self.synchronous and not torch.equal(scores, lengths):
                raise UserError(
                    "score_frames", f"{scores.tolist()} frames",
                    f"{lengths.tolist()}, as codec_ssl, for synchronous conditioning",
                )  # fmt: skip
            sequences = [
                Assembled(torch.cat([p, c[:n] + self.offsets, self.assembler.eos.to(c)]), len(p))
                for p, c, n in zip(conditions.prefixes, codes, lengths.tolist(), strict=True)
            ]
            start = torch.tensor([s.start for s in sequences], device=codes.device)
            hidden, first = self._hidden(sequences, conditions.score, start)
            mask = batch.mask("codec_ssl")
            return self._score(hidden, first + start - 1, conditions.score, codes, mask)

    @property
    def offsets(self) -> LongTensor:
        return self.assembler.offsets.to(self.device)

    def conditions(
        self, batch: Batch, packed: bool = False, max_prompt_frames: int = 0
    ) -> Conditions:
        """Encode score and prompt as the conditioning mode wants them.

        Args:
            batch: ``score_frames`` (B, S, 4): phone id, midi, phone index, note index. ``prompt``,
                if given: local codes of another utterance of each singer (B, P, nq).
                ``svs_frames`` (B, S', 4), if given, stand in the prefix in place of the score's:
                as svs_lb rounds them, where it does so otherwise.
            packed: The score encoder computes nothing for padding.
            max_prompt_frames: Where given, holds in place of the configuration's.
        """
        if "prompt" in batch:
            batch = self._crop(batch, max_prompt_frames or self.config.max_prompt_frames)
        if self.synchronous:
            prefix = self.assembler.prefix(None, None).to(self.device)
            return Conditions([prefix] * batch.size, self._encoded(batch, packed))
        told = "score_frames"
        if "svs_frames" in batch and "svs_lb" in self.assembler.marker:
            told = "svs_frames"
        prefixes = []
        for b, n in enumerate(batch.lengths(told).tolist()):
            cut = None
            if "prompt" in batch:
                cut = batch["prompt"][b, : int(batch.lengths("prompt")[b])].cpu()
            prefix = self.assembler.prefix(batch[told][b, :n].cpu(), cut)
            prefixes.append(prefix.to(self.device))
        return Conditions(prefixes, None)

    def _encoded(self, batch: Batch, packed: bool) -> Tensor:
        """The score of the synchronous mode (B, F, d), sung by the singer of the prompt."""
        score = batch["score_frames"]
        if not self.config.pitch:
            batch = batch.having(score_frames=score * score.new_tensor([1, 0, 1, 1]))
        vectors = []
        if self.prompt_encoder is not None:
            if "prompt" not in batch:
                nothing = score.new_zeros(batch.size, 1, self.vocabulary.nq)
                none = batch.lengths("score_frames").new_zeros(batch.size)
                batch = batch.having(prompt=nothing, prompt_lengths=none)
            vectors.append(self.prompt_encoder(batch))
        if self.more is not None:
            vectors += self.more.encode(VECTOR, batch)
        singer = total(vectors)
        encoded = self.score_encoder(batch, singer, packed=packed).value
        if self.more is not None:
            real = batch.mask("score_frames")[..., None]
            for frames in self.more.encode(FRAMES, batch, vector=singer):
                encoded = encoded + frames.value * real
        return encoded

    def _crop(self, batch: Batch, most: int) -> Batch:
        """Prompts of no more than `most` frames."""
        prompt, lengths = batch["prompt"], batch.lengths("prompt")
        if prompt.size(1) <= most:
            return batch
        spare = (lengths - most).clamp(min=0)
        start = torch.zeros_like(spare)
        if self.training:
            start = (torch.rand(len(spare), device=spare.device) * (spare + 1)).long()
        frames = start[:, None] + torch.arange(most, device=spare.device)
        frames = frames.clamp(max=prompt.size(1) - 1)[..., None].expand(-1, -1, prompt.size(2))
        cut = prompt.gather(1, frames)
        return batch.having(prompt=cut, prompt_lengths=lengths.clamp(max=most))

    def _hidden(
        self, sequences: list[Assembled], score: Tensor | None, start: LongTensor
    ) -> tuple[Tensor, LongTensor]:
        """Hidden states of all positions (N, d), and where each utterance's begin (B,)."""
        tokens = nn.utils.rnn.pad_sequence(
            [s.tokens for s in sequences], batch_first=True, padding_value=self.vocabulary.pad
        )
        if self.training and self.config.token_noise > 0:
            tokens = self._noise(tokens, start)
        inputs = delay(tokens, self.vocabulary.pad)[:, :-1]
        B, T, nq = inputs.shape
        condition = None
        if score is not None:
            # Frame k is predicted from position start + k - 1, the same for all utterances here.
            s = int(start[0])
            condition = nn.functional.pad(score, (0, 0, s - 1, T - (s - 1) - score.size(1)))
        if not self.config.packing:
            hidden = self.corelm.hidden(self.corelm.embed(inputs, condition))
            return hidden.flatten(0, 1), T * torch.arange(B, device=inputs.device)
        segments = Segments.of([len(s.tokens) + nq - 2 for s in sequences], inputs.device)
        condition = None if condition is None else segments.pack(condition)
        hidden = self.corelm.hidden(self.corelm.embed(segments.pack(inputs), condition), segments)
        return hidden[0], segments.first

    def _noise(self, tokens: LongTensor, start: LongTensor) -> LongTensor:
        sizes = torch.tensor(stream_sizes(self.vocabulary), device=tokens.device)
        codes = (torch.rand(tokens.shape, device=tokens.device) * sizes).long() + self.offsets
        t = torch.arange(tokens.size(1), device=tokens.device)
        chosen = torch.rand(tokens.shape[:2], device=tokens.device) < self.config.token_noise
        chosen = chosen & (t >= start[:, None]) & (tokens[..., -1] != self.vocabulary.pad)
        return torch.where(chosen[..., None], codes, tokens)

    def _score(
        self,
        hidden: Tensor,
        place: LongTensor,
        score: Tensor | None,
        codec_ssl: LongTensor,
        mask: Tensor,
    ) -> Scored:
        """Score the targets, at most `loss_chunk` frames at a time.

        Args:
            hidden: Of all positions (N, d).
            place: Where stream 0 of each utterance's first frame is predicted (B,).
            score: As in `Conditions`.
            codec_ssl: Local codes (B, F, nq).
            mask: True on target frames (B, F).
        """
        B, F, nq = codec_ssl.shape
        b, k = mask.nonzero(as_tuple=True)
        heads = [self.corelm.head(q) for q in range(nq)]
        forget = None
        if score is not None and self.training and self.config.history_dropout > 0:
            forget = torch.rand(len(k), 1, device=hidden.device) < self.config.history_dropout
        log_prob = hidden.new_zeros(B, F, nq, dtype=torch.float32)
        correct = torch.zeros(B, F, nq, dtype=torch.bool, device=hidden.device)
        n = self.config.loss_chunk or len(k)
        for i in range(0, len(k), n):
            at = b[i : i + n], k[i : i + n]
            arguments = (hidden, heads, score, place[at[0]] + at[1], at, codec_ssl[at])
            arguments = (*arguments, None if forget is None else forget[i : i + n])
            if n < len(k):
                scored = checkpoint(
                    self._score_frames, *arguments, use_reentrant=False, preserve_rng_state=False
                )
            else:
                scored = self._score_frames(*arguments)
            log_prob[at], correct[at] = scored
        h = hidden[place + mask.sum(1)]
        if score is not None:
            h = h + self.score_head.bias.chunk(nq)[0]
        eos = self.corelm.stream_logits(h, 0, heads[0]).float().log_softmax(-1)[:, -1]
        return Scored(log_prob, eos, correct, mask)

    def _score_frames(
        self,
        hidden: Tensor,
        heads: list[Tensor],
        score: Tensor | None,
        place: LongTensor,
        at: tuple[LongTensor, LongTensor],
        target: LongTensor,
        forget: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Log-likelihood and correctness (n, nq) of `target` (n, nq), frames `at` of the batch."""
        nq = target.size(1)
        at_frame = None if score is None else self.score_head(score[at]).chunk(nq, -1)
        log_prob, correct = [], []
        for q in range(nq):
            h = hidden[place + q]
            h = h if forget is None else h.masked_fill(forget, 0.0)
            h = h if at_frame is None else h + at_frame[q]
            logits = self.corelm.stream_logits(h, q, heads[q]).float()
            nll = nn.functional.cross_entropy(logits, target[:, q], reduction="none")
            log_prob.append(-nll)
            correct.append(logits.detach().argmax(-1) == target[:, q])
        return torch.stack(log_prob, -1), torch.stack(correct, -1)
