"""Turns paired readings into figures and a verdict: improved, inconclusive, or not improved.

Runs nothing and knows no campaign; the words are in `sentences`. scipy is imported where it is
used: no experiment needs it.

The rule. The pairs share a seed and are run side by side, so what is judged is the difference
within each pair, taken so that positive is better.

- *Improved*: at least five pairs, no run of the code failed, the 95% interval of the mean
  difference lies above 0, the paired t-test (corrected, where several are compared) has p <= 0.05,
  and the rank test agrees. The rank test needs no normal differences, so it is asked whether one
  wild pair made the t-test's result. With five pairs its smallest two-sided p is 2/2^5 = 0.0625: it
  agrees where its p is at most 0.05, or the smallest that so many pairs can have, which says that
  every pair was better. Under pure noise of any symmetric kind five pairs are all better in 1 of 32
  claims, and the t-test leaves fewer of these.
- *Not improved*: at least five pairs, and the interval lies below 0, or below the smallest
  worthwhile difference: a tenth of the gain that the campaign had recorded. Where that little is
  left, nine tenths of what was claimed were luck; and it is fixed before the first run.
- *Inconclusive at this scale* otherwise, with the difference that so many pairs could have told:
  the one found with a power of 80%, (t_.975 + t_.8) s / sqrt(n) with n - 1 degrees of freedom.

Where the differences do not vary there is nothing to test: then their sign is the answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from agent_loops.objective import Direction, mean

IMPROVED = "improved"
INCONCLUSIVE = "inconclusive"
NOT_IMPROVED = "not improved"
FEWEST_PAIRS = 5
MOST_PAIRS = 100
WORTHWHILE = 0.1  # of the recorded gain
_LEVEL = 0.95
_ALPHA = 1 - _LEVEL
_POWER = 0.8
SURE_DIGITS = 12  # what lies behind them is left by subtracting
_MOST_FOR_ALL_SIGNS = 13
_LARGEST = 1e300


class Figures(NamedTuple):
    """What pairs of readings show; differences are positive where the candidate is better.

    `low` and `high` bound the mean difference at 95%. `effect` is Hedges' g_z: the mean difference
    over the differences' deviation (Cohen's d_z), times 1 - 3/(4(n - 1) - 1). `detectable` is the
    difference that so many pairs tell four times in five, `needed` the pairs that would tell the
    present one. None where there are too few pairs, or where nothing varies; `is_exact` is true
    where all differences are the same, `is_constant` where all readings of each side are.
    """

    pairs: int
    mean: float
    deviation: float | None
    baseline_mean: float
    baseline_deviation: float | None
    gain: float
    gain_deviation: float | None
    low: float | None = None
    high: float | None = None
    t_p: float | None = None
    rank_p: float | None = None
    rank_agrees: bool = False
    effect: float | None = None
    detectable: float | None = None
    needed: int | None = None
    is_exact: bool = False
    is_constant: bool = False


class Subject(NamedTuple):
    """What is claimed of one experiment, and all that the sentence says beside its figures.

    `recorded` is the gain that the campaign had recorded; `failures` and `remarks` are said as they
    are, and with a failure nothing is improved. `figures` is None without a complete pair. `since`
    follows the verdict where the baseline is not the campaign's first.
    """

    name: str
    metric: str
    figures: Figures | None
    recorded: float
    failures: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    compared: int = 1
    since: str = ""


def figures(
    candidate: Sequence[float], baseline: Sequence[float], direction: Direction
) -> Figures | None:
    """The figures of readings that belong together in their order; None where there are none.

    Raises:
        ValueError: not as many of one as of the other.
    """
    if not candidate:
        return None
    gains = [_difference(new, old, direction) for new, old in zip(candidate, baseline, strict=True)]
    spread = _deviation(gains)
    found = Figures(
        pairs=len(gains),
        mean=mean(candidate),
        deviation=_deviation(candidate),
        baseline_mean=mean(baseline),
        baseline_deviation=_deviation(baseline),
        gain=mean(gains),
        gain_deviation=spread,
        is_exact=len(set(gains)) == 1,
        is_constant=len(set(candidate)) == 1 == len(set(baseline)),
    )
    if spread is None or found.is_exact or not 0 < spread < _LARGEST:
        return found
    return _tested(found, gains, spread)


def _tested(found: Figures, gains: Sequence[float], spread: float) -> Figures:
    from scipy import stats  # type: ignore[import-untyped,unused-ignore]

    n, scale = len(gains), max(map(abs, gains))
    in_units = [gain / scale for gain in gains]
    test = stats.ttest_1samp(in_units, 0.0)
    bounds = test.confidence_interval(_LEVEL)
    rank_p = _rank_p(in_units)
    return found._replace(
        low=float(bounds.low) * scale,
        high=float(bounds.high) * scale,
        t_p=float(test.pvalue),
        rank_p=rank_p,
        rank_agrees=rank_p <= max(_ALPHA, 2.0 ** (1 - n)),
        effect=found.gain / spread * (1 - 3 / (4 * (n - 1) - 1)) if n > 2 else None,
        detectable=_detectable([n], spread)[0],
        needed=_needed(abs(found.gain), spread),
    )


def _rank_p(gains: Sequence[float]) -> float:
    """Wilcoxon's signed-rank test, two-sided: exact, but for ties among more than 13 pairs."""
    from scipy import stats

    sizes = [abs(gain) for gain in gains]
    is_plain = len(set(sizes)) == len(sizes) and 0.0 not in sizes
    few = len(gains) <= _MOST_FOR_ALL_SIGNS
    method = stats.PermutationMethod() if few and not is_plain else "auto"
    return float(stats.wilcoxon(gains, method=method).pvalue)


