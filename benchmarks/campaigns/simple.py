"""The rules that people and agents use: no belief, only readings compared.

    keep if lower   what reads lower than the incumbent did
    fixed 2 sigma   what reads lower by two deviations; it is told the true deviation
    gain / MAD      what reads lowest, where the gain on the baseline is at least twice the median
                    absolute deviation of all readings so far
    confirmation    what reads lower by one standard error of the difference is read again, and kept
                    where the mean of both is too; it is told the true deviation

Each claims what it recorded: the baseline's reading minus the incumbent's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from campaigns.compiled import njit
from campaigns.play import DISCARD, KEEP, REPEAT
from campaigns.worlds import Array

STATE = 1000
"""Baseline, incumbent, its number of readings, how many readings there are, and all of them."""
_ALL = 4


def _mean(readings: Array, count: int) -> float:
    total = 0.0
    for i in range(count):
        total += readings[i]
    return total / count


mean = njit(_mean)


def _begin(state: Array, readings: Array, count: int, sigma: float) -> None:  # noqa: ARG001
    state[0] = state[1] = mean(readings, count)
    state[2] = count
    state[3] = count
    for i in range(count):
        state[_ALL + i] = readings[i]


def _settle(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float,  # noqa: ARG001
    kept: bool,  # noqa: FBT001 (numba)
) -> None:  # fmt: skip
    for i in range(count):
        if _ALL + int(state[3]) < len(state):
            state[_ALL + int(state[3])] = readings[i]
            state[3] += 1
    if kept:
        state[1] = mean(readings, count)
        state[2] = count


def _claim(state: Array, out: Array) -> None:
    gain = state[0] - state[1]
    out[0] = out[1] = out[2] = gain
    out[3] = 1.0 if gain > 0 else 0.0


def _lower(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float  # noqa: ARG001
) -> int:  # fmt: skip
    return KEEP if readings[0] < state[1] else DISCARD


def _two_sigma(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float  # noqa: ARG001
) -> int:  # fmt: skip
    return KEEP if readings[0] < state[1] - 2.0 * sigma else DISCARD


def _mad(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float  # noqa: ARG001
) -> int:  # fmt: skip
    size = int(state[3])
    values = np.empty(size + 1)
    values[:size] = state[_ALL : _ALL + size]
    values[size] = readings[0]
    spread = np.median(np.abs(values - np.median(values)))
    better = readings[0] < state[1] and state[0] - readings[0] >= 2.0 * spread
    return KEEP if better else DISCARD


def _confirmation(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float  # noqa: ARG001
) -> int:  # fmt: skip
    gain = state[1] - mean(readings, count)
    if gain <= sigma * math.sqrt(1.0 / count + 1.0 / state[2]):
        return DISCARD
    return KEEP if count > 1 or sigma == 0 else REPEAT


_shared: tuple[Any, Any, Any] = (njit(_begin), njit(_settle), njit(_claim))
begin, settle, claim = _shared
lower, two_sigma, mad, confirmation = map(njit, (_lower, _two_sigma, _mad, _confirmation))
