"""The claim in one plain sentence: the verdict, what it rests on, and what speaks against it.

Judges nothing: that is `confirmation`, which has the rule.
"""

from __future__ import annotations

import math

from agent_loops.confirmation import (
    FEWEST_PAIRS,
    INCONCLUSIVE,
    NOT_IMPROVED,
    SURE_DIGITS,
    Figures,
    Subject,
    verdict,
)


def sentence(subject: Subject) -> str:
    """The claim in one line: the verdict, what it rests on, and what speaks against it."""
    found = subject.figures
    if found is None:
        whys = subject.failures or ("no pair of runs is complete",)
        return f"{_head(subject)}: {'; '.join((subject.name, *whys, *subject.remarks))}"
    said = f"{_head(subject)}: {subject.name} {_measured(subject, found)}"
    return "; ".join((said, *_whys(subject, found), *subject.failures, *subject.remarks))


def sentence_beside(holdout: Subject, training: Subject) -> str:
    """The claim on a holdout, with what training showed beside it."""
    return f"{sentence(holdout)}; {_in_training(training)}"


def sentence_without_figures(holdout: Subject, training: Subject) -> str:
    """The same for an agent: ideas that are chosen by a holdout's figures overfit to it."""
    pairs = holdout.figures.pairs if holdout.figures is not None else 0
    said = f"{_head(holdout)}: {holdout.name} {holdout.metric}, {pairs} fresh runs each"
    hidden = "its figures are for the person"
    parts = (said, hidden, *holdout.failures, *holdout.remarks, _in_training(training))
    return "; ".join(parts)


def _head(subject: Subject) -> str:
    word = verdict(subject)
    scale = " at this scale" if word == INCONCLUSIVE else ""
    return f"{word}{scale}{subject.since}"


def _in_training(training: Subject) -> str:
    if training.figures is None:
        return "in training no pair of runs is complete"
    return f"in training {_measured(training, training.figures)}"


def _measured(subject: Subject, found: Figures) -> str:
    return f"{subject.metric} {_sides(found)} ({_evidence(subject, found)})"


def _sides(found: Figures) -> str:
    digits = _decimals(found.deviation, found.baseline_deviation)
    spreads = (None, None) if digits is None else (found.baseline_deviation, found.deviation)
    before = _with_deviation(found.baseline_mean, spreads[0], digits)
    after = _with_deviation(found.mean, spreads[1], digits)
    runs = "fresh run" if found.pairs == 1 else "fresh runs"
    return f"{before} → {after} in {found.pairs} {runs} each"


def _evidence(subject: Subject, found: Figures) -> str:
    if found.pairs > 1 and found.is_constant:
        return (
            f"gain {number(found.gain)}, the same in every run: no test is possible or needed; "
            "where the code fixes its seed, this says nothing of other seeds"
        )
    if found.pairs > 1 and found.is_exact:
        return f"gain {number(found.gain)}, the same in every pair: no test is possible or needed"
    if found.low is None or found.high is None:
        return f"gain {number(found.gain)}"
    digits = _decimals((found.high - found.low) / 2)
    gain, low, high = (number(value, digits) for value in (found.gain, found.low, found.high))
    many = f", corrected for {subject.compared} comparisons" if subject.compared > 1 else ""
    return (
        f"gain {gain}, 95% interval {low} to {high}; "
        f"paired t {_p(found.t_p)}, Wilcoxon {_p(found.rank_p)}{many}"
    )


def _whys(subject: Subject, found: Figures) -> list[str]:
    """Why it is no better word than this, where the figures do not say it alone."""
    word = verdict(subject)
    if found.pairs < FEWEST_PAIRS:
        return [f"a claim needs at least {FEWEST_PAIRS} complete pairs"]
    whys = []
    if word == NOT_IMPROVED and found.high is not None and found.high >= 0:
        whys.append(f"less than a tenth of the recorded {number(subject.recorded)} is left")
    above = found.low is not None and found.low > 0
    if word == INCONCLUSIVE and not above and found.detectable is not None:
        told = number(found.detectable, _decimals(found.detectable))
        whys.append(f"{found.pairs} runs each could tell a difference of {told}")
    if word == INCONCLUSIVE and above and not found.rank_agrees:
        whys.append("the rank test does not agree: the gain rests on few pairs")
    return whys


def _with_deviation(value: float, deviation: float | None, digits: int | None) -> str:
    shown = number(value, digits)
    return shown if deviation is None else f"{shown} ± {number(deviation, digits)}"


def _decimals(*spreads: float | None) -> int | None:
    """How many decimals say two digits of the smallest spread; None where nothing varies."""
    found = [spread for spread in spreads if spread]
    return max(0, 1 - math.floor(math.log10(min(found)))) if found else None


def number(value: float, decimals: int | None = None) -> str:
    """A figure with so many decimals; without, and where they would be too many, 7 digits."""
    if decimals is None or decimals > SURE_DIGITS or abs(value) >= 10**SURE_DIGITS:
        return f"{value:.7g}"
    shown = f"{value:.{decimals}f}"
    return shown.removeprefix("-") if not float(shown) else shown


def _p(value: float | None) -> str:
    if value is None:
        return "p unknown"
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.2g}"
