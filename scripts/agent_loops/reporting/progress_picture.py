"""The picture of a campaign as a PNG: every experiment, the running best and its interval.

Works nothing out: what is drawn is the `chart`. Needs no display.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agent_loops import canvas, display
from agent_loops.decide import CRASH, KEEP, PRUNED
from agent_loops.reporting import chart, chart_labels
from agent_loops.reporting.chart import BASELINE, DISCARD, REHEARSAL, Chart, Point
from agent_loops.reporting.chart_labels import Anchor, Box
from agent_loops.reporting.ledger import OPEN, Ledger

if TYPE_CHECKING:
    from agent_loops.canvas import Axes, Figure

_INK, _DIM, _GREY = "#1b1f24", "#59636e", "#8b949e"
_BLUE, _VERMILION, _OCHRE = "#0072b2", "#d55e00", "#a27c00"  # Okabe and Ito; the last darker
_LABEL_PT = 8.5
_WIDER = 1.1  # than the average font is matplotlib's own
_DRAWN: dict[str, dict[str, Any]] = {
    DISCARD: {"marker": "o", "s": 16, "color": _GREY, "alpha": 0.7, "lw": 0},
    REHEARSAL: {"marker": "D", "s": 18, "facecolor": "none", "edgecolor": _GREY},
    PRUNED: {"marker": "v", "s": 26, "color": _OCHRE, "lw": 0},
    CRASH: {"marker": "x", "s": 26, "color": _VERMILION, "lw": 1.4},
    OPEN: {"marker": "o", "s": 36, "facecolor": "none", "edgecolor": _OCHRE},
    KEEP: {"marker": "o", "s": 42, "color": _BLUE, "edgecolor": "white", "lw": 1},
    BASELINE: {"marker": "o", "s": 42, "facecolor": "white", "edgecolor": _BLUE, "lw": 1.6},
}


def png(ledger: Ledger) -> bytes:
    """The picture, 1560 by 850 pixels."""
    told = chart.of(ledger)
    figure = canvas.new(12, 6.54, dpi=130)
    axes, below = _sheets(figure, len(told.lanes))
    title, counts = _titles(ledger)
    counts += f"   {canvas.written(told.left_out)}" if told.left_out else ""
    figure.suptitle(title, x=0.012, ha="left", fontsize=12.5, color=_INK, parse_math=False)
    axes.set_title(counts, loc="left", fontsize=9, color=_DIM, parse_math=False)
    _levels(axes, told)
    for kind in chart.KINDS:
        _points(axes, told, kind)
    if below is not None:
        _lanes(below, told)
    _axes(axes, below, told, ledger.metric)
    _labels(figure, axes, told)
    return canvas.png(figure)


def _titles(ledger: Ledger) -> tuple[str, str]:
    """What was gained, and what was tried for it."""
    claim, metric, tag = ledger.claim, *map(_short, (ledger.metric, ledger.tag))
    if claim is not None:
        interval = f"{claim.low:.3g} to {claim.high:.3g}"
        sure = "" if claim.low > 0 else ", which may be chance"
        title = f"{metric}: {claim.gain:.3g} better than the baseline{sure} (90%: {interval})"
    elif ledger.gain is not None and ledger.kept:
        title = f"{metric}: {ledger.gain:.3g} better than the baseline, by single readings"
    else:
        title = f"{metric}: nothing gained yet"
    counts, many = ledger.counts, len(ledger.rows)
    told = f"{counts[KEEP]} kept, {counts[DISCARD]} discarded, {counts[CRASH]} crashed"
    return title, f"{tag}   {display.counted(many)}: {told}"


def _short(text: str) -> str:
    return canvas.written(display.clean(text, 60))


def _axes(axes: Axes, below: Axes | None, told: Chart, metric: str) -> None:
    better = "lower" if told.better_is_down else "higher"
    axes.set_xlim(told.first - 0.8, told.last + 0.8)
    axes.set_ylim(told.low, told.high)
    (below or axes).set_xticks(chart.number_ticks(told, 12))
    (below or axes).set_xlabel("experiment", color=_DIM)
    if any(point.y is not None for point in told.points):
        axes.set_ylabel(f"{_short(metric)} ({better} is better)", color=_DIM, parse_math=False)
        figure = axes.get_figure(root=True)
        assert figure is not None
        handles, names = axes.get_legend_handles_labels()
        shown = dict(zip(names, handles, strict=True))
        figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=9,
                      frameon=False, fontsize=8.5, labelcolor=_INK)  # fmt: skip
    else:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "nothing measured yet", ha="center", color=_DIM,
                  transform=axes.transAxes)  # fmt: skip


def _sheets(figure: Figure, lanes: int) -> tuple[Axes, Axes | None]:
    """The plot, and under it what has no value, as far as there is such."""
    if not lanes:
        axes, below = figure.subplots(), None
    else:
        axes, below = figure.subplots(
            2, 1, sharex=True, height_ratios=(1, 0.05 * lanes), gridspec_kw={"hspace": 0.01}
        )
        below.spines[["top", "right", "left"]].set_visible(False)
        below.tick_params(length=0, labelsize=8.5, labelcolor=_DIM)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8.5, labelcolor=_DIM, bottom=not lanes)
    axes.grid(axis="y", color="#e3e7eb", lw=0.8)
    axes.set_axisbelow(True)
    return axes, below


def _levels(axes: Axes, told: Chart) -> None:
    """Baseline, running best and its band, epoch by epoch."""
    for number in told.separators:
        axes.axvline(number - 0.5, color=_GREY, lw=1, ls=(0, (1, 2)))
        axes.annotate("measured anew", (number - 0.5, 1), (4, -4), va="top", fontsize=8, color=_DIM,
                      xycoords=axes.get_xaxis_transform(), textcoords="offset points")  # fmt: skip
    for at, (first, last, level) in enumerate(told.baselines):
        axes.plot([first - 0.5, last + 0.5], [level, level], color=_DIM, lw=1, ls=(0, (5, 4)),
                  label="baseline level" if not at else None)  # fmt: skip
    for at, steps in enumerate(told.steps):
        numbers = [step.number for step in steps] + [steps[-1].number + 0.5]
        values = [step.y for step in steps] + [steps[-1].y]
        axes.step(numbers, values, where="post", color=_BLUE, lw=1.8,
                  label="running best, estimated" if not at else None)  # fmt: skip
        ends = [(step.low, step.high) for step in steps] + [(steps[-1].low, steps[-1].high)]
        known = [low is not None and high is not None for low, high in ends]
        if any(known):
            low, high = ([value if value is not None else 0.0 for value in side]
                         for side in zip(*ends, strict=True))  # fmt: skip
            axes.fill_between(numbers, low, high, where=known, step="post", color=_BLUE, alpha=0.15,
                              lw=0, label="its 90% interval" if not at else None)  # fmt: skip


def _points(axes: Axes, told: Chart, kind: str) -> None:
    found = [point for point in told.points if point.kind == kind and point.y is not None]
    inside = [(point.number, point.y or 0.0) for point in found if not point.beyond]
    if inside:
        name = chart.NAMES[kind]
        numbers, values = zip(*inside, strict=True)
        axes.scatter(numbers, values, zorder=3, label=name, **_DRAWN[kind])
    _beyond(axes, found)


def _beyond(axes: Axes, found: Sequence[Point]) -> None:
    """Triangles at the edge beyond which values lie."""
    for marker, side in (("^", 1), ("v", -1)):
        beyond = [(point.number, point.y or 0.0) for point in found if point.beyond == side]
        if beyond:
            axes.scatter([number for number, _ in beyond], [value for _, value in beyond],
                         marker=marker, s=22, color=_GREY, lw=0, clip_on=False, zorder=3,
                         label="beyond the scale")  # fmt: skip


def _lanes(below: Axes, told: Chart) -> None:
    shown = told.lanes
    for at, kind in enumerate(shown):
        numbers = [point.number for point in told.points if point.kind == kind and point.y is None]
        below.scatter(numbers, [-at] * len(numbers), **_DRAWN[kind])
    below.set_yticks([-at for at in range(len(shown))], [chart.NAMES[kind] for kind in shown])
    below.set_ylim(-len(shown) + 0.4, 0.6)


def _labels(figure: Figure, axes: Axes, told: Chart) -> None:
    """Texts beside the largest wins, placed when the plot has its final size."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # texts must not move the plot that they were placed in
    scale = 72 / figure.dpi
    box = axes.get_window_extent()
    high = box.y1

    def place(number: float, value: float) -> tuple[float, float]:
        x, y = axes.transData.transform((number, value))
        return x * scale, (high - y) * scale

    at = {p.number: place(p.number, p.y) for p in told.points if p.y is not None and not p.beyond}
    anchors = [
        Anchor(row.number, canvas.written(chart.label_of(row)), *at[row.number])
        for row in told.wins
        if row.number in at
    ]
    kinds = {point.number: point.kind for point in told.points}
    kept = [Box(x - 4, y - 4, x + 4, y + 4) for n, (x, y) in at.items() if kinds[n] == KEEP]
    lines = [
        Box(x - 2, min(y, to_y) - 2, to_x + 2, max(y, to_y) + 2)
        for start, level, end, to_level in chart.edges(told)
        for (x, y), (to_x, to_y) in [(place(start, level), place(end, to_level))]
    ]
    area = Box(box.x0 * scale, 0.0, box.x1 * scale, (high - box.y0) * scale)
    dots = [place_ for n, place_ in at.items() if kinds[n] not in (KEEP, BASELINE)]
    for label in chart_labels.place(
        anchors, size=_LABEL_PT * _WIDER, area=area, taken=[*kept, *lines], dots=dots,
        prefer_down=told.better_is_down,
    ):  # fmt: skip
        _write(axes, label, high * scale)


def _write(axes: Axes, label: chart_labels.Label, high: float) -> None:
    """Puts a text where it was placed; `high` is how far up the plot's top is, in points."""
    text_x = label.box.right if label.is_left else label.box.left
    text_y = high - (label.box.top + label.box.bottom) / 2
    points: dict[str, Any] = {"xycoords": "figure points", "parse_math": False, "zorder": 5}
    if label.is_apart:
        to_x, to_y = label.leads_to
        axes.annotate(
            "", (label.x, high - label.y), (to_x, high - to_y), textcoords="figure points",
            arrowprops={"arrowstyle": "-", "color": _GREY, "lw": 0.7, "shrinkA": 0, "shrinkB": 3},
            **points,
        )  # fmt: skip
    axes.annotate(
        label.text, (text_x, text_y), fontsize=_LABEL_PT, color=_INK, va="center",
        ha="right" if label.is_left else "left", path_effects=canvas.halo(2.5), **points,
    )  # fmt: skip
