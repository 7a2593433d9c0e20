"""Readings of one piece of code, summed up: number, mean, scatter, and the one farthest off.

Judges none of them an outlier.

Functions here run compiled in `benchmarks/keep_rule.py`: floats and flat sequences alone.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence

# What `summarise` makes of readings.
N, MEAN, SCATTER, REST_MEAN, REST_SCATTER, APART = range(6)
LENGTH = 6


def summarise(
    readings: Sequence[float], n: int, origin: float, out: MutableSequence[float]
) -> None:
    """N, mean and sum of squares about it; of three and more also without the one farthest off.

    That is the reading farthest from the median; APART is how far it lies from the others' mean.
    """
    mean = 0.0
    for j in range(n):
        mean += readings[j] - origin
    mean /= n
    scatter = 0.0
    for j in range(n):
        scatter += (readings[j] - origin - mean) ** 2
    out[N], out[MEAN], out[SCATTER] = float(n), mean, scatter
    out[REST_MEAN], out[REST_SCATTER], out[APART] = mean, scatter, 0.0
    if n < 3:
        return
    far = farthest(readings, n) - origin
    rest = (n * mean - far) / (n - 1)
    out[REST_MEAN], out[APART] = rest, far - rest
    out[REST_SCATTER] = max(scatter - (far - rest) ** 2 * (n - 1) / n, 0.0)


def farthest(readings: Sequence[float], n: int) -> float:
    """The reading farthest from the median: the lowest or the highest; the highest of a tie."""
    low, high = readings[0], readings[0]
    for j in range(n):
        low, high = min(low, readings[j]), max(high, readings[j])
    middle = median(readings, n)
    return low if middle - low > high - middle else high


def median(readings: Sequence[float], n: int) -> float:
    """The middle reading, or the mean of the two."""
    below, above = readings[0], readings[0]
    for j in range(n):
        less, same = 0, 0
        for k in range(n):
            less += readings[k] < readings[j]
            same += readings[k] == readings[j]
        if less <= (n - 1) // 2 < less + same:
            below = readings[j]
        if less <= n // 2 < less + same:
            above = readings[j]
    return 0.5 * (below + above)
