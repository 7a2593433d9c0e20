"""The oracle: the posterior rule that is told sigma, the tails of the noise and the true mixture.

No rule can know as much; it is what the true gains of all others are divided by. It looks one
reading ahead and does not plan further: a rule may be ahead of it where what is kept changes what
comes later. All values are losses in metric units.

The incumbent is I ~ N(m, v), a candidate C = I + d. Where noise is normal the posterior is in
closed form; where it is Student's, the product of the readings' densities is summed over a grid.
"""

from __future__ import annotations

import math

import numpy as np

from campaigns.compiled import njit
from campaigns.effects import effect
from campaigns.play import DISCARD, KEEP, MOST, REPEAT
from campaigns.worlds import Array

STATE = 10
_M, _V, _M0, _V0, _C0, _PRICE, _SINCE, _TAILS = range(8)
TAILS = _TAILS
"""The place in the state where the degrees of freedom are written before a campaign (0: normal)."""
SHARE = 0.7
"""A repeat must be worth this share of what a new idea is worth; best on the tuning half."""
_NODES = np.polynomial.hermite_e.hermegauss(7)[0]
_WEIGHTS = np.polynomial.hermite_e.hermegauss(7)[1] / math.sqrt(2 * math.pi)
_GRID = 400
_CLAIMED = 0.95
_Z = 1.6448536269514722


def _tabulate(
    readings: Array, count: int, sigma: float, m: float, v: float, parts: Array, shift: float,
    table: Array,
) -> int:  # fmt: skip
    """Student(3) noise of deviation sigma, on a grid of C; returns the number of points.

    Columns of `table`: C - m, and the joint density of C and the readings, alone and times E[d | C]
    and E[d² | C].
    """
    low = high = m
    for i in range(count):
        low, high = min(low, readings[i]), max(high, readings[i])
    s = math.sqrt(v)
    low, high = low - 6.0 * max(s, sigma), high + 6.0 * max(s, sigma)
    points = int(min(len(table) - 1.0, (high - low) / (0.5 * min(s, 0.6 * sigma)))) + 1
    one = np.empty(5)
    for j in range(points):
        c = low + (high - low) * j / (points - 1)
        likelihood = 1.0
        for i in range(count):
            likelihood *= student(readings[i] - c, sigma)
        effect(c - m, s, parts, shift, one)
        table[j, 0] = c - m
        for i in range(3):
            table[j, 1 + i] = likelihood * one[i]
    return points


def _student(x: float, sigma: float) -> float:
    """The density of Student(3) noise of deviation sigma."""
    q = x / sigma
    return 2.0 / (math.pi * sigma * (1.0 + q * q) ** 2)


def _by_grid(
    readings: Array, count: int, sigma: float, m: float, v: float, parts: Array, shift: float,
    out: Array,
) -> None:  # fmt: skip
    """Writes E[d], then mean and variance of I, of C, and their covariance."""
    table = np.empty((_GRID, 4))
    points = tabulate(readings, count, sigma, m, v, parts, shift, table)
    total = c1 = c2 = d1 = d2 = cd = 0.0
    for j in range(points):
        c, weight = table[j, 0], table[j, 1]
        total += weight
        c1 += weight * c
        c2 += weight * c * c
        d1 += table[j, 2]
        d2 += table[j, 3]
        cd += table[j, 2] * c
    c1, c2, d1, d2, cd = c1 / total, c2 / total, d1 / total, d2 / total, cd / total
    var_c, var_d, cov = c2 - c1 * c1, d2 - d1 * d1, cd - c1 * d1
    out[0] = d1
    out[1], out[2] = m + c1 - d1, var_c + var_d - 2 * cov
    out[3], out[4], out[5] = m + c1, var_c, var_c - cov


def _worth_by_grid(
    readings: Array, count: int, sigma: float, m: float, v: float, parts: Array, shift: float
) -> float:
    """As `worth`, under Student(3) noise: what one more reading may be runs over a grid too."""
    table = np.empty((_GRID, 4))
    points = tabulate(readings, count, sigma, m, v, parts, shift, table)
    density = now = 0.0
    for j in range(points):
        density += table[j, 1]
        now += table[j, 2]
    side = -1.0 if now < 0 else 1.0
    low, high = table[0, 0] - 2 * sigma, table[points - 1, 0] + 2 * sigma
    steps = int(min(120.0, (high - low) / (0.3 * sigma))) + 1
    total = 0.0
    for k in range(steps + 1):
        x = low + (high - low) * k / steps
        after = 0.0
        for j in range(points):
            after += table[j, 2] * student(x - table[j, 0], sigma)
        total += max(0.0, -side * after)
    return total * (high - low) / steps / density


def _moments(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float, out: Array
) -> None:
    """E[d], then mean and variance of I, of C, and their covariance, given the readings."""
    m, v = state[_M], state[_V]
    if state[_TAILS] > 0:
        by_grid(readings, count, sigma, m, v, parts, shift, out)
        return
    y = 0.0
    for i in range(count):
        y += (readings[i] - m) / count
    one = np.empty(5)
    noise = sigma * sigma / count
    effect(y, math.sqrt(v + noise), parts, shift, one)
    mean = one[1] / one[0]
    variance = max(0.0, one[2] / one[0] - mean * mean)
    k = v / (v + noise)
    pv = k * noise
    out[0] = mean
    out[1], out[2] = m + k * (y - mean), pv + k * k * variance
    out[3], out[4] = m + k * y + (1 - k) * mean, pv + (1 - k) * (1 - k) * variance
    out[5] = pv - k * (1 - k) * variance


