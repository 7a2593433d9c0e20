"""What is optimized: the metric's name, how it is printed, which way is better.

Reads nothing; that is for `metric`, which need not be imported to know this.
"""

from __future__ import annotations

import enum
from typing import Literal, NamedTuple


class Direction(enum.Enum):
    """Which way the metric improves."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"

    def better(self, a: float, b: float) -> bool:
        """Whether `a` is strictly better than `b`."""
        return self.gain(a, b) > 0

    def gain(self, new: float, old: float) -> float:
        """How much better `new` is than `old`; positive is better."""
        return old - new if self is Direction.MINIMIZE else new - old


class MetricSpec(NamedTuple):
    """What to look for. `pattern` is a regular expression with one group, applied line by line.

    With a `reduce`, every value in the log counts and `pick` does not.
    """

    name: str
    direction: Direction
    pattern: str | None = None
    pick: Literal["last", "best"] = "last"
    reduce: Literal["none", "mean", "median"] = "none"
