"""What every vocoder of this package is: log-mel, and F0 where it is used, to samples."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from espnet2_ext.audio.mel import MelConfig


class AbsVocoder(nn.Module, ABC):
    """A generator from features at ``mel.hop_length`` to a waveform.

    Attributes:
        mel: The configuration of its input.
        uses_f0: Whether `forward` looks at `f0`.
        context_frames: Frames on either side that one output frame depends on; None when unknown.
        exact_padding: Whether a batch of different lengths gives what each gives alone.
    """

    uses_f0: bool = False
    context_frames: int = 0
    exact_padding: bool = False

    def __init__(self, mel: MelConfig) -> None:
        super().__init__()
        self.mel = mel

    @abstractmethod
    def forward(
        self, mel: Tensor, f0: Tensor, mask: Tensor | None = None, plan: "Tensor | None" = None,
        start_frame: int | None = None,
    ) -> Tensor:  # fmt: skip
        """Generate samples.

        Args:
            mel: Natural-log mel (B, T, n_mels).
            f0: Hz (B, T), 0 where unvoiced; ignored unless `uses_f0`.
            mask: 1 at real frames (B, T), 0 at the padding after them; None when all are real.
            plan: What `plan` said of these frames, for a part of a longer song.
            start_frame: Position of the first frame in its song, which makes the noise repeatable
                and independent of how the song is cut; None draws new noise.

        Returns:
            Samples (B, T * hop_length).
        """

    def plan(self, f0: Tensor) -> Tensor | None:
        """State per frame (B, T, d) that a part of a song cannot know of the rest, if any."""
        return None
