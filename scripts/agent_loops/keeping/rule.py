"""The noise-aware rule: readings in; keep, discard or repeat, and a claim that is true, out.

Knows losses in one metric unit, smaller is better: directions, runs and files are others' matter.

`begin` with the baseline's readings; `judge` a candidate by all its readings, as often as it says
repeat; `settle` what was decided; `claim` what was gained. The same readings give the same verdict.
Each takes and returns values; the functions in lower case on a `state` work in place and run
compiled in `benchmarks/keep_rule.py`: floats, flat sequences and `math` alone.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence, Sequence
from typing import NamedTuple

from agent_loops.keeping import bank, claims, information, renewal, rounding, summaries

KEEP = "keep"
DISCARD = "discard"
REPEAT = "repeat"
MOST = 6
"""Readings of one candidate, at most."""
_VERDICTS = (DISCARD, KEEP, REPEAT)
_STEPS_AT_FIRST = 8
# So many readings that equal another: with noise as large as a step, three series in a hundred do.
_NO_CHANCE = 3.0
# Of a normal, 90% lies within so many deviations of the mean.
_WITHIN = 1.6448536269514722
# Left out to either side of a claim's interval: with .05 each, 86% of intervals held the truth, as
# moments do not carry the tails.
_TAIL = 0.04
# A discard so many deviations behind is a broken idea: it tells neither of the noise nor of what
# ideas that work may gain, and effects that fall off exponentially would be stretched to reach it.
_BROKEN = 20.0
_LARGEST = 1e140  # squares stay finite
FIGURES = 7
SCRATCH = information.TABLE
SUMMARY = summaries.LENGTH


class Belief(NamedTuple):
    """What all readings so far say; constant size, and plain numbers that JSON carries exactly."""

    numbers: tuple[float, ...]


class Judgement(NamedTuple):
    """`gain`, with its 90% interval `low` to `high`, is incumbent minus candidate: positive is
    better. `probability` is that of a true improvement, `worse` that of a true harm; `noise` is the
    deviation of one reading."""

    verdict: str
    gain: float
    low: float
    high: float
    probability: float
    worse: float
    noise: float


class Claim(NamedTuple):
    """How much better the incumbent is than the baseline, with the 90% interval."""

    gain: float
    low: float
    high: float
    probability: float


def begin(readings: Sequence[float], *, paired: bool = False) -> Belief:
    """The belief after the baseline's readings, at least one.

    With `paired` each is instead a difference between two runs of the baseline's own code: it tells
    the noise of a pair, and its mean is 0 by construction.
    """
    state = [0.0] * bank.LENGTH
    start(state, _bounded(readings), len(readings), paired, [0.0] * SUMMARY, [0.0] * SCRATCH)
    return Belief(tuple(state))


def judge(belief: Belief, readings: Sequence[float], *, most: int = MOST) -> Judgement:
    """The verdict on a candidate with all its `readings`; changes nothing.

    With `paired` a reading is candidate minus incumbent, one a pair. At `most` readings it decides.
    """
    figures = [0.0] * FIGURES
    weigh(list(belief.numbers), _bounded(readings), len(readings), most, [0.0] * SUMMARY, figures)
    return Judgement(_VERDICTS[int(figures[0])], *figures[1:])


def settle(belief: Belief, readings: Sequence[float], *, kept: bool) -> Belief:
    """The belief after a candidate's decision, the rule's or an override's."""
    state = list(belief.numbers)
    take(state, _bounded(readings), len(readings), kept, [0.0] * SUMMARY, [0.0] * SCRATCH)
    return Belief(tuple(state))


def reread(belief: Belief, readings: Sequence[float]) -> Belief:
    """The belief after further readings of the incumbent's own code; not for pairs."""
    state = list(belief.numbers)
    take_again(state, _bounded(readings), len(readings), [0.0] * SUMMARY, [0.0] * SCRATCH)
    return Belief(tuple(state))


def claim(belief: Belief) -> Claim:
    """What the incumbent has gained on the baseline, in metric units."""
    figures = [0.0] * FIGURES
    gained(list(belief.numbers), figures)
    return Claim(*figures[:4])


