"""The score's pitch: what the paper's Flow2 has beyond its Flow1."""

from torch import Tensor, nn

from espnet2_ext.conditions.condition import FRAMES, ConditionEncoder, Sizes, register_condition
from espnet2_ext.conditions.pitch_features import PITCH_FEATURES, pitch_features
from espnet2_ext.data.batch import Batch
from espnet2_ext.score.frames import MIDI_COLUMN

RICH, RAW = PITCH_KINDS = ("rich", "raw")


@register_condition("pitch")
class PitchCondition(ConditionEncoder):
    """Nominal notes through one layer.

    Args:
        sizes: Of the condition.
        features: "rich" (level, changes, rests), or "raw": the MIDI number, as the authors.
        drop: See `ConditionEncoder`.
    """

    kind, streams = FRAMES, ("score_frames",)

    def __init__(self, sizes: Sizes, features: str = RICH, drop: float = 0.0) -> None:
        super().__init__(sizes.width, drop, null=False)
        if features not in PITCH_KINDS:
            raise ValueError(f"features {features!r} is none of {', '.join(PITCH_KINDS)}")
        self.features = features
        self.linear = nn.Linear(PITCH_FEATURES if features == RICH else 1, sizes.width)

    def encode(self, batch: Batch, vector: Tensor | None = None) -> tuple[Tensor, Tensor]:
        midi, mask = batch["score_frames"][..., MIDI_COLUMN], batch.mask("score_frames")
        if self.features == RICH:
            return self.linear(pitch_features(midi, mask)), mask
        return self.linear(midi[..., None].float()), mask
