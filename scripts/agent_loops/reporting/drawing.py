"""The chart as lines and places on a sheet of so many pixels, for SVG; pure.

Holds no colours and no markup: those are the template's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agent_loops.decide import CRASH, KEEP, PRUNED
from agent_loops.reporting import chart, chart_labels
from agent_loops.reporting.chart import (
    BASELINE,
    DISCARD,
    REHEARSAL,
    Chart,
    Point,
    Step,
    label_of,
)
from agent_loops.reporting.chart_labels import Anchor, Box, Label
from agent_loops.reporting.ledger import OPEN

_LANE = 20.0
_MARGIN_TOP, _MARGIN_RIGHT, _AXIS = 14.0, 14.0, 30.0
_DOT = 4.5


class Tick(NamedTuple):
    """`at` is in pixels."""

    at: float
    text: str


class Mark(NamedTuple):
    """One point that is drawn by itself."""

    number: int
    kind: str
    x: float
    y: float


class Drawing(NamedTuple):
    """`paths` are SVG path data by kind, `carets` of what lies beyond the limits."""

    width: float
    height: float
    area: Box
    size: float
    paths: dict[str, str]
    carets: str
    marks: tuple[Mark, ...]
    best: str
    band: str
    baselines: str
    separators: tuple[float, ...]
    labels: tuple[Label, ...]
    lanes: tuple[tuple[str, float], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def of(told: Chart, *, width: float, height: float, size: float, most_labels: int) -> Drawing:
    """The chart on a sheet; `size` is that of its letters."""
    lanes_high = _LANE * len(told.lanes)
    if any(point.y is not None for point in told.points):
        y_ticks = chart.ticks(told.low, told.high, max(5, int(height / 42)))
    else:  # there is no scale, and nothing but the lanes
        y_ticks, height = [], _MARGIN_TOP + lanes_high + _AXIS
    names = [*(text for _, text in y_ticks), *(chart.NAMES[kind] for kind in told.lanes)]
    left = 10 + max((chart_labels.width(name, size) for name in names), default=0.0)
    bottom = height - _AXIS - lanes_high
    scale = Scale(told, Box(left, _MARGIN_TOP, width - _MARGIN_RIGHT, bottom))
    lanes = tuple((kind, bottom + _LANE * (k + 0.6)) for k, kind in enumerate(told.lanes))
    marks = tuple(scale.marks(told.points, dict(lanes)))
    alone = tuple(mark for mark in marks if mark.kind in (KEEP, BASELINE))
    return Drawing(
        width, height, scale.area, size,
        paths={kind: _path(kind, [m for m in marks if m.kind == kind]) for kind in _SHAPES},
        carets="".join(scale.caret(point) for point in told.points if point.beyond),
        marks=alone,
        best="".join(scale.line(steps) for steps in told.steps),
        band="".join(scale.band(steps) for steps in told.steps),
        baselines="".join(
            f"M{_n(scale.x(a - 0.5))} {_n(scale.y(level))}H{_n(scale.x(b + 0.5))}"
            for a, b, level in told.baselines
            if told.low <= level <= told.high
        ),
        separators=tuple(scale.x(number - 0.5) for number in told.separators),
        labels=tuple(_labels(told, scale, marks, size, most_labels)),
        lanes=lanes,
        x_ticks=tuple(
            Tick(scale.x(at), str(at)) for at in chart.number_ticks(told, max(3, int(width / 110)))
        ),
        y_ticks=tuple(Tick(scale.y(at), text) for at, text in y_ticks),
    )  # fmt: skip


class Scale:
    """Where experiments and values lie on the sheet."""

    def __init__(self, told: Chart, area: Box) -> None:
        self.area, self._chart = area, told
        self._per_number = (area.right - area.left) / (told.last - told.first + 1)
        self._per_unit = (area.bottom - area.top) / (told.high - told.low)

    def x(self, number: float) -> float:
        return self.area.left + (number - self._chart.first + 0.5) * self._per_number

    def y(self, value: float) -> float:
        value = min(max(value, self._chart.low), self._chart.high)
        return self.area.bottom - (value - self._chart.low) * self._per_unit

    def marks(self, points: Sequence[Point], lanes: dict[str, float]) -> Iterator[Mark]:
        for point in points:
            if point.y is None:
                yield Mark(point.number, point.kind, self.x(point.number), lanes[point.kind])
            elif not point.beyond:
                yield Mark(point.number, point.kind, self.x(point.number), self.y(point.y))

    def caret(self, point: Point) -> str:
        """A small triangle at the edge beyond which the value lies."""
        x, up = self.x(point.number), point.beyond > 0
        y = self.area.top + 1 if up else self.area.bottom - 1
        return f"M{_n(x)} {_n(y)}l3 {5 if up else -5}h-6z"

    def line(self, steps: Sequence[Step]) -> str:
        """The running best: level from each experiment to the next."""
        first, last = steps[0], steps[-1]
        parts = [f"M{_n(self.x(first.number))} {_n(self.y(first.y))}"]
        before = first.y
        for step in steps[1:]:
            if step.y != before:
                parts.append(f"H{_n(self.x(step.number))}V{_n(self.y(step.y))}")
                before = step.y
        return "".join([*parts, f"H{_n(self.x(last.number + 0.5))}"])

    def band(self, steps: Sequence[Step]) -> str:
        """Where the running best may truly lie, run by run of those where that is known."""
        known = [step for step in steps if step.low is not None and step.high is not None]
        if not known:
            return ""
        forward, backward = [], []
        for step, after in zip(known, [*known[1:], None], strict=True):
            end = after.number if after else step.number + 0.5
            assert step.low is not None
            assert step.high is not None
            forward.append(f"{_n(self.x(step.number))} {_n(self.y(step.high))}H{_n(self.x(end))}")
            backward.append(f"{_n(self.x(end))} {_n(self.y(step.low))}H{_n(self.x(step.number))}")
        return "M" + "L".join([*forward, *reversed(backward)]) + "z"


def _labels(
    told: Chart, scale: Scale, marks: Sequence[Mark], size: float, most: int
) -> list[Label]:
    at = {mark.number: mark for mark in marks}
    anchors = [
        Anchor(row.number, label_of(row), at[row.number].x, at[row.number].y)
        for row in told.wins[:most]
        if row.number in at
    ]
    kept = [Box(m.x - _DOT, m.y - _DOT, m.x + _DOT, m.y + _DOT) for m in marks if m.kind == KEEP]
    dots = [(mark.x, mark.y) for mark in marks if mark.kind not in (KEEP, BASELINE)]
    return chart_labels.place(
        anchors, size=size, area=scale.area, taken=[*kept, *_line_boxes(told, scale)],
        dots=dots, prefer_down=told.better_is_down,
    )  # fmt: skip


def _line_boxes(told: Chart, scale: Scale) -> Iterator[Box]:
    """The running best, as thin boxes that labels keep off."""
    for x, y, to_x, to_y in chart.edges(told):
        left, right = scale.x(x), scale.x(to_x)
        top, bottom = sorted((scale.y(y), scale.y(to_y)))
        yield Box(left - 2, top - 2, right + 2, bottom + 2)


_SHAPES = {
    DISCARD: "h0",
    REHEARSAL: "m-3.5 0l3.5 -3.5 3.5 3.5 -3.5 3.5z",
    OPEN: "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
    CRASH: "m-3 -3l6 6m0 -6l-6 6",
    PRUNED: "m-4 -3l4 6 4 -6z",
}


def _path(kind: str, marks: Sequence[Mark]) -> str:
    return "".join(f"M{_n(mark.x)} {_n(mark.y)}{_SHAPES[kind]}" for mark in marks)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
