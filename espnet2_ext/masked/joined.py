"""A prompt and what is sung after it, as one sequence on the clock of the tokens.

The prompt is a stretch of another utterance of the singer (stream ``prompt``), or, as in MaskGCT,
the first frames of the same one (`own_prompt`). Nobody has a score of a prompt, so that all columns
of its score frames are `DROPPED`: midi, which conditions know as an unknown pitch, and phone,
phone index and note index, which would tell what the prompt sings.
"""

from dataclasses import dataclass

import torch
from torch import BoolTensor, LongTensor, Tensor

from espnet2_ext.data.batch import Batch
from espnet2_ext.data.streams import DROPPED
from espnet2_ext.masked.config import PromptConfig
from espnet2_ext.masked.draw import draw_prompt_lengths

TARGET_STREAMS = ("codec_ssl", "score_frames")


@dataclass(frozen=True)
class Stretch:
    """A part of each prompt.

    Args:
        begin: First frame (B,).
        length: Frames (B,); 0: no prompt.
    """

    begin: LongTensor
    length: LongTensor


@dataclass(frozen=True)
class Joined:
    """Prompts and targets, each target directly after its prompt, and padding at the end.

    Args:
        batch: ``codec_ssl`` (B, P + L, nq) and, where the batch had them, ``score_frames``
            (B, P + L, 4); ``prompt`` is the part that stands there; other streams as they were.
        prompts: Frames of each prompt (B,).
        n_target: Frames of the longest target: L.
    """

    batch: Batch
    prompts: LongTensor
    n_target: int

    @property
    def n_frames(self) -> int:
        """Frames of the padded sequences: at most P + L."""
        return self.batch["codec_ssl"].size(1)

    @property
    def is_prompt(self) -> BoolTensor:
        """Frames of prompts (B, P + L)."""
        frames = torch.arange(self.n_frames, device=self.prompts.device)
        return frames < self.prompts[:, None]

    @property
    def target_lengths(self) -> LongTensor:
        """Frames of each target (B,)."""
        return self.batch.lengths("codec_ssl") - self.prompts

    @property
    def is_target(self) -> BoolTensor:
        """Frames of targets, on their own clock (B, L)."""
        frames = torch.arange(self.n_target, device=self.prompts.device)
        return frames < self.target_lengths[:, None]

    def rows(self, index: LongTensor) -> "Joined":
        """The sequences `index` (R,), in that order."""
        return Joined(self.batch.rows(index), self.prompts[index], self.n_target)

    def of_target(self, values: Tensor) -> Tensor:
        """Values of all frames (B, P + L, ...) to those of the targets (B, L, ...).

        Behind a target's end there is whatever its sequence has there, or its last frame.
        """
        frames = torch.arange(self.n_target, device=values.device) + self.prompts[:, None]
        return _taken(values, frames.clamp(max=values.size(1) - 1))

    def behind_prompts(self, values: Tensor) -> Tensor:
        """Values of the targets (B, L, ...) to all frames (B, P + L, ...); elsewhere 0 or False."""
        frames = torch.arange(self.n_frames, device=values.device) - self.prompts[:, None]
        inside = (frames >= 0) & (frames < self.target_lengths[:, None])
        taken = _taken(values, frames.clamp(0, values.size(1) - 1))
        return taken.masked_fill(~_wide(inside, taken), 0)


def _wide(mask: Tensor, values: Tensor) -> Tensor:
    return mask.view(*mask.shape, *(1,) * (values.dim() - 2))


def _taken(values: Tensor, frames: LongTensor) -> Tensor:
    """values[b, frames[b, t]] of (B, F, ...)."""
    return values.gather(1, _wide(frames, values).expand(*frames.shape, *values.shape[2:]))


