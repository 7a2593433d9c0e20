"""Places short texts beside points so that none lies over another.

Measures no font: widths are those of an average letter; what finds no place is left out.
"""

from __future__ import annotations

import math
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_LETTER, _WIDE = 0.56, 1.05  # of the font's size
_LINE = 1.25
_GAP = 7.0
_LEVELS = (0, 13, 26, 40, 55, 72, 90)
_SIDES = (0.0, 22.0, 48.0)
_OTHER_SIDE = 18.0
_DEAREST = 150.0  # a text that would lie worse than this is left out


class Box(NamedTuple):
    """A rectangle; y grows downward."""

    left: float
    top: float
    right: float
    bottom: float

    def over(self, other: Box) -> float:
        """The area that both cover."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return wide * high if wide > 0 and high > 0 else 0.0

    def crossed(self, x: float, y: float, to_x: float, to_y: float) -> bool:
        """Whether the line from one point to another touches it."""
        enter, leave = 0.0, 1.0
        for start, end, low, high in (
            (x, to_x, self.left, self.right), (y, to_y, self.top, self.bottom),
        ):  # fmt: skip
            if start == end:
                if not low <= start <= high:
                    return False
                continue
            first, last = sorted(((low - start) / (end - start), (high - start) / (end - start)))
            enter, leave = max(enter, first), min(leave, last)
        return enter < leave

    def inside(self, other: Box) -> bool:
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.top >= other.top
            and self.bottom <= other.bottom
        )


class Anchor(NamedTuple):
    """A point that is to be labelled; the first are served first."""

    number: int
    text: str
    x: float
    y: float


class Label(NamedTuple):
    """A text's box, and the point that it belongs to."""

    number: int
    text: str
    box: Box
    x: float
    y: float

    @property
    def is_left(self) -> bool:
        """Whether it lies to the left of its point."""
        return self.box.right <= self.x

    @property
    def leads_to(self) -> tuple[float, float]:
        """Where on its box a line from the point ends."""
        x = min(max(self.x, self.box.left), self.box.right)
        return x, (self.box.top + self.box.bottom) / 2

    @property
    def is_apart(self) -> bool:
        """Whether it lies so far from its point that a line must lead to it."""
        across = max(self.box.left - self.x, self.x - self.box.right, 0.0)
        along = max(self.box.top - self.y, self.y - self.box.bottom, 0.0)
        return across + along > 2.2 * _GAP

    def meets(self, other: Label) -> bool:
        """Whether texts or lines of the two touch each other."""
        if self.box.over(other.box):
            return True
        lines = ((self, other.box), (other, self.box))
        return any(
            label.is_apart and box.crossed(label.x, label.y, *label.leads_to)
            for label, box in lines
        )


def width(text: str, size: float) -> float:
    """About how wide a text is."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return size * (_WIDE * wide + _LETTER * (len(text) - wide))


def place(
    anchors: Sequence[Anchor],
    *,
    size: float,
    area: Box,
    taken: Sequence[Box],
    dots: Sequence[tuple[float, float]],
    prefer_down: bool,
) -> list[Label]:
    """As many labels as find room in `area`: off each other, rather off `taken` and `dots`."""
    by_x = sorted(dots)
    placed: list[Label] = []
    for anchor in anchors:
        near = _within_reach(anchor, taken, size)
        best: tuple[float, Label] | None = None
        for label, far in _candidates(anchor, size, prefer_down=prefer_down):
            box = label.box
            if far >= (best[0] if best else _DEAREST) or not box.inside(area):
                continue
            cost = far + 5.0 * _under(box, by_x)
            if cost < (best[0] if best else _DEAREST):  # the areas take longest to work out
                cost += 4.0 * sum(box.over(other) for other in near) / size
            if cost < (best[0] if best else _DEAREST) and not any(map(label.meets, placed)):
                best = cost, label
        if best is not None:
            placed.append(best[1])
    return placed


def _within_reach(anchor: Anchor, taken: Sequence[Box], size: float) -> list[Box]:
    """Those that a text of this anchor could lie on."""
    x, y = _GAP + _SIDES[-1] + width(anchor.text, size), _LEVELS[-1] + _LINE * size
    reach = Box(anchor.x - x, anchor.y - y, anchor.x + x, anchor.y + y)
    return [box for box in taken if box.over(reach)]


def _under(box: Box, by_x: Sequence[tuple[float, float]]) -> int:
    """How many of the points lie under the text."""
    first = bisect_left(by_x, (box.left - 2, -math.inf))
    last = bisect_left(by_x, (box.right + 2, math.inf))
    return sum(box.top - 2 < y < box.bottom + 2 for _, y in by_x[first:last])


def _candidates(anchor: Anchor, size: float, *, prefer_down: bool) -> Iterator[tuple[Label, float]]:
    wide, high = width(anchor.text, size), _LINE * size
    for level in _LEVELS:
        for side in _SIDES:
            for down in (prefer_down, not prefer_down):
                far = level + 0.6 * side + (0 if down == prefer_down else _OTHER_SIDE)
                top = anchor.y + (level if down else -level) - high / 2
                for left in (anchor.x + _GAP + side, anchor.x - _GAP - side - wide):
                    box = Box(left, top, left + wide, top + high)
                    yield Label(anchor.number, anchor.text, box, anchor.x, anchor.y), far
