"""Phone durations that keep the score's tempo: when each phone ends, relative to its note."""

import torch
from torch import BoolTensor, LongTensor, Tensor, nn

from espnet2_ext.flow.loss import masked_loss
from espnet2_ext.networks.convnext import ConvNeXt

_FRAMES_PER_UNIT = 10.0
_CLOSING_SHARE = 0.45
_NUMBERS = 3


def closes_note(ruled: LongTensor, note_frames: LongTensor) -> BoolTensor:
    """Which phones are the last of their note (B, P).

    ESPnet gives a model no numbers of notes. Its preprocessor divides each note among its phones by
    a rule (``phn_seg``), in which the last phone has half of the note or more and no other has more
    than .4 of it.

    Args:
        ruled: Frames of each phone by that rule (B, P).
        note_frames: Frames of the note of each phone (B, P).
    """
    return ruled >= _CLOSING_SHARE * note_frames


class PhoneEnds(nn.Module):
    """Convolutions over phones.

    The end of a note's last phone is predicted relative to the written end of the note, the end of
    any other phone relative to the note's written start; so errors do not add up over a phrase.

    Args:
        n_phones: Of ESPnet's token list.
        channels: Width.
        n_singers: Numbers of singers.
        n_layers: ConvNeXt blocks.
    """

    def __init__(
        self, n_phones: int, channels: int = 128, n_singers: int = 1, n_layers: int = 2
    ) -> None:
        super().__init__()
        self.phone = nn.Embedding(n_phones, channels)
        self.singer = nn.Embedding(n_singers, channels)
        self.network = ConvNeXt(channels + _NUMBERS, 1, channels, n_layers, kernel_size=5)

    def forward(
        self, phones: LongTensor, note_frames: LongTensor, mask: BoolTensor, sids: LongTensor | None
    ) -> Tensor:
        """Predicted ends in units of 10 frames (B, P).

        Args:
            phones: Phone, MIDI number, index of phone and note (B, P, 4).
            note_frames: Frames of the note of each phone (B, P).
            mask: True on phones that are there (B, P).
            sids: Singers (B, 1); None: one singer.
        """
        phone, midi, _, note = phones.unbind(-1)
        closing = torch.ones_like(mask)
        closing[:, :-1] = note[:, 1:] != note[:, :-1]
        written = (note_frames * closing * mask).cumsum(1)  # of a phone before the last: the start
        numbers = [note_frames.clamp_min(1).log(), closing, midi > 0]
        x = self.phone(phone)
        if sids is not None and self.singer.num_embeddings > 1:
            x = x + self.singer(sids.view(-1))[:, None]
        x = torch.cat([x, *(n[..., None].to(x.dtype) for n in numbers)], -1)
        return written / _FRAMES_PER_UNIT + self.network(x, mask)[..., 0]

    def loss(
        self,
        phones: LongTensor,
        note_frames: LongTensor,
        sung_frames: LongTensor,
        lengths: LongTensor,
        sids: LongTensor | None,
    ) -> Tensor:
        """Mean error of the ends, in units of 10 frames; a scalar.

        Args:
            phones: As `forward` has them.
            note_frames: The same.
            sung_frames: Frames of each phone (B, P).
            lengths: Phones of each utterance (B,).
            sids: As `forward` has them.
        """
        mask = torch.arange(phones.size(1), device=phones.device) < lengths[:, None]
        ends = self(phones, note_frames, mask, sids)
        return masked_loss(ends, sung_frames.cumsum(1) / _FRAMES_PER_UNIT, mask, "l1")

    def inference(
        self, phones: LongTensor, note_frames: LongTensor, sids: LongTensor | None = None
    ) -> LongTensor:
        """Frames of each phone (1, P), one at least."""
        mask = torch.ones_like(note_frames, dtype=torch.bool)
        ends = (self(phones, note_frames, mask, sids) * _FRAMES_PER_UNIT).round()
        index = torch.arange(1, ends.size(1) + 1, device=ends.device)
        ends = (ends - index).clamp_min(0).cummax(1).values + index
        return torch.diff(ends, dim=1, prepend=torch.zeros_like(ends[:, :1])).long()
