"""A bank of weighted hypotheses about noise and effects, each with its own incumbent and baseline.

Neither keeps nor discards: what a decision means is told to it.

Functions here run compiled in `benchmarks/keep_rule.py`: floats, flat sequences and `math` alone.
They work in place on one flat list, the state: HEAD numbers, then COLUMNS columns of SIZE. Values
are losses in metric units minus the state's origin; a hypothesis counts in units of its own noise
SIGMA, so its incumbent is M with variance V, its baseline M0 with V0, their covariance C0.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence, Sequence

from agent_loops.keeping import effects, quantiles, summaries

SIZE = 256
HEAD = 24
# Numbers at the head: 0 where no noise is known; else the deviation that the bank was begun with.
UNIT, ORIGIN, PRICE, PAIRED = 0, 1, 2, 3
# Without noise: values and numbers of readings of incumbent and baseline, and whether they are one.
PLAIN, PLAIN_N, PLAIN_0, PLAIN_0_N, SAME = 4, 5, 6, 7, 8
# The bank's noise of one reading when the regrets below were set, which are in units of it.
NOISE = 9
# Regrets from which on a further reading is worth its price, after 1 to 5: keeping, discarding.
KEEPING, DISCARDING = 10, 15
# How often the bank was renewed.
RENEWALS = 20
# Columns. What each hypothesis claims, then what it makes of the readings.
COLUMNS = 13
SIGMA, SHARE, NULLS, GAIN, HARM, TAIL, RARE = (HEAD + column * SIZE for column in range(7))
WEIGHT, M, V, M0, V0, C0 = (HEAD + column * SIZE for column in range(7, 13))
LENGTH = HEAD + COLUMNS * SIZE
# How often a reading is an outlier, by turns, whose variance is 1 + 4^2 in units of the noise's.
_OUTLIERS = (0.002, 0.02, 0.08)
_WIDE = 17.0
_ROOT_2 = math.sqrt(2.0)
_ROOT_2PI = math.sqrt(2.0 * math.pi)
Seen = tuple[float, float, float, float, float, float, float, float, float, float, float]


def fill(state: MutableSequence[float], scatter: float, freedom: float) -> None:
    """Begins the hypotheses where readings scatter: their sum of squares and degrees of freedom.

    sigma^2 = scatter / chi-square quantile: the posterior under the prior 1/sigma. The rest are
    wide priors, in units of sigma.
    """
    unit = math.sqrt(scatter / freedom)
    state[UNIT] = unit
    for i in range(SIZE):
        sigma = math.sqrt(scatter / quantiles.chi_square_quantile(quantiles.point(i, 0), freedom))
        share = 0.007 * (0.3 / 0.007) ** quantiles.point(i, 1)
        harm = 2.5 * math.exp(1.5 * quantiles.normal_point(i, 4))
        state[SIGMA + i] = min(max(sigma, 0.3 * unit), 300.0 * unit)
        state[SHARE + i] = share
        state[NULLS + i] = (1.0 - share) * (0.05 + 0.9 * quantiles.point(i, 2))
        state[GAIN + i] = 0.45 * harm * math.exp(0.7 * quantiles.normal_point(i, 3))
        state[HARM + i] = harm
        state[TAIL + i] = 0.2 * (i % 2)
        state[RARE + i] = _OUTLIERS[i % 3]
        state[WEIGHT + i] = 0.0


def place(
    state: MutableSequence[float], incumbent: float, n: float, baseline: float, n0: float
) -> None:
    """Puts incumbent and baseline where the means of n and n0 readings have them, and the origin.

    n0 of 0 says that the baseline is the incumbent itself; n of 0 that both are 0 by construction.
    """
    state[ORIGIN] = incumbent
    for i in range(SIZE):
        variance = 1.0 / n if n > 0 else 0.0
        state[M + i] = 0.0
        state[V + i] = variance
        if n0 > 0:
            state[M0 + i] = (baseline - incumbent) / state[SIGMA + i]
            state[V0 + i] = 1.0 / n0
            state[C0 + i] = 0.0
        else:
            state[M0 + i] = 0.0
            state[V0 + i] = variance
            state[C0 + i] = variance


def incumbent(state: Sequence[float]) -> float:
    """Where the incumbent is taken to be, in metric units from the origin."""
    total = mean = 0.0
    for i in range(SIZE):
        weight = math.exp(max(state[WEIGHT + i], -700.0))
        total += weight
        mean += weight * state[SIGMA + i] * state[M + i]
    return mean / total


def branch(state: Sequence[float], i: int, mean: float, precision: float) -> Seen:
    """What hypothesis i makes of a candidate's mean with a precision, in units of 1/sigma^2.

    Returns the density z; E[d-], E[d+], E[d^2], P(d < 0), P(d > 0); means of the old incumbent T
    and of the candidate T', Var T, Var T', Cov(T, T'). Given d, T is N(m + k (y - d), pv), the
    product of two normals: pv = 1/(1/v + precision), k = precision pv. To this comes Var d.
    """
    v = state[V + i]
    y = mean / state[SIGMA + i] - state[M + i]
    z, gain, harm, square, better, worse = effects.posterior(
        y, math.sqrt(1.0 / precision + v), state[SHARE + i], state[NULLS + i],
        state[GAIN + i], state[HARM + i], state[TAIL + i],
    )  # fmt: skip
    pv = v / (1.0 + precision * v)
    k = precision * pv
    d = harm - gain
    spread = max(square - d * d, 0.0)
    old = state[M + i] + k * (y - d)
    return (
        z, gain, harm, square, better, worse, old, old + d,
        pv + k * k * spread, pv + (1.0 - k) ** 2 * spread, pv - k * (1.0 - k) * spread,
    )  # fmt: skip


def scatter_log_density(sigma: float, n: float, scatter: float) -> float:
    """Of n readings about their mean, given the mean's own: sigma^-n exp(-SS/2 sigma^2) n^-1/2.

    Up to a constant that outlier branches share.
    """
    return -n * math.log(sigma) - 0.5 * scatter / (sigma * sigma) - 0.5 * math.log(n)


def outlier_branch(
    sigma: float, rare: float, readings: Sequence[float]
) -> tuple[float, float, float]:
    """Where one of the summarised `readings` is an outlier: their mean, its precision, log weight.

    The weight is the prior's, n e (1-e)^(n-1) with e = `rare`, times the density of the scatter.
    Of two, either may be it: their mean has the variance (1 + WIDE)/4, their difference 1 + WIDE.
    Of more, it is the one farthest off, with WIDE about the mean of the rest.
    """
    n = readings[summaries.N]
    weight = math.log(n * rare) + (n - 1.0) * math.log(1.0 - rare)
    if n < 1.5:
        return readings[summaries.MEAN], 1.0 / _WIDE, weight - math.log(sigma)
    if n < 2.5:
        wider = 0.5 * (1.0 + _WIDE)
        weight += scatter_log_density(
            sigma, n, readings[summaries.SCATTER] / wider
        ) - 0.5 * math.log(wider)
        return readings[summaries.MEAN], 4.0 / (1.0 + _WIDE), weight
    wide = _WIDE + 1.0 / (n - 1.0)
    apart = readings[summaries.APART] / sigma
    weight += scatter_log_density(sigma, n - 1.0, readings[summaries.REST_SCATTER])
    weight -= math.log(sigma) + 0.5 * math.log(wide) + 0.5 * apart * apart / wide
    return readings[summaries.REST_MEAN], n - 1.0, weight


def look(state: Sequence[float], i: int, readings: Sequence[float]) -> Seen:
    """As `branch`, of the mixture of both branches (moments matched); first the log likelihood."""
    sigma = state[SIGMA + i]
    n = readings[summaries.N]
    z, gain, harm, square, better, worse, old, new, old_v, new_v, both = branch(
        state, i, readings[summaries.MEAN], n
    )
    usual = math.log(z) + n * math.log(1.0 - state[RARE + i])
    usual += scatter_log_density(sigma, n, readings[summaries.SCATTER])
    mean, precision, rare = outlier_branch(sigma, state[RARE + i], readings)
    z, gain2, harm2, square2, better2, worse2, old2, new2, old_v2, new_v2, both2 = branch(
        state, i, mean, precision
    )
    rare += math.log(z)
    top = max(usual, rare)
    total = top + math.log(math.exp(usual - top) + math.exp(rare - top))
    p, q = math.exp(usual - total), math.exp(rare - total)
    apart, apart_new = old2 - old, new2 - new
    return (
        total,
        p * gain + q * gain2, p * harm + q * harm2, p * square + q * square2,
        p * better + q * better2, p * worse + q * worse2, old + q * apart, new + q * apart_new,
        p * old_v + q * old_v2 + p * q * apart * apart,
        p * new_v + q * new_v2 + p * q * apart_new * apart_new,
        p * both + q * both2 + p * q * apart * apart_new,
    )  # fmt: skip


def weigh(
    state: Sequence[float], readings: Sequence[float], figures: MutableSequence[float]
) -> None:
    """What the bank makes of a candidate's summarised readings, in metric units.

    Figures: E[d-], E[d+], E[d^2], P(d < 0), P(d > 0) and sigma, each averaged over the hypotheses
    with the weights that these readings give them.
    """
    top, total = -1e300, 0.0
    for j in range(6):
        figures[j] = 0.0
    for i in range(SIZE):
        if state[WEIGHT + i] < -60.0:
            continue
        sigma = state[SIGMA + i]
        seen = look(state, i, readings)
        weight = state[WEIGHT + i] + seen[0]
        if weight > top:
            shrink = math.exp(max(top - weight, -700.0))
            top = weight
            total *= shrink
            for j in range(6):
                figures[j] *= shrink
        share = math.exp(weight - top)
        total += share
        figures[0] += share * sigma * seen[1]
        figures[1] += share * sigma * seen[2]
        figures[2] += share * sigma * sigma * seen[3]
        figures[3] += share * seen[4]
        figures[4] += share * seen[5]
        figures[5] += share * sigma
    for j in range(6):
        figures[j] /= total


def learn(state: MutableSequence[float], readings: Sequence[float], kept: bool) -> None:  # noqa: FBT001
    """Takes a decided candidate's summarised readings into every hypothesis.

    The baseline follows the old incumbent T by regression, r = Cov/Var T before:
    M0 += r (change of E[T]), V0 += r^2 Var T - r C0, and with what is the incumbent from now on
    it has the covariance r Var T, or r Cov(T, T') where the candidate is kept.
    """
    paired = state[PAIRED] > 0.0
    top = -1e300
    for i in range(SIZE):
        seen = look(state, i, readings)
        _, _, _, _, _, _, old, new, old_v, new_v, both = seen
        r = state[C0 + i] / state[V + i] if state[V + i] > 0.0 else 0.0
        state[WEIGHT + i] += seen[0]
        top = max(top, state[WEIGHT + i])
        state[M0 + i] += r * (old - state[M + i])
        state[V0 + i] += r * r * old_v - r * state[C0 + i]
        state[M + i], state[V + i] = (new, new_v) if kept else (old, old_v)
        state[C0 + i] = r * both if kept else r * old_v
        if paired:
            recentre(state, i)
    for i in range(SIZE):
        state[WEIGHT + i] -= top


def recentre(state: MutableSequence[float], i: int) -> None:
    """Makes the incumbent 0, of which differences are taken, and moves the baseline instead."""
    state[M0 + i] -= state[M + i]
    state[V0 + i] += state[V + i]
    state[M + i] = state[V + i] = state[C0 + i] = 0.0


def read_again(state: MutableSequence[float], readings: Sequence[float]) -> None:
    """Takes further summarised readings of the incumbent's own code: d = 0 is known."""
    n = readings[summaries.N]
    top = -1e300
    for i in range(SIZE):
        sigma, v = state[SIGMA + i], state[V + i]
        y = readings[summaries.MEAN] / sigma - state[M + i]
        s2 = 1.0 / n + v
        r = state[C0 + i] / v if v > 0.0 else 0.0
        old_v = v / (1.0 + n * v)
        change = n * old_v * y
        state[WEIGHT + i] += scatter_log_density(sigma, n, readings[summaries.SCATTER])
        state[WEIGHT + i] -= 0.5 * y * y / s2 + 0.5 * math.log(s2)
        top = max(top, state[WEIGHT + i])
        state[M + i] += change
        state[M0 + i] += r * change
        state[V0 + i] += r * r * old_v - r * state[C0 + i]
        state[V + i] = old_v
        state[C0 + i] = r * old_v
    for i in range(SIZE):
        state[WEIGHT + i] -= top
