"""What the picture of a campaign shows, in metric units: points, running best, limits; pure.

Draws nothing: `progress_picture` and the page each draw the same chart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from agent_loops.decide import CRASH, KEEP, PRUNED
from agent_loops.reporting.ledger import OPEN, Ledger, Row

BASELINE, REHEARSAL, DISCARD = "baseline", "rehearsal", "discard"
KINDS = (DISCARD, REHEARSAL, PRUNED, CRASH, OPEN, KEEP, BASELINE)
LANES = (CRASH, PRUNED)
"""Kinds that have no value: they have a lane of their own under the picture."""
NAMES = {
    KEEP: "kept", DISCARD: "discarded", REHEARSAL: "rehearsal", OPEN: "under way",
    CRASH: "crashed", PRUNED: "ended early", BASELINE: "baseline",
}  # fmt: skip
MOST_LABELS = 20
_LABEL_CHARS = 34
_LARGEST = 1e150  # more is beyond what a scale can be made for
_PAD = 0.06


class Point(NamedTuple):
    """One experiment. `y` is inside the limits; `beyond` is -1 or 1 where it lies under or over.

    In a lane, and only there, `y` is None.
    """

    number: int
    kind: str
    y: float | None
    beyond: int = 0


class Step(NamedTuple):
    """The running best from one experiment up to the next; `low` to `high` where it is known."""

    number: int
    y: float
    low: float | None
    high: float | None


class Chart(NamedTuple):
    """`steps` and `baselines` (first, last experiment, level) are by epoch.

    `separators` are the experiments with which an epoch after the first begins. `wins` are the
    kept ideas that gained most, the largest first. `left_out` says which experiments measured
    another metric, so that their values are of no scale with these; "" where none did.
    """

    points: tuple[Point, ...]
    steps: tuple[tuple[Step, ...], ...]
    baselines: tuple[tuple[int, int, float], ...]
    separators: tuple[int, ...]
    wins: tuple[Row, ...]
    low: float
    high: float
    first: int
    last: int
    better_is_down: bool
    left_out: str = ""

    @property
    def lanes(self) -> tuple[str, ...]:
        shown = {point.kind for point in self.points if point.y is None}
        return tuple(kind for kind in LANES if kind in shown)


def of(ledger: Ledger) -> Chart:
    """The chart of a campaign, of any number of experiments."""
    rows = [row for row in ledger.rows if ledger.measures(row)]
    low, high = _limits(rows)
    down = ledger.direction.sign > 0
    points = tuple(point for row in rows if (point := _point(row, low, high)) is not None)
    epochs = [list(found) for _, found in groupby(rows, key=lambda row: row.epoch)]
    return Chart(
        points=points,
        steps=tuple(steps for epoch in epochs if (steps := tuple(_steps(epoch)))),
        baselines=tuple(line for epoch in epochs if (line := _baseline(epoch)) is not None),
        separators=tuple(epoch[0].number for epoch in epochs[1:]),
        wins=tuple(
            sorted(filter(ledger.measures, ledger.kept), key=_won, reverse=True)[:MOST_LABELS]
        ),
        low=low,
        high=high,
        first=rows[0].number if rows else 1,
        last=max((row.number for row in rows), default=1),
        better_is_down=down,
        left_out=_left_out(ledger),
    )


def _left_out(ledger: Ledger) -> str:
    """`not drawn: #1 to #12, which measured val_bpb`."""
    others = (row for row in ledger.rows if not ledger.measures(row))
    told = []
    for name, group in groupby(others, key=lambda row: row.metric_name):
        numbers = [row.number for row in group]
        more = f" to #{numbers[-1]}" if len(numbers) > 1 else ""
        told.append(f"#{numbers[0]}{more}, which measured {name}")
    return f"not drawn: {'; '.join(told)}" if told else ""


def edges(told: Chart) -> Iterable[tuple[float, float, float, float]]:
    """The running best as lines, level and upright by turns: x and y of both ends."""
    for steps in told.steps:
        start = steps[0]
        for step in steps[1:]:
            if step.y != start.y:
                yield start.number, start.y, step.number, start.y
                yield step.number, start.y, step.number, step.y
                start = step
        yield start.number, start.y, steps[-1].number + 0.5, start.y


def ticks(low: float, high: float, about: int) -> list[tuple[float, str]]:
    """Round values from `low` to `high`, about so many, with the digits that tell them apart."""
    raw = (high - low) / max(1, about)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    large = max(abs(low), abs(high)) >= 1e6 or digits > 6
    values = [k * step for k in range(first, last + 1)]
    return [(value, f"{value:.6g}" if large else f"{value:.{digits}f}") for value in values]


def number_ticks(told: Chart, about: int) -> list[int]:
    """Round numbers of experiments, the first and the last where there are few."""
    if told.last - told.first < about:
        return list(range(told.first, told.last + 1))
    values = [at for at, _ in ticks(told.first - 1, told.last, about)]
    return [int(at) for at in values if at == int(at) and at >= told.first]


def label_of(row: Row) -> str:
    """What stands beside a kept experiment's point."""
    text = row.description
    short = text if len(text) <= _LABEL_CHARS else text[: _LABEL_CHARS - 1].rstrip() + "…"
    return f"#{row.number} {short}"


