"""What each stage of the pipeline loses, on the same utterances: vocoder, codec, flow, speech LM.

Every row of the results keeps what the row before it keeps, but for one stage: real audio, its mel
through the vocoder, its tokens through the codec, the same tokens through the flow, and the speech
LM's tokens through the flow.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from espnet2_ext.evaluation.metric import Metric
from espnet2_ext.evaluation.paired import paired_test
from espnet2_ext.evaluation.table import Utterances

Stage = tuple[str, str, str]
STAGES: Sequence[Stage] = (
    ("vocoder", "ground_truth", "vocoder_gt_mel"),
    ("codec", "vocoder_gt_mel", "codec_resynthesis"),
    ("flow", "codec_resynthesis", "gt_tokens+flow2+voc"),
    ("speech LM", "gt_tokens+flow2+voc", "lm+flow2+voc"),
)
"""Stage, the row before it and the row that it is added in."""


@dataclass(frozen=True)
class StageLoss:
    """What one stage costs on one metric, over the same utterances.

    Args:
        stage: "vocoder", "codec", "flow" or "speech LM".
        metric: Name of the metric.
        loss: In the metric's unit, positive for worse; negative where the stage gains.
        ci95: Interval of the loss.
        n_utt: Utterances.
    """

    stage: str
    metric: str
    loss: float
    ci95: tuple[float, float]
    n_utt: int


def attribute(
    systems: Mapping[str, Utterances], metrics: Iterable[Metric], stages: Sequence[Stage] = STAGES
) -> list[StageLoss]:
    """What every stage loses that both of its rows were scored for.

    Args:
        systems: Row of the table to its utterances' scores, of one split.
    """
    losses = []
    for metric in metrics:
        for stage, before, after in stages:
            if before not in systems or after not in systems:
                continue
            test = paired_test(metric, systems[after], systems[before])
            if test is None:
                continue
            sign = 1 if metric.lower_is_better else -1
            low, high = sorted(sign * bound for bound in test.ci95)
            losses.append(
                StageLoss(stage, metric.name, sign * test.difference, (low, high), test.n_utt)
            )
    return losses
