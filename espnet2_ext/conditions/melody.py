"""The melody: an embedding of each frame's nominal note, as CoMelSinger adds it to its semantics.

Source: Zhao et al. 2026 (CoMelSinger), section III-A: e_c = e_p + e_s.
"""

import torch
from torch import Tensor, nn

from espnet2_ext.conditions.condition import FRAMES, ConditionEncoder, Sizes, register_condition
from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError
from espnet2_ext.score.frames import MIDI_COLUMN

N_MIDI = 128


@register_condition("melody")
class MelodyCondition(ConditionEncoder):
    """Embedded MIDI numbers 0 to 127 of ``score_frames``, 0 being a rest, and "unknown".

    Unknown is the pitch of a frame whose number is negative (`data.streams.DROPPED`), which a
    prompt's frames have: nobody has its score. The same learned row stands where the condition is
    left out, and where there is no score at all.

    Args:
        sizes: Of the condition.
        drop: See `ConditionEncoder`.
        zero_start: Start with zeros, so that a pretrained generator does at first what it did.
    """

    kind, streams = FRAMES, ("score_frames",)

    def __init__(self, sizes: Sizes, drop: float = 0.0, zero_start: bool = False) -> None:
        super().__init__(sizes.width, drop, null=False)
        self.register_parameter("null", None)  # the row of "unknown" is
        self.pitch = nn.Embedding(N_MIDI + 1, sizes.width)
        nn.init.normal_(self.pitch.weight, std=0.0 if zero_start else 1.0)

    @property
    def stand_in(self) -> Tensor:
        """The row of "unknown" (d,)."""
        return self.pitch.weight[N_MIDI]

    def encode(self, batch: Batch, vector: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `ConditionEncoder`.

        Raises:
            UserError: a number above 127.
        """
        mask = batch.mask("score_frames")
        midi = torch.where(mask, batch["score_frames"][..., MIDI_COLUMN], 0)
        if midi.numel() and (highest := int(midi.max())) >= N_MIDI:
            raise UserError("data", f"midi {highest}", "at most 127", "score_frames")
        return self.pitch(torch.where(midi < 0, N_MIDI, midi)), mask
