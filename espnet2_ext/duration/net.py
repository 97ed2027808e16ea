"""The phone-duration network: notes and their neighbours to onset and initial of each note.

The median performance, and, where it is asked for, how far performances lie from it.
"""

import torch
from torch import LongTensor, Tensor, nn

_MIDI_CENTRE, _MIDI_SCALE = 60.0, 12.0
_TEMPO_SCALE = 120.0
_MIN_SEC = 1e-3
ONSET_SCALE_SEC = 0.05  # a typical deviation from the beat


class DurationNet(nn.Module):
    """Convolutions over notes; the padding of a batch changes nothing.

    Args:
        n_phones: Size of the phone list; ids begin at 1.
        channels: Width.
        n_layers: Residual blocks; each lets a note see one more neighbour on either side.
        dropout: In training.
        predict_std: Also predict the standard deviation of each column.
    """

    def __init__(
        self,
        n_phones: int,
        channels: int = 96,
        n_layers: int = 2,
        dropout: float = 0.1,
        predict_std: bool = False,
    ) -> None:
        super().__init__()
        self.initial = nn.Embedding(n_phones + 1, channels)
        self.final = nn.Embedding(n_phones + 1, channels)
        self.numbers = nn.Linear(6, channels)
        self.convs = nn.ModuleList(
            nn.Conv1d(channels, channels, 3, padding=1) for _ in range(n_layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(n_layers))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, 2)
        self.log_std = nn.Linear(channels, 2) if predict_std else None

    def forward(self, notes: Tensor, lengths: LongTensor) -> Tensor:
        """Predict, in the scale of training.

        Args:
            notes (Tensor): Columns of `streams.NOTE_COLUMNS` (B, N, 6).
            lengths (LongTensor): Notes of each score (B,).

        Returns:
            Tensor: Onset / `ONSET_SCALE_SEC`, log of the initial's length in s (B, N, 2); with
                `predict_std` also the logs of their standard deviations (B, N, 4). Their loss
                leaves all other weights alone, so that the median is the same without them.
        """
        initial, final, midi, seconds, slur, tempo = notes.unbind(-1)
        mask = torch.arange(notes.size(1), device=notes.device) < lengths[:, None]
        mask = mask.unsqueeze(-1).to(notes.dtype)
        sung = (midi > 0).to(notes.dtype)
        first = torch.zeros_like(midi)
        first[:, 0] = 1
        numbers = [
            (midi - _MIDI_CENTRE) / _MIDI_SCALE * sung,
            sung,
            seconds.clamp(min=_MIN_SEC).log(),
            slur,
            tempo / _TEMPO_SCALE - 1,
            first,
        ]
        x = self.numbers(torch.stack(numbers, dim=-1))
        x = (x + self.initial(initial.long()) + self.final(final.long())) * mask
        for conv, norm in zip(self.convs, self.norms, strict=True):
            y = conv(norm(x).mul(mask).transpose(1, 2)).transpose(1, 2)
            x = (x + self.dropout(torch.relu(y))) * mask
        if self.log_std is None:
            return self.head(x)
        return torch.cat([self.head(x), self.log_std(x.detach())], dim=-1)

    def predict(
        self, notes: Tensor, lengths: LongTensor, deviation: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Onset relative to the nominal start (s), and length of the initial (s), each (B, N).

        Args:
            notes (Tensor): As in `forward`.
            lengths (LongTensor): As in `forward`.
            deviation: Of each column from its median, in standard deviations (B, N, 2).
        """
        out = self(notes, lengths)
        values = out[..., :2]
        if deviation is not None:
            values = values + deviation * out[..., 2:].exp()
        onset, log_initial = values.unbind(-1)
        return onset * ONSET_SCALE_SEC, log_initial.exp() * (notes[..., 0] > 0)
