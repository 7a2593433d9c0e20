"""One picture of a run: its loss, layers, updates and time.

Computes nothing that the page does not say. Draws on a `canvas`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_loops import canvas, display
from agent_loops.insight import layers, machine_time
from agent_loops.insight.samples import Samples, latest
from agent_loops.objective import median

_INK, _BLUE, _ORANGE, _GREY = "#222222", "#0072b2", "#d55e00", "#999999"  # Okabe and Ito
_MOST_LAYERS = 24
_TITLE_CHARACTERS = 120
_LARGEST = 1e100  # of what is drawn: an axis needs room beside it


def draw(samples: Samples, place: Path, *, title: str, before: Samples | None = None) -> None:
    """Writes a PNG; `before` is the incumbent's run, drawn in grey beside it.

    Says nothing: a letter that no font has is drawn as a box.
    """
    with canvas.quietly():
        _draw(samples, place, display.clean(title, _TITLE_CHARACTERS), before)


def _draw(samples: Samples, place: Path, title: str, before: Samples | None) -> None:
    figure = canvas.new(11, 7)
    axes = figure.subplots(2, 2)
    figure.suptitle(title, color=_INK, fontsize=12, x=0.01, ha="left", parse_math=False)
    _loss(axes[0][0], samples, before)
    _bars(axes[0][1], _dead(samples), "dead units, share of the layer's", limit=1.0)
    _bars(
        axes[1][0],
        _updates(samples),
        "update / weight in one step (log)",
        log=True,
        band=(1e-3, 1e-2),
    )
    _bars(axes[1][1], _time(samples), "where a step's time goes, share", limit=1.0)
    for row in axes:
        for axis in row:
            axis.spines[["top", "right"]].set_visible(False)
            axis.tick_params(labelsize=8, colors=_INK)
    partial = place.with_suffix(".new.png")
    partial.write_bytes(canvas.png(figure))
    partial.replace(place)


def _loss(axis: Any, samples: Samples, before: Samples | None) -> None:
    axis.set_title("training loss by step", loc="left", fontsize=10)
    for run, colour, name in ((before, _GREY, "incumbent"), (samples, _BLUE, "this run")):
        if run is None or not run.steps:
            continue
        known = [(step.step, step.loss) for step in run.steps if abs(step.loss) < _LARGEST]
        if not known:
            continue
        axis.plot(*zip(*known, strict=True), color=colour, lw=0.5, alpha=0.35)
        axis.plot(*zip(*_smooth(known), strict=True), color=colour, lw=1.6, label=name)
    if samples.steps:
        if axis.lines:
            axis.legend(frameon=False, fontsize=8)
        axis.set_xlabel("step", fontsize=8)
        top = sorted(step.loss for step in samples.steps if abs(step.loss) < _LARGEST)
        if top:
            axis.set_ylim(top=top[int(len(top) * 0.99)] * 1.05)


def _smooth(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    width = max(1, len(points) // 60)
    parts = [points[k : k + width] for k in range(0, len(points), width)]
    return [(part[len(part) // 2][0], median([value for _, value in part])) for part in parts]


def _dead(samples: Samples) -> dict[str, float]:
    return {layer.name: layer.dead_share for layer in latest(samples.layers) if layer.side == "in"}


def _updates(samples: Samples) -> dict[str, float]:
    """Of weights alone, as the scale is logarithmic: norms would crowd them out."""
    return {
        name.removesuffix(".weight"): value
        for name, value in layers.telling_ratios(samples.changes).items()
        if "norm" not in name and value > 0
    }


def _time(samples: Samples) -> dict[str, float]:
    return {name[:-2]: share for name, share in machine_time.shares(samples.phases).items()}


def _bars(
    axis: Any,
    values: Mapping[str, float],
    title: str,
    *,
    limit: float | None = None,
    log: bool = False,
    band: tuple[float, float] | None = None,
) -> None:
    axis.set_title(title, loc="left", fontsize=10)
    names = [name for name, value in values.items() if abs(value) < _LARGEST][:_MOST_LAYERS]
    if not names:
        axis.text(0.5, 0.5, "not sampled", ha="center", transform=axis.transAxes, color=_GREY)
        axis.set_xticks([])
        axis.set_yticks([])
        return
    if band is not None:
        axis.axvspan(*band, color=_BLUE, alpha=0.12, lw=0)
        outside = [not band[0] / 3 <= values[name] <= band[1] * 2 for name in names]
    else:
        outside = [values[name] > 0.3 and limit is not None and "dead" in title for name in names]
    colours = [_ORANGE if out else _BLUE for out in outside]
    axis.barh(range(len(names)), [values[name] for name in names], color=colours, height=0.7)
    axis.set_yticks(range(len(names)), names, fontsize=7, parse_math=False)
    axis.invert_yaxis()
    if log:
        axis.set_xscale("log")
    if limit is not None:
        axis.set_xlim(0, limit)