def _bounded(readings: Sequence[float]) -> list[float]:
    return [min(max(reading, -_LARGEST), _LARGEST) for reading in readings]


def start(
    state: MutableSequence[float],
    readings: Sequence[float],
    n: int,
    paired: bool,  # noqa: FBT001
    summary: MutableSequence[float],
    table: MutableSequence[float],
) -> None:
    """Begins a zeroed state with n readings of the baseline."""
    origin = 0.0 if paired else readings[0]
    summaries.summarise(readings, n, origin, summary)
    mean, scatter = summary[summaries.MEAN], summary[summaries.SCATTER]
    state[bank.SAME] = 1.0
    if paired:
        state[bank.PAIRED] = 1.0
        state[bank.PLAIN_N] = n + 1.0
        scatter += n * mean * mean
    else:
        state[bank.PLAIN] = state[bank.PLAIN_0] = origin + mean
        state[bank.PLAIN_N] = state[bank.PLAIN_0_N] = float(n)
    if scatter > 0.0:
        awaken(state, scatter, state[bank.PLAIN_N] - 1.0)
        information.appraise(state, table, _STEPS_AT_FIRST)
        return
    # What a repeat is worth is told in units of the noise: it is known before the noise is.
    awaken(state, 1.0, 1.0)
    information.appraise(state, table, _STEPS_AT_FIRST)
    state[bank.UNIT] = 0.0


def awaken(state: MutableSequence[float], scatter: float, freedom: float) -> None:
    """Begins the bank in a state that knew no noise: readings of one code scatter after all."""
    bank.fill(state, scatter, freedom)
    n = 0.0 if state[bank.PAIRED] > 0.0 else state[bank.PLAIN_N]
    n0 = 0.0 if state[bank.SAME] > 0.0 else state[bank.PLAIN_0_N]
    bank.place(state, state[bank.PLAIN], n, state[bank.PLAIN_0], n0)
    state[bank.NOISE] = information.sigma_of(state)


def wakes(
    state: MutableSequence[float],
    readings: Sequence[float],
    n: int,
    summary: MutableSequence[float],
) -> bool:
    """Begins the bank where a candidate's readings show noise that was not known; says whether.

    Where a metric has few digits, rounding may hide it (a variance of step^2/12 a reading) until
    so many readings were equal that chance hardly explains it. Scatter that placed the hypotheses
    is taken out of the weights: it is still to be weighed.
    """
    summaries.summarise(readings, n, state[bank.PLAIN], summary)
    scatter, freedom = summary[summaries.SCATTER], n - 1.0 + state[bank.PLAIN_N] - 1.0
    if state[bank.SAME] <= 0.0:
        freedom += state[bank.PLAIN_0_N] - 1.0
    if state[bank.PAIRED] <= 0.0 and freedom < _NO_CHANCE:
        width = rounding.step(readings, n, state[bank.PLAIN])
        scatter = max(scatter, freedom * width * width / 12.0)
    if scatter <= 0.0:
        return False
    awaken(state, scatter, freedom)
    for i in range(bank.SIZE):
        sigma = state[bank.SIGMA + i]
        weight = (n - 1.0) * math.log(sigma) + 0.5 * summary[summaries.SCATTER] / (sigma * sigma)
        state[bank.WEIGHT + i] = weight
    return True


def weigh(
    state: list[float],
    readings: Sequence[float],
    n: int,
    most: int,
    summary: MutableSequence[float],
    figures: MutableSequence[float],
) -> None:
    """Figures: 0 discard, 1 keep, 2 repeat; gain, low, high, probability, worse, noise."""
    if state[bank.UNIT] <= 0.0:
        state = state.copy()
        if not wakes(state, readings, n, summary):
            compare(-summary[summaries.MEAN], figures)
            return
    summaries.summarise(readings, n, state[bank.ORIGIN], summary)
    bank.weigh(state, summary, figures)
    better, worse, square = figures[0], figures[1], figures[2]
    figures[6], figures[5], figures[4] = figures[5], figures[4], figures[3]
    gain = better - worse
    reach = _WITHIN * math.sqrt(max(square - gain * gain, 0.0))
    figures[0] = 1.0 if gain > 0.0 else 0.0
    if n < most and information.is_due(state, n, better, worse):
        figures[0] = 2.0
    figures[1], figures[2], figures[3] = gain, gain - reach, gain + reach


