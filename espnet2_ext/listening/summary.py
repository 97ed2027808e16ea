"""An analysis as Markdown tables and as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from espnet2_ext.files import atomic_path

HEADS = {
    "mos": "MOS (1-5)",
    "mushra": "MUSHRA (0-100)",
    "ab": "Preference",
    "abx": "ABX",
}
DIGITS = {"mos": 2, "mushra": 1}
DPI = 110
INK, RIVAL, NONE = "#0b6e69", "#b6642c", "#c3cad1"


def _text(value: Any) -> str:
    """A cell: what others wrote must not break the table."""
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")


def _number(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"


def _interval(interval: Sequence[float] | None, digits: int) -> str:
    return "n/a" if interval is None else f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}"


def _p(value: float | None) -> str:
    return "n/a" if value is None else "<.001" if value < 0.001 else f"{value:.3f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def _ratings(kind: str, found: Mapping[str, Any]) -> list[str]:
    digits = DIGITS[kind]
    splits = list(found["systems"][0]["splits"])
    rows = [
        [_text(row["system"]), _number(row["mean"], digits),
         _interval(row["ci95_bootstrap"], digits), _interval(row["ci95_t"], digits),
         str(row["n_ratings"]), *(_number(row["splits"].get(s), digits) for s in splits)]
        for row in found["systems"]
    ]  # fmt: skip
    heads = ["system", "mean", "95% bootstrap", "95% t, listeners", "ratings", *map(_text, splits)]
    lines = _table(heads, rows)
    if found["tests"]:
        rows = [
            [_text(f"{t['a']} - {t['b']}"), _number(t["difference"], digits),
             _interval(t["ci95_bootstrap"], digits), _p(t["p"]), _p(t["p_holm"])]
            for t in found["tests"]
        ]  # fmt: skip
        lines += _table(["difference", "mean", "95% bootstrap", "p", "p, Holm"], rows)
    return lines


def _preferences(found: Mapping[str, Any]) -> list[str]:
    rows = [
        [_text(f"{r['a']} : {r['b']}"), f"{r['wins_a']} : {r['wins_b']}", str(r["no_preference"]),
         _number(r["win_rate_a"], 2), _interval(r["ci95_exact"], 2),
         _number(r["preference_a"], 2), _interval(r["ci95_bootstrap"], 2),
         _p(r["p"]), _p(r["p_holm"])]
        for r in found["pairs"]
    ]  # fmt: skip
    heads = ["A : B", "wins", "no preference", "A wins", "95% exact", "A, ties as half",
             "95% bootstrap", "p", "p, Holm"]  # fmt: skip
    return _table(heads, rows)


def _discrimination(found: Mapping[str, Any]) -> list[str]:
    rows = [
        [_text(f"{r['a']} : {r['b']}"), f"{r['right']} of {r['n']}", _number(r["rate"], 2),
         _interval(r["ci95_exact"], 2), _p(r["p"]), _p(r["p_holm"])]
        for r in found["pairs"]
    ]  # fmt: skip
    return _table(["A : B", "right", "share", "95% exact", "p (above chance)", "p, Holm"], rows)


def markdown(analysis: Mapping[str, Any]) -> str:
    """The whole analysis."""
    lines = [f"# {_text(analysis['title'] or 'Listening test')}", ""]
    for kind, found in analysis["kinds"].items():
        lines += [f"## {HEADS[kind]}", ""]
        if kind in DIGITS:
            lines += _ratings(kind, found)
        else:
            lines += _preferences(found) if kind == "ab" else _discrimination(found)
        counted = f"{found['n_listeners']} of {found['n_before_screening']} listeners counted"
        if "alpha" in found:
            counted += f"; Krippendorff's alpha {_number(found['alpha'], 2)}"
        lines += [counted + ".", ""]
    lines += ["## Listeners", ""]
    people = analysis["listeners"]
    checked = [one["headphones_check"] for one in people if one["headphones_check"] is not None]
    counts = f"{len(people)} accepted, {len(analysis['rejected'])} files rejected."
    if checked:
        counts += f" Headphones check passed by {sum(checked)} of {len(checked)}."
    lines += [counts, ""]
    for one in people:
        for kind, reason in one["excluded"].items():
            what = "everything" if kind == "all" else HEADS[kind]
            lines.append(f"- {_text(one['listener'])}: left out of {what}: {_text(reason)}")
    lines += [f"- {_text(r['file'])}: rejected: {_text(r['reason'])}" for r in analysis["rejected"]]
    said = [one for one in people if one["comment"].strip()]
    lines += [f"- {_text(one['listener'])} says: {_text(one['comment'])}" for one in said]
    lines += ["", "Bootstrap: listeners and utterances drawn together, "
              f"{analysis['n_bootstrap']} draws; p: Wilcoxon over listeners' means, exact binomial "
              "for choices.", ""]  # fmt: skip
    return "\n".join(lines)


def _draw_ratings(axes: Axes, kind: str, found: Mapping[str, Any]) -> None:
    rows = found["systems"][::-1]
    for y, row in enumerate(rows):
        if row["ci95_bootstrap"]:
            axes.plot(row["ci95_bootstrap"], [y, y], color=INK, lw=2, solid_capstyle="butt")
        axes.plot(row["mean"], y, "o", color=INK, ms=6, clip_on=False)
    axes.set_yticks(range(len(rows)), [row["system"] for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(*((1, 5) if kind == "mos" else (0, 100)))
    axes.set_xlabel(f"{HEADS[kind]}, mean and 95% bootstrap interval")


def _draw_choices(axes: Axes, kind: str, found: Mapping[str, Any]) -> None:
    rows = found["pairs"][::-1]
    for y, row in enumerate(rows):
        if kind == "ab":
            parts = [(row["wins_a"], INK), (row["no_preference"], NONE), (row["wins_b"], RIVAL)]
        else:
            parts = [(row["right"], INK), (row["n"] - row["right"], NONE)]
        total, left = sum(n for n, _ in parts), 0.0
        for n, colour in parts:
            axes.barh(y, n / total, left=left, color=colour, height=0.6)
            left += n / total
    axes.axvline(0.5, color="black", lw=0.8, ls=":")
    between = " (left)  :  {} (right)" if kind == "ab" else "  :  {}"
    axes.set_yticks(range(len(rows)), [row["a"] + between.format(row["b"]) for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(0, 1)
    axes.set_xlabel("preferred; grey: no preference" if kind == "ab" else "ABX: right answers")


def draw(analysis: Mapping[str, Any], path: str | Path) -> None:
    """Write the picture: one panel for each kind of rating."""
    kinds = analysis["kinds"]
    heights = [1 + 0.4 * len(found.get("systems", found.get("pairs"))) for found in kinds.values()]
    figure = Figure(figsize=(8, sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(kinds), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (kind, found) in zip(panels, kinds.items(), strict=True):
        (_draw_ratings if kind in DIGITS else _draw_choices)(axes, kind, found)
        axes.spines[["top", "right"]].set_visible(False)
        if kind in DIGITS:
            axes.grid(axis="x", alpha=0.3)
    with atomic_path(path) as part:
        figure.savefig(part, dpi=DPI)
