"""The curve of a run under way as SVG, with that of the run it is measured against; pure.

Chooses one quantity: the one that was printed most often, rather one that both runs printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from agent_loops.curves import Curve
from agent_loops.reporting import chart

_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 12.0, 12.0, 28.0
_SETTLING = 0.05  # of a run: a loss begins far above where it goes on
_MANY = 20

Points = Sequence[tuple[float, float]]


def draw(curves: Mapping[str, Curve], earlier: Mapping[str, Curve]) -> tuple[str, str]:
    """The quantity's name and the picture of it, for wide and narrow screens; "" without any."""
    drawn = {name: curve for name, curve in curves.items() if len(curve.points) > 1}
    if not drawn:
        return "", ""
    name = max(drawn, key=lambda name: (name in earlier, len(drawn[name].points)))
    points = drawn[name].points
    before = earlier[name].points if name in earlier else ()
    sheets = (
        _sheet(name, points, before, width=1060, height=230, size=12, css="wide"),
        _sheet(name, points, before, width=360, height=210, size=11, css="narrow"),
    )
    return name, "".join(sheets)


def _sheet(
    name: str, points: Points, before: Points, *, width: int, height: int, size: int, css: str
) -> str:
    low, high = _limits(points, before)
    last_s = max([*(at for at, _ in points), *(at for at, _ in before)]) or 1.0
    right, bottom = width - _RIGHT, height - _BOTTOM
    per_s, per_unit = (right - _LEFT) / last_s, (bottom - _TOP) / (high - low)

    def x(at_s: float) -> float:
        return _LEFT + at_s * per_s

    def y(value: float) -> float:
        return bottom - (min(max(value, low), high) - low) * per_unit

    def line(css_class: str, drawn: Points) -> str:
        places = "L".join(f"{x(at):.1f} {y(value):.1f}" for at, value in drawn)
        return f'<path class="{css_class}" d="M{places}"/>' if drawn else ""

    end_at, end = points[-1]
    begin = (
        f'<svg class="sheet {css}" viewBox="0 0 {width} {height}" role="img" font-size="{size}" '
        f'aria-label="{escape(name)} of the run under way">'
    )
    return "".join([
        begin,
        *(f'<path class="grid" d="M{_LEFT} {y(at):.1f}H{right}"/><text class="tick" '
          f'text-anchor="end" x="{_LEFT - 6}" y="{y(at) + size * 0.35:.1f}">{escape(text)}</text>'
          for at, text in chart.ticks(low, high, 4)),
        *(f'<text class="tick" text-anchor="middle" x="{x(at):.1f}" y="{height - 8}">'
          f"{escape(_clock(at))}</text>" for at in _times(last_s, width // 150)),
        line("earlier", before), line("best", points),
        f'<circle cx="{x(end_at):.1f}" cy="{y(end):.1f}" r="4"/></svg>',
    ])  # fmt: skip


def _clock(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 7200 else f"{seconds / 3600:g} h"


def _limits(points: Points, before: Points) -> tuple[float, float]:
    """From the lowest to the highest value, but for the begin of a run, which is far off."""
    values = [*_settled(points), *_settled(before)]
    low, high = min(values), max(values)
    pad = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - pad, high + pad


def _settled(points: Points) -> Iterator[float]:
    skipped = int(len(points) * _SETTLING) if len(points) >= _MANY else 0
    return (value for _, value in points[skipped:])


def _times(last_s: float, about: int) -> list[float]:
    """Round times up to the last one."""
    steps = [k * unit for unit in (1, 60, 3600, 86400) for k in (1, 2, 5, 10, 15, 30)]
    step = next((step for step in steps if last_s / step <= about), last_s)
    return [step * k for k in range(int(last_s / step) + 1)]
