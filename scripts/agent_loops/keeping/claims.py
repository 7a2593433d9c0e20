"""How much better the incumbent is than the baseline, by a whole bank of hypotheses.

Says nothing of single candidates.

Functions here run compiled in `benchmarks/keep_rule.py`: floats, flat sequences and `math` alone.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence, Sequence

from agent_loops.keeping import bank

_ROOT_2 = math.sqrt(2.0)
# What rounding leaves of a variance that is 0, in units of sigma^2.
_NOTHING = 1e-12


def gain_of(state: Sequence[float], i: int) -> tuple[float, float]:
    """Mean and deviation of the gain by hypothesis i, in metric units: sigma (M0 - M), and the root
    of sigma^2 (V0 + V - 2 C0)."""
    sigma = state[bank.SIGMA + i]
    variance = state[bank.V0 + i] + state[bank.V + i] - 2.0 * state[bank.C0 + i]
    deviation = sigma * math.sqrt(variance) if variance > _NOTHING else 0.0
    return sigma * (state[bank.M0 + i] - state[bank.M + i]), deviation


def below(state: Sequence[float], value: float) -> float:
    """P(gain < value), gain in metric units: of each hypothesis normal, weighted by them."""
    total = mass = 0.0
    for i in range(bank.SIZE):
        if state[bank.WEIGHT + i] < -40.0:
            continue
        weight = math.exp(state[bank.WEIGHT + i])
        mean, deviation = gain_of(state, i)
        total += weight
        if deviation > 0.0:
            mass += weight * 0.5 * math.erfc((mean - value) / (_ROOT_2 * deviation))
        elif mean < value:
            mass += weight
        elif mean == value:
            mass += 0.5 * weight
    return mass / total


def spread(state: Sequence[float], figures: MutableSequence[float]) -> None:
    """Figures: mean and deviation of the gain, in metric units, and the mean sigma."""
    total = first = second = noise = 0.0
    for i in range(bank.SIZE):
        if state[bank.WEIGHT + i] < -40.0:
            continue
        weight = math.exp(state[bank.WEIGHT + i])
        mean, deviation = gain_of(state, i)
        total += weight
        noise += weight * state[bank.SIGMA + i]
        first += weight * mean
        second += weight * (mean * mean + deviation * deviation)
    first /= total
    figures[0] = first
    figures[1] = math.sqrt(max(second / total - first * first, 0.0))
    figures[2] = noise / total


def quantile(state: Sequence[float], p: float, mean: float, deviation: float) -> float:
    """The gain below which it lies with the probability p; mean and deviation say where to look."""
    if deviation <= 0.0:
        return mean
    low, high = mean - 8.0 * deviation, mean + 8.0 * deviation
    for _ in range(18):
        middle = 0.5 * (low + high)
        if below(state, middle) < p:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
