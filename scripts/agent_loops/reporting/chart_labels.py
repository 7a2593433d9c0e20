"""Places short texts beside points so that none lies over another.

Measures no font: widths are those of an average letter; what finds no place is left out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_LETTER, _WIDE = 0.56, 1.05  # of the font's size
_LINE = 1.25
_GAP = 7.0
_LEVELS = (0, 14, 28, 44, 62, 82, 106, 132, 160, 192)
_SIDES = (0.0, 26.0, 60.0)


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
    def is_apart(self) -> bool:
        """Whether it lies so far from its point that a line must lead to it."""
        across = max(self.box.left - self.x, self.x - self.box.right, 0.0)
        along = max(self.box.top - self.y, self.y - self.box.bottom, 0.0)
        return across + along > 2.2 * _GAP


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
    """As many labels as find room in `area`: off each other and off `taken`, rather off `dots`."""
    placed: list[Label] = []
    for anchor in anchors:
        best: tuple[float, Box] | None = None
        for box, far in _candidates(anchor, size, prefer_down=prefer_down):
            if not box.inside(area) or any(box.over(label.box) for label in placed):
                continue
            hit = sum(box.over(other) for other in taken) / size
            under = sum(
                box.left - 2 < x < box.right + 2 and box.top - 2 < y < box.bottom + 2
                for x, y in dots
            )
            cost = far + 4.0 * hit + 4.0 * under
            if best is None or cost < best[0]:
                best = cost, box
        if best is not None:
            placed.append(Label(anchor.number, anchor.text, best[1], anchor.x, anchor.y))
    return placed


def _candidates(anchor: Anchor, size: float, *, prefer_down: bool) -> Iterator[tuple[Box, float]]:
    wide, high = width(anchor.text, size), _LINE * size
    for level in _LEVELS:
        for side in _SIDES:
            for down in (prefer_down, not prefer_down):
                far = level + 0.6 * side + (0 if down == prefer_down else 18)
                middle = anchor.y + (level if down else -level)
                top = middle - high / 2
                for left in (anchor.x + _GAP + side, anchor.x - _GAP - side - wide):
                    yield Box(left, top, left + wide, top + high), far
