"""What a masked generator is asked to decode."""

from dataclasses import dataclass

import torch
from torch import BoolTensor, LongTensor

from espnet2_ext.errors import UserError


@dataclass(frozen=True)
class Task:
    """Utterances of which some codes are given, and the others to be decoded.

    Args:
        tokens: Codes (B, L, N): of the prompts, and where `fixed`; elsewhere any that there are.
        lengths: Frames of each utterance, its prompt among them (B,).
        prompts: Frames of each prompt (B,): they are given, and what guidance leaves out.
        fixed: Further codes that are given (B, L, N), a take around what is to be sung again;
            None: none.
    """

    tokens: LongTensor
    lengths: LongTensor
    prompts: LongTensor
    fixed: BoolTensor | None = None

    def check(self, n_layers: int, first_layer: int) -> None:
        """Refuse shapes that do not fit each other or the model.

        Args:
            n_layers: Of the model's codes.
            first_layer: That it decodes; those below must be given.

        Raises:
            UserError: naming what does not fit.
        """
        B, L, N = self.tokens.shape
        if n_layers != N:
            raise UserError("masked decoding", f"{N} layers of codes", f"{n_layers}", "tokens")
        if self.fixed is not None and self.fixed.shape != self.tokens.shape:
            found = f"shape {tuple(self.fixed.shape)}"
            raise UserError("masked decoding", found, f"{tuple(self.tokens.shape)}", "fixed")
        for name in ("lengths", "prompts"):
            if getattr(self, name).shape != (B,):
                found = f"shape {tuple(getattr(self, name).shape)}"
                raise UserError("masked decoding", found, f"({B},)", name)
        fits = (self.prompts >= 0) & (self.prompts <= self.lengths) & (self.lengths <= L)
        if not bool(fits.all()):
            b = int((~fits).nonzero()[0])
            found = f"utterance {b}: prompt {int(self.prompts[b])}, all {int(self.lengths[b])}"
            raise UserError(
                "masked decoding", found, f"0 <= prompt <= all <= {L} frames", "lengths"
            )
        if first_layer:
            frame = torch.arange(L, device=self.tokens.device)
            target = (frame >= self.prompts[:, None]) & (frame < self.lengths[:, None])
            below = None if self.fixed is None else self.fixed[..., :first_layer].all(2)
            if below is None or bool((target & ~below).any()):
                found, expected = "not given", f"the codes below layer {first_layer}"
                raise UserError("masked decoding", found, expected, "fixed")
