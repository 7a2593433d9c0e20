"""Whether one more reading of a candidate is worth its price, in the bank's average world.

An index of what a run brings, not an optimum: one world stands for all hypotheses.

Functions here run compiled in `benchmarks/keep_rule.py`: floats, flat sequences and `math` alone.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence

from agent_loops.keeping import bank, effects

POINTS = 55
MOST = 6
NEVER = 1e300
_WIDTH = 5.0
# A further reading also tells of the incumbent and of the noise, which is not counted: measured,
# half the price does best.
_PART = 0.5
# Towards the fixed point: what a run brings falls by some .3 where its price rises by 1.
_STEP = 0.8
# Seven nodes of Gauss and Hermite for N(0,1), from 0 outwards, and their weights.
_NODES = (0.0, 1.1544053947399682, 2.3667594107345416, 3.7504397177257425)
_WEIGHTS = (
    0.45714285714285714, 0.24012317860501272, 0.030757123967586493, 0.000548268858737157,
)  # fmt: skip
# The table of one world: for each number of readings n and point y, z, z E[d-], z E[d+].
_ROW = 3 * POINTS
TABLE = MOST * _ROW + 2 * POINTS


def survey(state: MutableSequence[float], table: MutableSequence[float]) -> float:
    """Fills the table for the average world; returns the mean improvement an idea brings, w E[a].

    Means are arithmetic for shares and variances, geometric for scales. The points y reach WIDTH
    deviations of one reading's difference to either side; in units of the noise.
    """
    total = share = nulls = gain = harm = tail = v = 0.0
    for i in range(bank.SIZE):
        weight = math.exp(max(state[bank.WEIGHT + i], -700.0))
        total += weight
        share += weight * state[bank.SHARE + i]
        nulls += weight * state[bank.NULLS + i]
        gain += weight * math.log(state[bank.GAIN + i])
        harm += weight * math.log(state[bank.HARM + i])
        tail += weight * state[bank.TAIL + i]
        v += weight * state[bank.V + i]
    share, nulls, tail, v = share / total, nulls / total, tail / total, v / total
    gain, harm = math.exp(gain / total), math.exp(harm / total)
    reach = _WIDTH * math.sqrt(1.0 + v)
    for n in range(MOST):
        s = math.sqrt(1.0 / (n + 1.0) + v)
        for j in range(POINTS):
            y = reach * (2.0 * j / (POINTS - 1.0) - 1.0)
            z, better, worse, _, _, _ = effects.posterior(y, s, share, nulls, gain, harm, tail)
            at = n * _ROW + j
            table[at], table[at + POINTS], table[at + 2 * POINTS] = z, z * better, z * worse
    table[MOST * _ROW] = reach
    return share * gain * (1.0 + (effects.FAR_TIMES - 1.0) * tail)


def ahead(table: MutableSequence[float], n: int, side: int, y: float) -> float:
    """What turning out otherwise is worth at n + 1 readings of mean y, by the table's lines.

    The excess of going on over deciding there, and of the other decision over the present one.
    """
    reach = table[MOST * _ROW]
    place = (y / reach + 1.0) * 0.5 * (POINTS - 1.0)
    j = int(min(max(place, 0.0), POINTS - 2.0))
    part = min(max(place - j, 0.0), 1.0)
    value = 0.0
    for step in range(2):
        at = n * _ROW + j + step
        gain = table[at + POINTS] - table[at + 2 * POINTS]
        here = max(0.0, -side * gain)
        here += table[MOST * _ROW + POINTS + j + step]
        value += (part if step else 1.0 - part) * here
    return value


def plan(state: MutableSequence[float], table: MutableSequence[float], price: float) -> float:
    """Sets the regrets from which on a reading is worth the price; returns the excess of a first.

    Backwards from the last reading: X_n(y) = max(0, E[X_n+1 + max(0, -+M_n+1)] - price P_n), with
    P_n the density of y, M_n = (E[d-] - E[d+]) P_n; the sign is the present verdict's. The mean of
    n readings, given that of n + 1, is N(it, 1/(n (n+1))), so that E is over y + z/sqrt(n (n+1)).
    Subtracting the linear part first keeps errors of the grid from looking like information.
    Returned is the integral of X_1: what repeats add to an idea, in units of the noise.
    """
    excess = MOST * _ROW + POINTS
    for j in range(POINTS):
        table[excess + j] = 0.0
    total = 0.0
    values = [0.0] * POINTS
    for n in range(MOST - 1, 0, -1):
        row = (n - 1) * _ROW
        edge = 0
        while edge < POINTS and table[row + POINTS + edge] > table[row + 2 * POINTS + edge]:
            edge += 1
        for j in range(POINTS):
            values[j] = 0.0
        state[bank.KEEPING + n - 1] = outwards(table, n, 1, edge - 1, price, values)
        state[bank.DISCARDING + n - 1] = outwards(table, n, -1, edge, price, values)
        total = 0.0
        for j in range(POINTS):
            table[excess + j] = values[j]
            total += values[j]
    return total * 2.0 * table[MOST * _ROW] / (POINTS - 1.0)


def outwards(
    table: MutableSequence[float],
    n: int,
    side: int,
    start: int,
    price: float,
    values: MutableSequence[float],
) -> float:
    """Writes X_n from where the verdict turns outwards, as far as going on is worth it.

    Returns the regret there, between the last point and the next; the side is 1 for keeping, whose
    points lie below the turn, and -1 for discarding.
    """
    row = (n - 1) * _ROW
    regrets = row + (2 * POINTS if side > 0 else POINTS)
    last, regret, j = 0.0, NEVER, start
    while 0 <= j < POINTS:
        value = worth(table, n, side, j, price)
        here = table[regrets + j] / table[row + j]
        if value <= 0.0:
            if last > 0.0:
                regret += (here - regret) * last / (last - value)
            break
        values[j] = last = value
        regret = here
        j -= side
    return regret


def worth(
    table: MutableSequence[float],
    n: int,
    side: int,
    j: int,
    price: float,
) -> float:
    """What one more reading after n at point j brings over deciding there, less its price.

    The side is 1 where deciding is to keep, -1 where it is to discard.
    """
    y = table[MOST * _ROW] * (2.0 * j / (POINTS - 1.0) - 1.0)
    spread = 1.0 / math.sqrt(n * (n + 1.0))
    value = _WEIGHTS[0] * ahead(table, n, side, y)
    for k in range(1, 4):
        value += _WEIGHTS[k] * ahead(table, n, side, y + spread * _NODES[k])
        value += _WEIGHTS[k] * ahead(table, n, side, y - spread * _NODES[k])
    return value - price * table[(n - 1) * _ROW + j]


def missed(table: MutableSequence[float]) -> float:
    """The expected regret of deciding after one reading: the integral of min(E[d-], E[d+]) P."""
    width = 2.0 * table[MOST * _ROW] / (POINTS - 1.0)
    total = 0.0
    for j in range(POINTS):
        total += width * min(table[POINTS + j], table[2 * POINTS + j])
    return total


def appraise(state: MutableSequence[float], table: MutableSequence[float], steps: int) -> None:
    """Moves the price of a run towards what a run brings, and sets the regrets by it.

    The price is the fixed point of E[gain of an idea - PART price x repeats]: renewal and reward.
    """
    state[bank.NOISE] = sigma_of(state)
    gain = survey(state, table)
    at_once = max(gain - missed(table), 0.0)
    for _ in range(steps):
        brings = at_once + plan(state, table, _PART * state[bank.PRICE])
        state[bank.PRICE] += _STEP * (brings - state[bank.PRICE])


def sigma_of(state: MutableSequence[float]) -> float:
    """The bank's noise of one reading, geometric mean, in metric units."""
    total = log = 0.0
    for i in range(bank.SIZE):
        weight = math.exp(max(state[bank.WEIGHT + i], -700.0))
        total += weight
        log += weight * math.log(state[bank.SIGMA + i])
    return math.exp(log / total)


def is_due(state: MutableSequence[float], n: int, gain: float, harm: float) -> bool:
    """Whether after n readings one more is worth it: E[d-], E[d+] of the bank, in metric units."""
    at = min(n, MOST - 1) - 1
    if gain > harm:
        return harm > state[bank.KEEPING + at] * state[bank.NOISE]
    return gain > state[bank.DISCARDING + at] * state[bank.NOISE]