def join(batch: Batch, stretch: Stretch | None = None) -> Joined:
    """Put each utterance's prompt before it; without a stream ``prompt``, none.

    Training and inference both do it here.

    Args:
        batch: ``codec_ssl`` (B, L, nq) and perhaps ``score_frames`` (B, L, 4), of targets;
            ``prompt`` (B, P, nq).
        stretch: The part of each prompt that is used; None: all of it.
    """
    lengths = batch.lengths("codec_ssl")
    L = batch["codec_ssl"].size(1)
    if "prompt" not in batch:
        return Joined(batch, torch.zeros_like(lengths), L)
    if stretch is None:
        there = batch.lengths("prompt")
        stretch = Stretch(torch.zeros_like(there), there)
    prompt, prompts = batch["prompt"], stretch.length
    P = prompt.size(1)
    frames = torch.arange(int((prompts + lengths).max()), device=lengths.device)
    is_prompt, real = frames < prompts[:, None], frames < (prompts + lengths)[:, None]
    in_target = P + frames - prompts[:, None]
    source = torch.where(is_prompt, stretch.begin[:, None] + frames, in_target)
    part = torch.arange(max(1, int(prompts.max())), device=lengths.device)
    cut = _taken(prompt, (stretch.begin[:, None] + part).clamp(max=P - 1))
    streams: dict[str, Tensor] = {
        "prompt": cut.masked_fill((part >= prompts[:, None])[..., None], 0),
        "prompt_lengths": prompts,
    }
    for name in TARGET_STREAMS:
        if name not in batch:
            continue
        target = batch[name]
        before = prompt if name == "codec_ssl" else target.new_full((len(target), P, 1), DROPPED)
        whole = torch.cat([before.to(target.dtype).expand(-1, -1, target.size(2)), target], 1)
        joined = _taken(whole, source.clamp(max=whole.size(1) - 1))
        streams[name] = joined.masked_fill(~real[..., None], 0)
        streams[f"{name}_lengths"] = prompts + lengths
    return Joined(batch.having(**streams), prompts, L)


def own_prompt(batch: Batch, prompts: LongTensor) -> Batch:
    """Make each utterance's first frames its stream ``prompt``, and the rest its target.

    Args:
        batch: ``codec_ssl`` and perhaps ``score_frames`` of whole utterances.
        prompts: Frames of each prompt (B,), fewer than its utterance has.
    """
    lengths = batch.lengths("codec_ssl") - prompts
    n_target = int(lengths.max())
    frames = torch.arange(n_target, device=prompts.device)
    real = frames < lengths[:, None]
    codes = batch["codec_ssl"]
    first = torch.arange(max(1, int(prompts.max())), device=prompts.device) < prompts[:, None]
    streams: dict[str, Tensor] = {
        "prompt": codes[:, : first.size(1)].masked_fill(~first[..., None], 0),
        "prompt_lengths": prompts,
    }
    for name in TARGET_STREAMS:
        if name in batch:
            values = batch[name]
            source = (frames + prompts[:, None]).clamp(max=values.size(1) - 1)
            streams[name] = _taken(values, source).masked_fill(~real[..., None], 0)
            streams[f"{name}_lengths"] = lengths
    return batch.having(**streams)


def draw_stretches(
    there: LongTensor, targets: LongTensor, config: PromptConfig, half: LongTensor | None = None
) -> Stretch:
    """Draw a stretch of each prompt, as long as `PromptConfig` has it for its target.

    Args:
        there: Frames of each prompt (B,).
        targets: Frames of each target (B,), one at least.
        config: Lengths, and how often there is no prompt.
        half: Of the prompt that the stretch lies in (B,), 0 or 1: stretches of both halves never
            overlap. None: anywhere.
    """
    whole = halves(there, half)
    n = torch.minimum(draw_prompt_lengths(targets, config), whole.length)
    spare = whole.length - n + 1
    return Stretch(whole.begin + (torch.rand(len(n), device=n.device) * spare).long(), n)


def halves(there: LongTensor, half: LongTensor | None = None) -> Stretch:
    """The first or second half of each prompt, or all of it; arguments as `draw_stretches`'."""
    if half is None:
        return Stretch(torch.zeros_like(there), there)
    middle = there // 2
    return Stretch(torch.where(half > 0, middle, 0), torch.where(half > 0, there - middle, middle))
