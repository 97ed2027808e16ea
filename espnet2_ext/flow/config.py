"""Options of a flow, apart from its networks."""

from dataclasses import dataclass, field

from espnet2_ext.flow.corruption import CorruptionConfig
from espnet2_ext.flow.features import SpaceConfig
from espnet2_ext.flow.loss import KINDS
from espnet2_ext.flow.own_pitch import OwnPitchConfig
from espnet2_ext.flow.sampler import TIME_SAMPLINGS

RESIDUALS = ("none", "codec", "encoder")
BFLOAT16 = ("auto", "on", "off")


@dataclass(frozen=True)
class FlowConfig:
    """``model_conf`` of a flow, apart from the networks.

    Args:
        space: What is generated.
        own_pitch: Networks of their own for F0 and voicing, which do not see the tokens; None: the
            spectrum's.
        corruption: How training tokens are corrupted; None leaves them alone.
        residual: What the flow adds to: "none" (the paper: all of x_1), "codec" (the codec's own
            mel) or "encoder" (a regression from C, trained beside the flow).
        sigma: Width of the path's end.
        loss: "l2" (eq. 4) or "l1".
        time_sampling: "uniform"; "cosine" as the authors' scripts: more times near the noise; or
            "logit_normal": more in the middle.
        condition_dropout: Probability of training without any condition (C and the singer vector
            each become their learned null), for guidance.
        base_weight: Weight of the regression's loss with ``residual: encoder``.
        sampled_prob: Probability of taking LM-sampled tokens where the data has them.
        corrupt_sampled: Corrupt those too.
        ema_decay: Of the averaged weights that evaluation uses; 0 for none.
        bfloat16: Autocast: "on", "off", or "auto" (CPUs with bfloat16 instructions; on GPUs
            ``use_amp`` decides).
        valid_steps: Euler steps of the samples that validation measures.
    """

    space: SpaceConfig = field(default_factory=SpaceConfig)
    own_pitch: OwnPitchConfig | None = None
    corruption: CorruptionConfig | None = field(default_factory=CorruptionConfig)
    residual: str = "encoder"
    sigma: float = 0.0
    loss: str = "l2"
    time_sampling: str = "uniform"
    condition_dropout: float = 0.1
    base_weight: float = 1.0
    sampled_prob: float = 1.0
    corrupt_sampled: bool = True
    ema_decay: float = 0.999
    bfloat16: str = "auto"
    valid_steps: int = 4

    def __post_init__(self) -> None:
        for name, choices in (
            ("residual", RESIDUALS),
            ("loss", KINDS),
            ("time_sampling", TIME_SAMPLINGS),
            ("bfloat16", BFLOAT16),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} {getattr(self, name)!r} is none of {', '.join(choices)}")
