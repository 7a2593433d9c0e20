"""Tells by its digits how coarsely a metric is rounded: equal readings of it may hide noise.

Knows decimal digits alone; a metric that counts in other steps is taken to be finer than it is.

Functions here run compiled in `benchmarks/keep_rule.py`: floats, flat sequences and `math` alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_DIGITS = 6
# With more significant digits than about four, equal readings are no accident of rounding.
_COARSE = 2e-5


def decimals(value: float) -> int:
    """How many decimals a value has; more than `_DIGITS` are that many and one."""
    for digits in range(_DIGITS + 1):
        scaled = value * 10.0**digits
        if abs(scaled - math.floor(scaled + 0.5)) <= 1e-9 * max(1.0, abs(scaled)):
            return digits
    return _DIGITS + 1


def step(readings: Sequence[float], n: int, other: float) -> float:
    """The step of n readings and another value, in metric units; 0 where they are fine."""
    most, largest = decimals(other), abs(other)
    for j in range(n):
        most = max(most, decimals(readings[j]))
        largest = max(largest, abs(readings[j]))
    width = 10.0**-most
    return width if most <= _DIGITS and width >= _COARSE * largest else 0.0
