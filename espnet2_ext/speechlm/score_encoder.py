"""Score encoder: what is sung around every frame, with look-ahead over the whole score."""

from dataclasses import dataclass

import torch
from torch import BoolTensor, LongTensor, Tensor, nn

FRAMES_PER_UNIT = 10.0  # frames are divided by this, to have values near one
NO_MIDI = 128


@dataclass(frozen=True)
class ScoreFeatures:
    """Features of every frame of a batch of scores.

    Args:
        phones: Current, previous and next phone (B, F, 3); 0 none, else phone id + 1.
        midi: Current, previous and next note (B, F, 3); `NO_MIDI` where there is none.
        position: Position in and length of phone and note (B, F, 10).
        mask: True on frames of the score (B, F).
    """

    phones: LongTensor
    midi: LongTensor
    position: Tensor
    mask: BoolTensor

    def parts(self) -> tuple[Tensor, ...]:
        """Phones, midi, position and mask."""
        return self.phones, self.midi, self.position, self.mask


def score_features(score_frames: LongTensor, lengths: LongTensor) -> ScoreFeatures:
    """Derive `ScoreFeatures` from padded score frames.

    Args:
        score_frames: (B, F, 4): phone id, midi, phone index, note index.
        lengths: Frames of each score (B,).
    """
    B, F, _ = score_frames.shape
    t = torch.arange(F, device=score_frames.device).expand(B, F)
    mask = t < lengths[:, None]
    phone, midi, phone_index, note_index = score_frames.masked_fill(~mask[..., None], -1).unbind(-1)
    phone_run, note_run = _run(phone_index, t), _run(note_index, t)
    phones = [phone + 1, *(_neighbour(phone + 1, run, 0) for run in _sides(phone_run))]
    notes = [midi.clamp(min=0), *(_neighbour(midi, run, NO_MIDI) for run in _sides(note_run))]
    notes = [n.masked_fill(n < 0, NO_MIDI) for n in notes]
    position = [x for run in (phone_run, note_run) for x in _position(t, *run)]
    return ScoreFeatures(
        torch.stack(phones, -1), torch.stack(notes, -1), torch.stack(position, -1), mask
    )


def _run(index: LongTensor, t: LongTensor) -> tuple[LongTensor, LongTensor]:
    """First frame of the run of equal `index` that holds each frame, and the frame after it."""
    F = index.size(1)
    change = torch.ones_like(index, dtype=torch.bool)
    change[:, 1:] = index[:, 1:] != index[:, :-1]
    start = torch.where(change, t, 0).cummax(dim=1).values
    following = torch.full_like(t, F)
    following[:, :-1] = torch.where(change, t, F)[:, 1:]
    end = following.flip(1).cummin(dim=1).values.flip(1)
    return start, end


def _sides(run: tuple[LongTensor, LongTensor]) -> tuple[LongTensor, LongTensor]:
    return run[0] - 1, run[1]


def _neighbour(values: LongTensor, frame: LongTensor, none: int) -> LongTensor:
    outside = (frame < 0) | (frame >= values.size(1))
    found = values.gather(1, frame.clamp(0, values.size(1) - 1))
    return found.masked_fill(outside, none)


def _position(t: LongTensor, start: LongTensor, end: LongTensor) -> list[Tensor]:
    since, until, length = t - start, end - t, end - start
    return [
        (since + 0.5) / length,
        since / FRAMES_PER_UNIT,
        until / FRAMES_PER_UNIT,
        torch.log(length.float()),
        torch.exp(-since / 3.0) - torch.exp(-until / 3.0),
    ]


def _lay(values: Tensor, place: LongTensor, size: int) -> Tensor:
    """Put values (n, ...) at their places in (1, size, ...), zero elsewhere."""
    return values.new_zeros(1, size, *values.shape[1:]).index_put(
        (torch.zeros_like(place), place), values
    )


class ConvScoreEncoder(nn.Module):
    """Convolutions over the frames of the score; noncausal, exact under padding.

    Args:
        n_phones: Size of the phone set.
        d_model: Width of the output.
        channels: Width inside.
        layers: Residual blocks.
        kernel_size: Of each block, in frames (odd).
        dropout: Inside the blocks.
    """

    def __init__(
        self,
        n_phones: int,
        d_model: int,
        channels: int = 192,
        layers: int = 3,
        kernel_size: int = 9,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.phone = nn.Embedding(3 * (n_phones + 1), channels)
        self.midi = nn.Embedding(3 * (NO_MIDI + 1), channels)
        self.register_buffer("phone_base", torch.arange(3) * (n_phones + 1), persistent=False)
        self.register_buffer("midi_base", torch.arange(3) * (NO_MIDI + 1), persistent=False)
        self.values = nn.Linear(10 + 3, channels)
        self.singer = nn.Linear(d_model, channels, bias=False)
        self.blocks = nn.ModuleList(_Block(channels, kernel_size, dropout) for _ in range(layers))
        self.reach = kernel_size // 2
        self.norm = nn.LayerNorm(channels)
        self.out = nn.Linear(channels, d_model)
        for embedding in (self.phone, self.midi):
            nn.init.normal_(embedding.weight, std=0.5)

    def forward(
        self,
        score_frames: LongTensor,
        lengths: LongTensor,
        singer: Tensor | None = None,
        packed: bool = False,
    ) -> Tensor:
        """Encode scores.

        Args:
            score_frames: (B, F, 4).
            lengths: Frames of each score (B,).
            singer: Added at every frame (B, d_model).
            packed: Lay the scores end to end, so that nothing is computed for padding.

        Returns:
            Tensor: (B, F, d_model), zero on padding.
        """
        features = score_features(score_frames, lengths)
        singer = None if singer is None else self.singer(singer)[:, None]
        if not packed:
            return self._encode(features, singer)
        # silence between two scores, as wide as a convolution sees
        gap = self.reach
        row, frame = features.mask.nonzero(as_tuple=True)
        place = (lengths + gap).cumsum(0)[row] - lengths[row] - gap + frame
        N = int(lengths.sum()) + gap * len(lengths)
        end_to_end = ScoreFeatures(*(_lay(x[row, frame], place, N) for x in features.parts()))
        if singer is not None:
            singer = _lay(singer[row, 0], place, N)
        encoded = self._encode(end_to_end, singer)[0, place]
        return encoded.new_zeros(*features.mask.shape, encoded.size(-1)).index_put(
            (row, frame), encoded
        )

    def _encode(self, features: ScoreFeatures, singer: Tensor | None) -> Tensor:
        sung = (features.midi > 0) & (features.midi < NO_MIDI)
        height = torch.where(sung, (features.midi - 60) / 12.0, 0.0)
        values = torch.cat([features.position, height], -1).to(self.values.weight.dtype)
        x = self.phone(features.phones + self.phone_base).sum(2)
        x = x + self.midi(features.midi + self.midi_base).sum(2) + self.values(values)
        if singer is not None:
            x = x + singer
        mask = features.mask[..., None].to(x.dtype)
        for block in self.blocks:
            x = block(x, mask)
        return self.out(self.norm(x)) * mask


class _Block(nn.Module):
    def __init__(self, channels: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.conv = nn.Conv1d(channels, channels, kernel_size, padding=kernel_size // 2)
        self.out = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = (self.norm(x) * mask).transpose(1, 2)
        y = nn.functional.gelu(self.conv(y)).transpose(1, 2)
        return x + self.out(self.dropout(y))
