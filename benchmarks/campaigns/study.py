"""The rule of the study, as its formulas have it: 256 hypotheses about noise and effects.

What the rule that ships began as, written here once more from the formulas alone; not changed any
more, so that the two can be compared. It knows two readings of a baseline, not more.

Each hypothesis has its own sigma, mixture and belief about incumbent and baseline (means m, m0,
variances v, v0, covariance c0, in its sigmas). Values are losses less the baseline's mean.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from campaigns.compiled import njit
from campaigns.effects import effect
from campaigns.play import DISCARD, KEEP, MOST, REPEAT
from campaigns.worlds import Array

SIZE = 256
_ORIGIN, _UNIT, _PRICE, _PLAIN, _REGRET, _VERDICT, _HEAD = range(7)
# One column of the bank each; from LOOK on, what the readings under way make of a hypothesis.
_SIGMA, _BETTER, _NULLS, _GAIN, _HARM, _TAIL, _W, _M, _V, _M0, _V0, _C0, _LOOK = range(13)
_SEEN = 9  # log weight, E[d], E[d-], E[d+], mean and variance of I, of C, their covariance
STATE = _HEAD + SIZE * (_LOOK + _SEEN)
_EPS, _WIDE = 0.05, 17.0  # share of outliers; their variance, in that of the others
_SHARE = 0.5  # of a new idea's worth: what a repeat must be worth
_Z = 1.6448536269514722
_HOPELESS = -80.0  # log weight: such a hypothesis is left out for good, which saves half the time
_NODES = np.polynomial.hermite_e.hermegauss(7)[0]
_WEIGHTS = np.polynomial.hermite_e.hermegauss(7)[1] / math.sqrt(2 * math.pi)


def _hypotheses() -> Array:
    """Columns SIGMA (in units of the baseline's deviation) to TAIL."""
    g = 1.1
    for _ in range(200):
        g = (g + 1) ** (1 / 6)
    quantile = NormalDist().inv_cdf
    bank = np.empty((_TAIL + 1, SIZE))
    for i in range(SIZE):
        u = [(0.5 + (i + 1) * g**-k) % 1.0 for k in range(1, 6)]
        bank[_SIGMA, i] = min(300.0, max(0.3, 1.0 / abs(quantile((1 + u[0]) / 2))))
        bank[_BETTER, i] = 0.007 * (0.3 / 0.007) ** u[1]
        bank[_NULLS, i] = (1 - bank[_BETTER, i]) * (0.05 + 0.9 * u[2])
        bank[_HARM, i] = 3 * math.exp(1.5 * quantile(u[4]))
        bank[_GAIN, i] = 0.45 * bank[_HARM, i] * math.exp(0.7 * quantile(u[3]))
        bank[_TAIL, i] = 0.2 * (i % 2)
    return bank


_BANK = _hypotheses()


def _at(column: int, i: int) -> int:
    return _HEAD + column * SIZE + i


def _mix(better: float, nulls: float, gain: float, harm: float, tail: float, parts: Array) -> None:
    """Writes a mixture as parts."""
    parts[0, 0], parts[0, 1] = better * (1 - tail), -gain
    parts[1, 0], parts[1, 1] = better * tail, -5 * gain
    parts[2, 0], parts[2, 1] = nulls, 0.0
    parts[3, 0], parts[3, 1] = 1 - better - nulls, harm


def _begin(state: Array, readings: Array, count: int, sigma: float) -> None:  # noqa: ARG001
    for i in range(STATE):
        state[i] = 0.0
    state[_ORIGIN] = 0.5 * (readings[0] + readings[1])
    state[_UNIT] = abs(readings[0] - readings[1]) / math.sqrt(2.0)
    if state[_UNIT] == 0:
        return
    for i in range(SIZE):
        for column in range(_TAIL + 1):
            state[at(column, i)] = _BANK[column, i]
        state[at(_SIGMA, i)] *= state[_UNIT]
        for column in (_V, _V0, _C0):
            state[at(column, i)] = 0.5
    for _ in range(25):
        state[_PRICE] += 0.5 * (survey(state, 1, DISCARD)[0] - state[_PRICE])


def _branch(
    state: Array, i: int, mean: float, precision: float, parts: Array, one: Array, out: Array
) -> float:
    """Writes 1 to 8 of what is seen, for a mean of that precision; returns its log density."""
    v = state[at(_V, i)]
    y = mean / state[at(_SIGMA, i)] - state[at(_M, i)]
    effect(y, math.sqrt(v + 1 / precision), parts, 0.0, one)
    z = one[0]
    if z < 1e-290:  # no part of the mixture reaches there: all of the difference is effect
        d, spread = y, 0.0
        z = 1e-290
        out[2], out[3] = max(0.0, -y), max(0.0, y)
    else:
        d = one[1] / z
        spread = max(0.0, one[2] / z - d * d)
        out[2], out[3] = one[3] / z, one[4] / z
    pv = v / (1 + precision * v)
    k = precision * pv
    out[1] = d
    out[4] = state[at(_M, i)] + k * (y - d)
    out[5] = pv + k * k * spread
    out[6] = out[4] + d
    out[7] = pv + (1 - k) ** 2 * spread
    out[8] = pv - k * (1 - k) * spread
    return math.log(z)


def _rest(readings: Array, count: int, out: Array) -> None:
    """Without the reading farthest from the median: mean, scatter; and how far that one is."""
    middle = np.median(readings[:count])
    far = 0
    for j in range(1, count):
        if abs(readings[j] - middle) > abs(readings[far] - middle):
            far = j
    mean = scatter = 0.0
    for j in range(count):
        if j != far:
            mean += readings[j] / (count - 1)
    for j in range(count):
        if j != far:
            scatter += (readings[j] - mean) ** 2
    out[0], out[1], out[2] = mean, scatter, readings[far] - mean


def _look(state: Array, readings: Array, count: int) -> float:
    """Fills the columns from LOOK on; returns the greatest log weight."""
    parts, one = np.empty((4, 2)), np.empty(5)
    usual, rare, rest = np.empty(_SEEN), np.empty(_SEEN), np.zeros(3)
    mean = scatter = 0.0
    for j in range(count):
        mean += (readings[j] - state[_ORIGIN]) / count
    for j in range(count):
        scatter += (readings[j] - state[_ORIGIN] - mean) ** 2
    if count > 2:
        without(readings, count, rest)
    top = -1e300
    for i in range(SIZE):
        if state[at(_W, i)] < _HOPELESS:
            state[at(_LOOK, i)] = state[at(_W, i)] - 1000.0
            continue
        sigma = state[at(_SIGMA, i)]
        mix(
            state[at(_BETTER, i)], state[at(_NULLS, i)], state[at(_GAIN, i)],
            state[at(_HARM, i)], state[at(_TAIL, i)], parts,
        )  # fmt: skip
        log1 = branch(state, i, mean, float(count), parts, one, usual)
        log1 += count * math.log(1 - _EPS) - 0.5 * scatter / sigma**2 - 0.5 * math.log(count)
        log2 = math.log(count * _EPS) + (count - 1) * math.log(1 - _EPS)
        if count == 1:
            log2 += branch(state, i, mean, 1 / _WIDE, parts, one, rare)
        elif count == 2:
            wider = 0.5 * (1 + _WIDE)
            log2 += branch(state, i, mean, 4 / (1 + _WIDE), parts, one, rare)
            log2 -= 0.5 * scatter / (sigma**2 * wider) + 0.5 * math.log(2 * wider)
        else:
            log2 += branch(state, i, rest[0] - state[_ORIGIN], count - 1.0, parts, one, rare)
            log2 -= 0.5 * rest[1] / sigma**2 + 0.5 * math.log((count - 1) * _WIDE)
            log2 -= 0.5 * rest[2] ** 2 / (_WIDE * sigma**2)
        greater = max(log1, log2)
        total = greater + math.log(math.exp(log1 - greater) + math.exp(log2 - greater))
        q = math.exp(log2 - total)
        before, after = rare[4] - usual[4], rare[6] - usual[6]
        for j in range(1, _SEEN):
            usual[j] += q * (rare[j] - usual[j])
        usual[0] = state[at(_W, i)] + total - count * math.log(sigma)
        usual[5] += q * (1 - q) * before * before
        usual[7] += q * (1 - q) * after * after
        usual[8] += q * (1 - q) * before * after
        for j in range(_SEEN):
            state[at(_LOOK + j, i)] = usual[j]
        top = max(top, usual[0])
    return top


def _survey(state: Array, count: int, keeping: int) -> tuple[float, float]:
    """In the plug-in world: what a new idea is worth where one repeat may be bought, and the
    smallest regret of keeping (or of discarding) after `count` readings that is worth one more."""
    mean = np.zeros(7)
    top = -1e300
    for i in range(SIZE):
        top = max(top, state[at(_W, i)])
    for i in range(SIZE):
        weight = math.exp(state[at(_W, i)] - top)
        mean[0] += weight
        mean[1] += weight * state[at(_BETTER, i)]
        mean[2] += weight * state[at(_NULLS, i)]
        mean[3] += weight * math.log(state[at(_GAIN, i)])
        mean[4] += weight * math.log(state[at(_HARM, i)])
        mean[5] += weight * state[at(_TAIL, i)]
        mean[6] += weight * state[at(_V, i)]
    for j in range(1, 7):
        mean[j] /= mean[0]
    gain, v = math.exp(mean[3]), mean[6]
    parts, one = np.empty((4, 2)), np.empty(5)
    mix(mean[1], mean[2], gain, math.exp(mean[4]), mean[5], parts)
    s = math.sqrt(v + 1.0 / count)
    after = math.sqrt(v + 1.0 / (count + 1))
    spread = math.sqrt(1.0 / (count * (count + 1.0)))
    low, high = -math.asinh(20.0 * gain / s + 6.0), math.asinh(6.0)
    worth = total = 0.0
    least = 1e300
    for j in range(55):
        t = low + (high - low) * j / 54
        y = s * math.sinh(t)
        width = s * math.cosh(t) * (high - low) / 54
        effect(y, s, parts, 0.0, one)
        density, now = one[0], -one[1]
        regret = one[4] if now > 0 else one[3]
        if density <= 0:
            continue
        side = 1.0 if now > 0 else -1.0
        information = 0.0
        for node in range(7):
            effect(y + _NODES[node] * spread, after, parts, 0.0, one)
            information += _WEIGHTS[node] * max(0.0, side * one[1])
        bought = information - _SHARE * state[_PRICE] * density
        worth += width * (max(0.0, now) + max(0.0, bought))
        total += width * density
        if bought > 0 and (now > 0) == (keeping == KEEP):
            least = min(least, regret / density)
    return worth / total, least


def _judge_up_to(state: Array, readings: Array, count: int, most: int) -> int:
    if state[_UNIT] == 0:
        mean = 0.0
        for j in range(count):
            mean += (readings[j] - state[_ORIGIN]) / count
        return KEEP if mean < state[_PLAIN] else DISCARD
    top = look(state, readings, count)
    total = gain = better = worse = log_sigma = 0.0
    for i in range(SIZE):
        weight = math.exp(state[at(_LOOK, i)] - top)
        sigma = state[at(_SIGMA, i)]
        total += weight
        gain -= weight * sigma * state[at(_LOOK + 1, i)]
        better += weight * sigma * state[at(_LOOK + 2, i)]
        worse += weight * sigma * state[at(_LOOK + 3, i)]
        log_sigma += weight * math.log(sigma)
    verdict = KEEP if gain > 0 else DISCARD
    if count >= most:
        return verdict
    regret = (worse if gain > 0 else better) / total / math.exp(log_sigma / total)
    return REPEAT if regret > survey(state, count, verdict)[1] else verdict


def _judge(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float  # noqa: ARG001
) -> int:  # fmt: skip
    return judge_up_to(state, readings, count, MOST)


def _judge_once(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float  # noqa: ARG001
) -> int:  # fmt: skip
    state[_PRICE] = -1.0  # nothing is ever bought
    return judge_up_to(state, readings, count, 1)


def _settle(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float,  # noqa: ARG001
    kept: bool,  # noqa: FBT001 (numba)
) -> None:  # fmt: skip
    """Takes what was judged last: the same readings."""
    if state[_UNIT] == 0:
        if kept:
            state[_PLAIN] = 0.0
            for j in range(count):
                state[_PLAIN] += (readings[j] - state[_ORIGIN]) / count
        return
    top = -1e300
    for i in range(SIZE):
        top = max(top, state[at(_LOOK, i)])
    for i in range(SIZE):
        v, m, c0 = state[at(_V, i)], state[at(_M, i)], state[at(_C0, i)]
        if state[at(_W, i)] < _HOPELESS:
            continue
        old, old_v = state[at(_LOOK + 4, i)], state[at(_LOOK + 5, i)]
        r = c0 / v
        state[at(_W, i)] = state[at(_LOOK, i)] - top
        state[at(_M0, i)] += r * (old - m)
        state[at(_V0, i)] += r * r * old_v - r * c0
        if kept:
            state[at(_M, i)], state[at(_V, i)] = state[at(_LOOK + 6, i)], state[at(_LOOK + 7, i)]
            state[at(_C0, i)] = r * state[at(_LOOK + 8, i)]
        else:
            state[at(_M, i)], state[at(_V, i)], state[at(_C0, i)] = old, old_v, r * old_v
    if state[_PRICE] >= 0:
        state[_PRICE] = 0.5 * (state[_PRICE] + survey(state, 1, DISCARD)[0])


def _claim(state: Array, out: Array) -> None:
    if state[_UNIT] == 0:
        out[0] = out[1] = out[2] = -state[_PLAIN]
        out[3] = 1.0 if out[0] > 0 else 0.0
        return
    total = first = second = sure = 0.0
    for i in range(SIZE):
        weight = math.exp(state[at(_W, i)])
        sigma = state[at(_SIGMA, i)]
        gain = sigma * (state[at(_M0, i)] - state[at(_M, i)])
        variance = state[at(_V0, i)] + state[at(_V, i)] - 2 * state[at(_C0, i)]
        variance = max(1e-300, sigma * sigma * variance)
        total += weight
        first += weight * gain
        second += weight * (gain * gain + variance)
        sure += weight * 0.5 * math.erfc(-gain / math.sqrt(2 * variance))
    mean = first / total
    deviation = math.sqrt(max(0.0, second / total - mean * mean))
    out[0], out[1], out[2] = mean, mean - _Z * deviation, mean + _Z * deviation
    out[3] = 1.0 if sure / total >= 0.95 else 0.0


at, mix, branch, without = njit(_at), njit(_mix), njit(_branch), njit(_rest)
look, survey, judge_up_to = njit(_look), njit(_survey), njit(_judge_up_to)
begin, judge, judge_once = njit(_begin), njit(_judge), njit(_judge_once)
settle, claim = njit(_settle), njit(_claim)
