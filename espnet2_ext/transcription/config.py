"""What a transcription model is built and trained with: the YAML's ``model_conf``."""

from dataclasses import dataclass, field

REDUCTIONS = ("mean", "sum")
FARTHEST = 2**0.5
"""Euclidean distance of two distributions that are sure of different pitches: none is larger."""


@dataclass(frozen=True)
class LossConfig:
    """Weights and open ends of L_SVT, eq. (9).

    Args:
        segment: Weight of L_seg, eq. (7).
        duration: Weight of L_dur, eq. (8).
        delta: Margin of L_seg, of which the paper does not say the value: from this Euclidean
            distance between neighbouring distributions on, a change of note costs nothing.
        reduction: "mean": L_seg over pairs of frames, and L_dur over notes, each relative to the
            note's length; "sum": the printed sums of an utterance, which grow with its length.
        label_smoothing: Of the cross entropy.
        onset: Weight of the onsets' cross entropy, where the model has them.
    """

    segment: float = 0.5
    duration: float = 0.3
    delta: float = 1.0
    reduction: str = REDUCTIONS[0]
    label_smoothing: float = 0.0
    onset: float = 1.0

    def __post_init__(self) -> None:
        if self.reduction not in REDUCTIONS:
            raise ValueError(f"reduction {self.reduction!r} is none of {', '.join(REDUCTIONS)}")
        if not 0 < self.delta <= FARTHEST:
            raise ValueError(f"delta {self.delta} is not above 0 and at most the root of 2")
        if min(self.segment, self.duration, self.onset) < 0:
            raise ValueError("a negative weight of a loss")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing {self.label_smoothing} is not from 0 to below 1")


@dataclass(frozen=True)
class TranscriptionConfig:
    """The network, by default of the paper's size, and its losses.

    Args:
        n_layers: Transformer layers.
        width: Their hidden size.
        n_heads: Their attention heads, a divisor of `width`.
        feedforward: Width of their inner layers.
        code_dim: Size of a code's embedding.
        position_kernel: Frames, an odd number, of the convolution that tells positions.
        dropout: In training.
        codec_start: Embeddings begin as the codec's own, which sets `code_dim`.
        truncate: Share of utterances that lose their finer codebooks in training, as a generator
            that is at a coarse one has no codes of these yet.
        onset: Also say where notes and their vowels begin: pitches alone cannot tell a repeated
            note, and a written note begins with its vowel, not with the consonants before it.
        loss: Of training.
    """

    n_layers: int = 4
    width: int = 512
    n_heads: int = 8
    feedforward: int = 2048
    code_dim: int = 64
    position_kernel: int = 31
    dropout: float = 0.1
    codec_start: bool = False
    truncate: float = 0.0
    onset: bool = False
    loss: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self) -> None:
        sizes = (self.n_layers, self.width, self.n_heads, self.feedforward, self.code_dim)
        if min(sizes) < 1 or self.width % self.n_heads:
            raise ValueError(f"a width of {self.width} for {self.n_heads} heads")
        if self.position_kernel < 1 or self.position_kernel % 2 == 0:
            raise ValueError(f"position_kernel {self.position_kernel} is not an odd number")
        if not (0 <= self.dropout < 1 and 0 <= self.truncate <= 1):
            raise ValueError("dropout or truncate is no share")