def compare(gain: float, figures: MutableSequence[float]) -> None:
    """The figures where no noise is known: what reads better is better."""
    figures[0] = 1.0 if gain > 0.0 else 0.0
    figures[1] = figures[2] = figures[3] = gain
    figures[4] = figures[0]
    figures[5] = 1.0 if gain < 0.0 else 0.0
    figures[6] = 0.0


def take(
    state: MutableSequence[float],
    readings: Sequence[float],
    n: int,
    kept: bool,  # noqa: FBT001
    summary: MutableSequence[float],
    table: MutableSequence[float],
) -> None:
    """Takes n readings of a candidate that was kept, or was not."""
    steps = 1
    if state[bank.UNIT] <= 0.0:
        if not wakes(state, readings, n, summary):
            if kept:
                step_up(state, summary)
            return
        steps = _STEPS_AT_FIRST
    summaries.summarise(readings, n, state[bank.ORIGIN], summary)
    ahead = bank.incumbent(state) - summary[summaries.MEAN]
    if not kept and -ahead > _BROKEN * state[bank.NOISE]:
        return
    bank.learn(state, summary, kept)
    renewal.renew_if_thin(state)
    information.appraise(state, table, steps)


def step_up(state: MutableSequence[float], summary: Sequence[float]) -> None:
    """Makes a candidate the incumbent where no noise is known."""
    if state[bank.PAIRED] > 0.0:
        state[bank.PLAIN_0] -= summary[summaries.MEAN]
    else:
        state[bank.PLAIN] += summary[summaries.MEAN]
        state[bank.PLAIN_N] = summary[summaries.N]
        state[bank.SAME] = 0.0


def take_again(
    state: MutableSequence[float],
    readings: Sequence[float],
    n: int,
    summary: MutableSequence[float],
    table: MutableSequence[float],
) -> None:
    """Takes n further readings of the incumbent's own code."""
    if state[bank.UNIT] <= 0.0:
        summaries.summarise(readings, n, state[bank.PLAIN], summary)
        pool(state, summary, table)
        return
    summaries.summarise(readings, n, state[bank.ORIGIN], summary)
    bank.read_again(state, summary)
    information.appraise(state, table, 1)


def pool(
    state: MutableSequence[float], summary: Sequence[float], table: MutableSequence[float]
) -> None:
    """Joins further readings with an incumbent's whose noise was not known, and wakes the bank."""
    n, mean, old = summary[summaries.N], summary[summaries.MEAN], state[bank.PLAIN_N]
    scatter = summary[summaries.SCATTER] + mean * mean * n * old / (n + old)
    state[bank.PLAIN] += mean * n / (n + old)
    state[bank.PLAIN_N] = n + old
    if state[bank.SAME] > 0.0:
        state[bank.PLAIN_0], state[bank.PLAIN_0_N] = state[bank.PLAIN], state[bank.PLAIN_N]
    if scatter > 0.0:
        awaken(state, scatter, n + old - 1.0)
        information.appraise(state, table, _STEPS_AT_FIRST)


def gained(state: Sequence[float], figures: MutableSequence[float]) -> None:
    """Figures: gain, low, high, probability of the claim."""
    if state[bank.UNIT] <= 0.0:
        gain = state[bank.PLAIN_0] - state[bank.PLAIN]
        figures[0] = figures[1] = figures[2] = gain
        figures[3] = 1.0 if gain > 0.0 else 0.0
        return
    claims.spread(state, figures)
    gain, deviation = figures[0], figures[1]
    figures[1] = claims.quantile(state, _TAIL, gain, deviation)
    figures[2] = claims.quantile(state, 1.0 - _TAIL, gain, deviation)
    figures[3] = 1.0 - claims.below(state, 0.0)