def _won(row: Row) -> float:
    return row.gain if row.gain is not None and math.isfinite(row.gain) else 0.0


def _kind(row: Row) -> str:
    if row.is_rehearsal:
        return REHEARSAL
    if row.is_baseline and row.status == KEEP:
        return BASELINE
    return row.kind if row.kind == PRUNED else row.status


def _point(row: Row, low: float, high: float) -> Point | None:
    kind = _kind(row)
    value = _value(row)
    if value is None:
        return Point(row.number, kind, None) if kind in LANES else None
    beyond = -1 if value < low else 1 if value > high else 0
    return Point(row.number, kind, min(max(value, low), high), beyond)


def _value(row: Row) -> float | None:
    return row.metric if row.metric is not None and math.isfinite(row.metric) else None


def _steps(epoch: Sequence[Row]) -> Iterable[Step]:
    for row in epoch:
        if row.best is not None and math.isfinite(row.best):
            yield Step(row.number, row.best, row.best_low, row.best_high)


def _baseline(epoch: Sequence[Row]) -> tuple[int, int, float] | None:
    found = [row for row in epoch if row.is_baseline and row.status == KEEP]
    value = _value(found[-1]) if found else None
    return None if value is None else (found[-1].number, epoch[-1].number, value)


def _limits(rows: Sequence[Row]) -> tuple[float, float]:
    """Where the scale ends: what was kept is inside, and of the rest what is not far from it."""
    told = [row for row in rows if _kind(row) != REHEARSAL]
    kept = [v for row in told if row.status == KEEP and (v := _value(row)) is not None]
    core = kept + [row.best for row in told if row.best is not None and math.isfinite(row.best)]
    others = sorted(v for row in told if (v := _value(row)) is not None)
    core = [value for value in core if abs(value) <= _LARGEST]
    others = [value for value in others if abs(value) <= _LARGEST]
    if not core:
        core = others[len(others) // 4 : len(others) - len(others) // 4]
    if not core:
        return 0.0, 1.0
    low, high = min(core), max(core)
    spread = _spread(low, high, others)
    near = [value for value in others if low - spread <= value <= high + spread]
    low, high = min([low, *near]), max([high, *near])
    ends = [end for row in told for end in (row.best_low, row.best_high) if end is not None]
    bands = [end for end in ends if low - spread / 2 <= end <= high + spread / 2]
    low, high = min([low, *bands]), max([high, *bands])
    pad = _PAD * (high - low) or 0.05 * abs(high) or 1.0
    return low - pad, high + pad


def _spread(low: float, high: float, others: Sequence[float]) -> float:
    """How far from what was kept a value may lie to be drawn where it is."""
    middle = others[len(others) // 8 : len(others) - len(others) // 8] or [low]
    return max(high - low, min(middle[-1] - middle[0], 3 * (high - low) or math.inf))