def _detectable(pairs: Sequence[int], spread: float) -> list[float]:
    """For each number of pairs the difference that is told with the power."""
    from scipy import stats

    freedom = [n - 1 for n in pairs]
    quantiles = stats.t.ppf(1 - _ALPHA / 2, freedom) + stats.t.ppf(_POWER, freedom)
    return [float(q) * spread / math.sqrt(n) for q, n in zip(quantiles, pairs, strict=True)]


def _needed(gain: float, spread: float) -> int | None:
    """The pairs with which such a gain is told; None where more than the most would be."""
    pairs = range(FEWEST_PAIRS, MOST_PAIRS + 1)
    told = zip(pairs, _detectable(pairs, spread), strict=True)
    return next((n for n, difference in told if difference <= gain), None)


def _difference(new: float, old: float, direction: Direction) -> float:
    """The gain, without the last digits that only a subtraction of floats makes."""
    gain = direction.gain(new, old)
    size = max(abs(new), abs(old))
    return round(gain, SURE_DIGITS - math.floor(math.log10(size)) - 1) if size else gain


def _deviation(values: Sequence[float]) -> float | None:
    """The sample's standard deviation; None for one value."""
    if len(values) < 2:
        return None
    if len(set(values)) == 1:
        return 0.0
    middle = mean(values)
    scale = max(abs(value - middle) for value in values)
    squares = math.fsum(((value - middle) / scale) ** 2 for value in values)
    return scale * math.sqrt(squares / (len(values) - 1))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values corrected for so many comparisons, by Holm's step-down method."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return tuple(corrected)


def corrected(found: Sequence[Figures | None]) -> list[Figures | None]:
    """The figures with p-values for all of these comparisons together.

    Whether the rank test agrees is left alone: it asks about the t-test's assumption, in each.
    """
    tested = [item for item in found if item is not None and item.t_p is not None]
    t_ps = iter(holm([item.t_p for item in tested if item.t_p is not None]))
    rank_ps = iter(holm([item.rank_p for item in tested if item.rank_p is not None]))
    return [
        item._replace(t_p=next(t_ps), rank_p=next(rank_ps))
        if item is not None and item.t_p is not None
        else item
        for item in found
    ]


def verdict(subject: Subject) -> str:
    """`improved`, `inconclusive` or `not improved`, by the rule at the head of this module."""
    found = subject.figures
    if found is None or found.pairs < FEWEST_PAIRS:
        return INCONCLUSIVE
    if found.is_exact:
        better = found.gain > 0
        if better and not subject.failures:
            return IMPROVED
        return INCONCLUSIVE if better else NOT_IMPROVED
    low, high, t_p = found.low, found.high, found.t_p
    if low is None or high is None or t_p is None:
        return INCONCLUSIVE
    if low > 0 and t_p <= _ALPHA and found.rank_agrees and not subject.failures:
        return IMPROVED
    return NOT_IMPROVED if high < max(0.0, WORTHWHILE * subject.recorded) else INCONCLUSIVE


def as_json(found: Figures | None) -> dict[str, Any]:
    """The figures by their full names; nothing where there are none."""
    if found is None:
        return {"pairs": 0}
    bounds = None if found.low is None else [found.low, found.high]
    return {
        "pairs": found.pairs,
        "mean": found.mean,
        "deviation": found.deviation,
        "baseline_mean": found.baseline_mean,
        "baseline_deviation": found.baseline_deviation,
        "gain": found.gain,
        "gain_deviation": found.gain_deviation,
        "interval_95": bounds,
        "paired_t_p": found.t_p,
        "wilcoxon_p": found.rank_p,
        "hedges_g_z": found.effect,
        "detectable": found.detectable,
        "pairs_needed": found.needed,
    }