def _worth(
    y: float, count: int, noise: float, v: float, parts: Array, shift: float, one: Array
) -> float:
    """What one more reading is worth, in metric units: the expected gain of deciding after it less
    that of deciding now. Of the kink at zero only the far side counts, so that errors of the
    quadrature are no information."""
    effect(y, math.sqrt(v + noise / count), parts, shift, one)
    density = one[0]
    side = -1.0 if one[1] < 0 else 1.0  # what is kept now would have to turn out worse
    spread = math.sqrt(noise / (count * (count + 1.0)))
    s = math.sqrt(v + noise / (count + 1.0))
    total = 0.0
    for i in range(7):
        effect(y + _NODES[i] * spread, s, parts, shift, one)
        total += _WEIGHTS[i] * max(0.0, -side * one[1])
    return total / density if density > 0 else 0.0


def _price(price: float, noise: float, v: float, parts: Array, shift: float) -> float:
    """What a new idea is worth by its expected gain, where one repeat may be bought at SHARE of
    `price`: a step of the fixed point."""
    one = np.empty(5)
    s = math.sqrt(v + noise)
    reach = 0.0
    for i in range(len(parts)):
        if parts[i, 0] > 0:
            reach = max(reach, -parts[i, 1])
    low = -math.asinh((10.0 * reach + 6.0 * s) / s)
    high = math.asinh(5.0)
    gain = total = 0.0
    for j in range(49):
        t = low + (high - low) * j / 48.0
        y = s * math.sinh(t)
        width = s * math.cosh(t) * (high - low) / 48.0
        effect(y, s, parts, shift, one)
        density, now = one[0], max(0.0, -one[1])
        repeated = now + density * (worth(y, 1, noise, v, parts, shift, one) - SHARE * price)
        gain += width * max(now, repeated)
        total += width * density
    return gain


def _begin(state: Array, readings: Array, count: int, sigma: float) -> None:
    value = 0.0
    for i in range(count):
        value += readings[i] / count
    state[_M] = state[_M0] = value
    state[_V] = state[_V0] = state[_C0] = max(sigma * sigma, 1e-12) / count
    if state[_TAILS] > 0 and sigma > 0:
        by_likelihood(state, readings, count, sigma)
    state[_PRICE] = -1.0
    state[_SINCE] = 0.0


def _by_likelihood(state: Array, readings: Array, count: int, sigma: float) -> None:
    """The baseline's level from Student(3) readings alone."""
    total = first = second = 0.0
    for j in range(401):
        c = (j - 200) * 0.06 * sigma
        weight = 1.0
        for i in range(count):
            weight *= student(readings[i] - state[_M] - c, sigma)
        total += weight
        first += weight * c
        second += weight * c * c
    variance = second / total - (first / total) ** 2
    state[_M] += first / total
    state[_M0] = state[_M]
    state[_V] = state[_V0] = state[_C0] = variance


def _judge(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float
) -> int:
    sigma = max(sigma, 1e-6)
    out = np.empty(6)
    moments(state, readings, count, sigma, parts, shift, out)
    verdict = KEEP if out[0] < 0 else DISCARD
    if count == MOST or sigma <= 1e-6:
        return verdict
    # One Student(3) reading tells about twice as much as a normal one of its deviation.
    noise = sigma * sigma * (0.5 if state[_TAILS] > 0 else 1.0)
    if state[_PRICE] < 0:
        state[_PRICE] = 0.0
        for _ in range(12):
            state[_PRICE] += 0.6 * (
                price(state[_PRICE], noise, state[_V], parts, shift) - state[_PRICE]
            )
    elif count == 1 and state[_SINCE] >= 4:
        state[_PRICE] = price(state[_PRICE], noise, state[_V], parts, shift)
        state[_SINCE] = 0.0
    if state[_TAILS] > 0:
        gain = worth_by_grid(readings, count, sigma, state[_M], state[_V], parts, shift)
    else:
        y = 0.0
        for i in range(count):
            y += (readings[i] - state[_M]) / count
        gain = worth(y, count, noise, state[_V], parts, shift, np.empty(5))
    return REPEAT if gain > SHARE * state[_PRICE] else verdict


def _settle(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float,
    kept: bool,  # noqa: FBT001 (numba)
) -> None:  # fmt: skip
    out = np.empty(6)
    moments(state, readings, count, max(sigma, 1e-6), parts, shift, out)
    ratio = state[_C0] / state[_V]
    old = state[_V]
    state[_M0] += ratio * (out[1] - state[_M])
    state[_V0] += ratio * ratio * (out[2] - old)
    if kept:
        state[_M], state[_V], state[_C0] = out[3], out[4], ratio * out[5]
    else:
        state[_M], state[_V], state[_C0] = out[1], out[2], ratio * out[2]
    state[_V] = max(state[_V], 1e-13)
    state[_SINCE] += 1.0


def _claim(state: Array, out: Array) -> None:
    gain = state[_M0] - state[_M]
    deviation = math.sqrt(max(1e-18, state[_V0] + state[_V] - 2 * state[_C0]))
    out[0] = gain
    out[1], out[2] = gain - _Z * deviation, gain + _Z * deviation
    sure = 0.5 * math.erfc(-gain / deviation / math.sqrt(2.0))
    out[3] = 1.0 if sure >= _CLAIMED else 0.0


student, tabulate, by_grid = njit(_student), njit(_tabulate), njit(_by_grid)
worth_by_grid, by_likelihood = njit(_worth_by_grid), njit(_by_likelihood)
moments, worth, price = njit(_moments), njit(_worth), njit(_price)
begin, judge, settle, claim = njit(_begin), njit(_judge), njit(_settle), njit(_claim)
