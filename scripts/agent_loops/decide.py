"""Readings in, verdict out: pure, without clock, files or environment.

Knows nothing of crashes: a run without a reading is no matter of comparing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from agent_loops.objective import Direction, mean

KEEP = "keep"
DISCARD = "discard"
CRASH = "crash"
REPEAT = "repeat"
REHEARSAL = "rehearsal"
"""The kind of what is discarded whatever it measured."""
PRUNED = "pruned"
"""The kind of what was so far behind that its run was ended early: there is no reading."""


class Verdict(NamedTuple):
    """`status` is keep, discard or repeat (one more run before a decision)."""

    status: str
    kind: str
    reason: str


def estimate(readings: Sequence[float]) -> float:
    """The metric that readings of one piece of code stand for: their mean, in metric units."""
    return mean(readings)


def decide(
    candidate: Sequence[float],
    incumbent: Sequence[float],
    *,
    direction: Direction,
    over_budget: str = "",
    broken_guard: str = "",
    failed_checks: str = "",
) -> Verdict:
    """The plain rule: better than the incumbent is kept, equal or worse is not.

    Args:
        candidate: every reading of the candidate's code, at least one.
        incumbent: every reading of the incumbent's code; empty for a baseline.
        direction: which way is better.
        over_budget: why the candidate took longer than it may; empty where it did not.
        broken_guard: which printed number does not hold; empty where all do.
        failed_checks: why `checks_cmd` did not pass; empty where it did, or has not run.
    """
    if not incumbent:
        return Verdict(KEEP, "baseline", "the baseline that ideas are compared with")
    if over_budget:
        return Verdict(DISCARD, "over budget", over_budget)
    if broken_guard:
        return Verdict(DISCARD, "guard", broken_guard)
    if failed_checks:
        return Verdict(DISCARD, "checks", failed_checks)
    new, old = estimate(candidate), estimate(incumbent)
    if direction.better(new, old):
        return Verdict(KEEP, "better", "better than the incumbent")
    if new == old:
        return Verdict(DISCARD, "equal", "equal to the incumbent")
    return Verdict(DISCARD, "worse", "worse than the incumbent")
