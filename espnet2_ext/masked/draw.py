"""What a training step of a masked generator shows, and when: each utterance's drawn by itself."""

from dataclasses import dataclass

import torch
from torch import BoolTensor, LongTensor, Tensor

from espnet2_ext.masked.config import MaskedConfig, PromptConfig
from espnet2_ext.masked.schedule import layer_weights, masked_share

_EARLIEST = 1e-5


@dataclass(frozen=True)
class Draw:
    """Prompts, times, layers and masks of a batch.

    Args:
        t: Times (B,) in (0, 1].
        layer: That is masked (B,).
        prompt: Frames whose codes of all layers are seen (B, L).
        mask: Frames whose code of the layer is masked (B, L); nowhere in the prompt.
        no_prefix: Utterances without the prefix (B,).
    """

    t: Tensor
    layer: LongTensor
    prompt: BoolTensor
    mask: BoolTensor
    no_prefix: BoolTensor

    def visible(self, n_layers: int) -> BoolTensor:
        """Codes that are seen (B, L, n_layers)."""
        j = torch.arange(n_layers, device=self.layer.device)
        layer = self.layer[:, None, None]
        known = (j < layer) | ((j == layer) & ~self.mask[..., None])
        return known | self.prompt[..., None]

    def rows(self, index: LongTensor) -> "Draw":
        """What was drawn for the utterances `index` (R,), in that order."""
        return Draw(**{name: value[index] for name, value in vars(self).items()})


def draw(
    lengths: LongTensor,
    frames: int,
    n_layers: int,
    config: MaskedConfig,
    before: LongTensor | None = None,
) -> Draw:
    """Draw for a batch.

    Args:
        lengths: Frames of each utterance (B,), one at least.
        frames: Of the padded batch: L.
        n_layers: Of codes.
        config: Options.
        before: Frames of each prompt (B,); None: drawn.
    """
    B, device = len(lengths), lengths.device
    t = torch.rand(B, device=device).clamp(min=_EARLIEST)
    weights = layer_weights(n_layers, config.layer_weights, config.first_layer)
    layer = torch.multinomial(weights.to(device), B, replacement=True)
    nothing = torch.rand(B, device=device) < config.nothing_dropout
    no_prefix = nothing | (torch.rand(B, device=device) < config.prefix_dropout)
    places = torch.arange(frames, device=device)
    if before is None:
        before = draw_prompt_lengths(lengths, config.prompt)
    around = torch.rand(B, device=device) < config.prompt.around
    after = torch.minimum(draw_prompt_lengths(lengths, config.prompt), lengths - before - 1)
    after = lengths - after.masked_fill(~around, 0)
    prompt = (places < before[:, None]) | ((places >= after[:, None]) & (places < lengths[:, None]))
    prompt = prompt & ~nothing[:, None]
    p = masked_share(t, config.mask_schedule).clamp(min=config.least_masked)
    return Draw(t, layer, prompt, draw_mask(prompt, lengths, p), no_prefix)


def draw_prompt_lengths(lengths: LongTensor, options: PromptConfig) -> LongTensor:
    """Frames of each utterance's prompt (B,); 0 where it is left out."""
    shortest = (options.shortest_share * lengths).long().clamp(max=options.shortest_frames)
    longest = (options.longest_share * lengths).long()
    span = (longest - shortest).clamp(min=0) + 1
    drawn = shortest + (torch.rand(len(lengths), device=lengths.device) * span).long()
    drawn = torch.minimum(torch.minimum(drawn, longest), lengths - 1)
    gone = torch.rand(len(lengths), device=lengths.device) < options.dropout
    return drawn.masked_fill(gone, 0)


def draw_mask(prompt: BoolTensor, lengths: LongTensor, p: Tensor) -> BoolTensor:
    """Mask each frame outside the prompt with probability p (B,); at least one (B, L)."""
    places = torch.arange(prompt.size(1), device=prompt.device)
    free = (places < lengths[:, None]) & ~prompt
    noise = torch.rand(prompt.shape, device=prompt.device)
    first = noise.masked_fill(~free, torch.inf).argmin(1, keepdim=True)
    return free & ((noise < p[:, None]) | (places == first))
