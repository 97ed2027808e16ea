"""The report's part on what each stage loses, as table and picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from espnet2_ext.evaluation.attribution import STAGES, StageLoss, attribute
from espnet2_ext.evaluation.comparison import read_utterances
from espnet2_ext.evaluation.measures import EXTRA_METRICS, METRICS
from espnet2_ext.evaluation.plots import encode_figure

PLOTTED = ("f0_corr", "semitone_acc", "vuv_error", "mcd_db", "per", "singer_sim")
PANELS_A_ROW = 3
LOST, GAINED = "#c0504d", "#0b7a75"


@dataclass(frozen=True)
class Cell:
    """A stage's loss on a metric, as the report shows it."""

    value: str
    spread: str


@dataclass(frozen=True)
class Attribution:
    """The part on one split.

    Args:
        split: Its name.
        stages: Column heads.
        rows: Metric's head and number of utterances to the cells, a stage each.
        picture: Bars with intervals, as a WebP picture.
    """

    split: str
    stages: list[str]
    rows: list[tuple[str, list[Cell]]]
    picture: bytes


def read_losses(scores_dir: str | Path, systems: Sequence[str], split: str) -> list[StageLoss]:
    """What each stage loses on a split, from the scores of those systems that are stages' rows."""
    wanted = {row for _, before, after in STAGES for row in (before, after)}
    utts = {
        name: read_utterances(scores_dir, name, split)
        for name in systems
        if name in wanted and (Path(scores_dir) / name / split / "utts").is_dir()
    }
    return attribute(utts, (*METRICS, *EXTRA_METRICS))


def lay_out(split: str, losses: Sequence[StageLoss]) -> Attribution | None:
    """Table and picture of losses; None where there are none."""
    if not losses:
        return None
    stages = [name for name, _, _ in STAGES if any(loss.stage == name for loss in losses)]
    rows = []
    for metric in (*METRICS, *EXTRA_METRICS):
        of_metric = {loss.stage: loss for loss in losses if loss.metric == metric.name}
        if not of_metric:
            continue
        n_utt = max(loss.n_utt for loss in of_metric.values())
        cells = [_cell(of_metric.get(stage), metric.digits) for stage in stages]
        rows.append((f"{metric.head}, {n_utt} utt", cells))
    return Attribution(split, stages, rows, plot_losses(losses, stages))


def _cell(loss: StageLoss | None, digits: int) -> Cell:
    if loss is None:
        return Cell("n/a", "")
    low, high = loss.ci95
    # adding zero turns the -0.0 of equal rows into 0.0
    return Cell(
        f"{loss.loss + 0.0:+.{digits}f}", f"{low + 0.0:+.{digits}f} – {high + 0.0:+.{digits}f}"
    )


def plot_losses(losses: Sequence[StageLoss], stages: Sequence[str]) -> bytes:
    """Bars of the loss by stage with 95% intervals, a panel each for the metrics of `PLOTTED`.

    Returns:
        A WebP picture.
    """
    heads = {m.name: m.head for m in (*METRICS, *EXTRA_METRICS)}
    names = [name for name in PLOTTED if any(loss.metric == name for loss in losses)]
    n_rows = max(1, -(-len(names) // PANELS_A_ROW))
    figure = Figure(figsize=(11, 2.2 * n_rows), layout="constrained")
    grid = figure.subplots(n_rows, PANELS_A_ROW, squeeze=False).flat
    for axes, name in zip(grid, names, strict=False):
        of_metric = [loss for loss in losses if loss.metric == name]
        values = [loss.loss for loss in of_metric]
        spread = [
            [max(0.0, loss.loss - loss.ci95[0]) for loss in of_metric],
            [max(0.0, loss.ci95[1] - loss.loss) for loss in of_metric],
        ]
        places = [stages.index(loss.stage) for loss in of_metric]
        colours = [LOST if value > 0 else GAINED for value in values]
        axes.barh(places, values, xerr=spread, color=colours, height=0.6, capsize=3)
        axes.axvline(0, color="#888888", lw=0.8)
        axes.set_yticks(range(len(stages)), stages)
        axes.set_ylim(len(stages) - 0.5, -0.5)
        axes.set_title(heads[name], fontsize=8)
        axes.tick_params(labelsize=8)
    for axes in list(grid)[len(names) :]:
        axes.set_visible(False)
    return encode_figure(figure)
