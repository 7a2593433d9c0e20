"""What is optimized: the metric's name, how it is printed, which way is better.

Reads nothing; that is for `metric`, which need not be imported to know this.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

SEVERAL = "different values of"
"""Marks the note on a metric that was printed with several values, of which the last was taken."""
_LARGEST = math.nextafter(math.inf, 0)


class Direction(enum.Enum):
    """Which way the metric improves."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"

    def better(self, a: float, b: float) -> bool:
        """Whether `a` is strictly better than `b`."""
        return self.gain(a, b) > 0

    @property
    def sign(self) -> float:
        """What makes a loss of the metric: smaller is better."""
        return 1.0 if self is Direction.MINIMIZE else -1.0

    def gain(self, new: float, old: float) -> float:
        """How much better `new` is than `old`, at most the largest number; positive is better."""
        gain = old - new if self is Direction.MINIMIZE else new - old
        return min(max(gain, -_LARGEST), _LARGEST)

    def worse_by(self, value: float, loss: float) -> float:
        """The value that is `loss` worse than `value`; better where that is negative."""
        return value + loss if self is Direction.MINIMIZE else value - loss


def mean(values: Sequence[float]) -> float:
    """The mean of finite values, exactly rounded unless their sum is past the largest number."""
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        return math.fsum(value / len(values) for value in values)


def median(values: Iterable[float]) -> float:
    """The middle of the values that are numbers, or the mean of the two; NaN where there are none.

    The `statistics` module loads slowly, and is led astray by NaN.
    """
    ordered = sorted(value for value in values if not math.isnan(value))
    if not ordered:
        return math.nan
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else ordered[half - 1] / 2 + ordered[half] / 2


class MetricSpec(NamedTuple):
    """What to look for. `pattern` is a regular expression with one group, applied line by line.

    With a `reduce`, every value in the log counts and `pick` does not.
    """

    name: str
    direction: Direction
    pattern: str | None = None
    pick: Literal["last", "best"] = "last"
    reduce: Literal["none", "mean", "median"] = "none"
