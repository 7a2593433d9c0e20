"""Renews the bank where few hypotheses are left that matter: copies of these, spread anew.

Adds no information: mean and covariance of what the hypotheses claim stay as they are.

Functions here run compiled in `benchmarks/keep_rule.py`: floats, flat sequences and `math` alone.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence, Sequence

from agent_loops.keeping import bank, quantiles

# Renewed where the effective number of hypotheses, 1/sum of squared weights, falls below this part.
_ENOUGH = 0.4
# How far copies are spread, in deviations of the bank (the h of Liu & West 2001).
_SPREAD = 0.3
_FIVE = 5


def effective(state: Sequence[float]) -> float:
    """How many equally weighted hypotheses would be as varied (Kong, Liu & Wong 1994)."""
    total = squares = 0.0
    for i in range(bank.SIZE):
        weight = math.exp(max(state[bank.WEIGHT + i], -300.0))
        total += weight
        squares += weight * weight
    return total * total / squares


def renew_if_thin(state: MutableSequence[float]) -> None:
    """Renews a bank that has too few hypotheses that matter."""
    if effective(state) < _ENOUGH * bank.SIZE:
        renew(state)


def coordinate(state: Sequence[float], k: int, i: int) -> float:
    """The k-th claim of hypothesis i on a line without ends: logs of scales, logits of shares."""
    if k == 0:
        return math.log(state[bank.SIGMA + i])
    if k == 1:
        return math.log(state[bank.GAIN + i])
    if k == 2:
        return math.log(state[bank.HARM + i])
    share = state[bank.SHARE + i]
    if k == 3:
        return math.log(share / (1.0 - share))
    nulls = state[bank.NULLS + i] / (1.0 - share)
    return math.log(nulls / (1.0 - nulls))


def logistic(x: float) -> float:
    """The share whose logit is x, kept off 0 and 1."""
    return 1.0 / (1.0 + math.exp(-min(max(x, -9.0), 9.0)))


def renew(state: MutableSequence[float]) -> None:
    """Draws hypotheses by weight and spreads them by the kernel of Liu & West.

    x' = mean + sqrt(1 - h^2) (x - mean) + h L z, L L^T the weighted covariance, z quasi-random
    normal and other points each time: mean and covariance stay.
    """
    size = bank.SIZE
    weights = shares(state)
    points = [0.0] * (_FIVE * size)
    mean = [0.0] * _FIVE
    for k in range(_FIVE):
        for i in range(size):
            points[k * size + i] = coordinate(state, k, i)
            mean[k] += weights[i] * points[k * size + i]
    root = root_of_covariance(points, mean, weights)
    parents = drawn(weights)
    copy_parents(state, parents)
    state[bank.RENEWALS] += 1.0
    first = int(state[bank.RENEWALS]) * size
    keep = math.sqrt(1.0 - _SPREAD * _SPREAD)
    place, normals = [0.0] * _FIVE, [0.0] * _FIVE
    for j in range(size):
        for k in range(_FIVE):
            normals[k] = quantiles.normal_point(first + j, k)
            place[k] = mean[k] + keep * (points[k * size + parents[j]] - mean[k])
            for other in range(k + 1):
                place[k] += _SPREAD * root[k * _FIVE + other] * normals[other]
        settle_at(state, j, place)


def shares(state: Sequence[float]) -> list[float]:
    """The weights, of sum 1."""
    weights = [0.0] * bank.SIZE
    total = 0.0
    for i in range(bank.SIZE):
        weights[i] = math.exp(max(state[bank.WEIGHT + i], -300.0))
        total += weights[i]
    for i in range(bank.SIZE):
        weights[i] /= total
    return weights


def drawn(weights: Sequence[float]) -> list[int]:
    """Which hypotheses are drawn, systematically, so that the same weights draw the same."""
    size = bank.SIZE
    parents = [0] * size
    reached, i = weights[0], 0
    for j in range(size):
        while reached < (j + 0.5) / size and i < size - 1:
            i += 1
            reached += weights[i]
        parents[j] = i
    return parents


def copy_parents(state: MutableSequence[float], parents: Sequence[int]) -> None:
    """Puts a copy of its parent into each hypothesis' place."""
    size = bank.SIZE
    old = [0.0] * size
    for column in range(bank.COLUMNS):
        first = bank.HEAD + column * size
        for i in range(size):
            old[i] = state[first + i]
        for j in range(size):
            state[first + j] = old[parents[j]]


def root_of_covariance(
    points: Sequence[float], mean: Sequence[float], weights: Sequence[float]
) -> list[float]:
    """The lower triangle L with L L^T the weighted covariance (Cholesky), row by row."""
    size = bank.SIZE
    root = [0.0] * (_FIVE * _FIVE)
    for k in range(_FIVE):
        for other in range(k + 1):
            value = 0.0
            for i in range(size):
                apart = points[other * size + i] - mean[other]
                value += weights[i] * (points[k * size + i] - mean[k]) * apart
            for third in range(other):
                value -= root[k * _FIVE + third] * root[other * _FIVE + third]
            if other == k:
                root[k * _FIVE + k] = math.sqrt(max(value, 1e-12))
            else:
                root[k * _FIVE + other] = value / root[other * _FIVE + other]
    return root


def settle_at(state: MutableSequence[float], j: int, place: Sequence[float]) -> None:
    """Moves hypothesis j to its new claims; its incumbent and baseline stay where they are in
    metric units, and as uncertain as they were in units of the noise."""
    before = state[bank.SIGMA + j]
    sigma = math.exp(place[0])
    state[bank.SIGMA + j] = sigma
    state[bank.GAIN + j] = math.exp(place[1])
    state[bank.HARM + j] = math.exp(place[2])
    share = logistic(place[3])
    state[bank.SHARE + j] = share
    state[bank.NULLS + j] = (1.0 - share) * logistic(place[4])
    state[bank.M + j] *= before / sigma
    state[bank.M0 + j] *= before / sigma
    state[bank.WEIGHT + j] = 0.0
