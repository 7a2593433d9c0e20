"""Readings in, verdict out: pure, without clock, files or environment.

Knows nothing of crashes: a run without a reading is no matter of comparing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from agent_loops.objective import Direction, mean

if TYPE_CHECKING:  # imported where readings are judged
    from agent_loops.keeping.rule import Judgement

KEEP = "keep"
DISCARD = "discard"
CRASH = "crash"
REPEAT = "repeat"
REHEARSAL = "rehearsal"
"""The kind of what is discarded whatever it measured."""
PRUNED = "pruned"
"""The kind of what was so far behind that its run was ended early: there is no reading."""


MANY_LINES = 20
"""From so many lines more on, a gain has to stand out of the noise to be worth them."""
# Elsewhere later ideas, read beside it, correct what a keep was taken to gain; pairs never do.
_PAIRS_OF_A_KEEP = 3
_WITHIN_NOISE = 1.0
_EQUAL = 0.5
_SMALL = 5.0


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
    weighed: Weighed | None = None,
    is_simpler: bool = False,
) -> Verdict:
    """Better than the incumbent is kept, equal or worse is not: as read, or as `weighed` says.

    Args:
        candidate: every reading of the candidate's code, at least one.
        incumbent: every reading of the incumbent's code; empty for a baseline.
        direction: which way is better.
        over_budget: why the candidate took longer than it may; empty where it did not.
        broken_guard: which printed number does not hold; empty where all do.
        failed_checks: why `checks_cmd` did not pass; empty where it did, or has not run.
        weighed: what the noise-aware rule makes of the readings; None for the plain rule.
        is_simpler: by the plain rule too equal is kept, for the candidate is known to be simpler.
    """
    if not incumbent:
        return Verdict(KEEP, "baseline", "the baseline that ideas are compared with")
    if over_budget:
        return Verdict(DISCARD, "over budget", over_budget)
    if broken_guard:
        return Verdict(DISCARD, "guard", broken_guard)
    if failed_checks:
        return Verdict(DISCARD, "checks", failed_checks)
    if weighed is not None:
        return weigh(weighed)
    new, old = estimate(candidate), estimate(incumbent)
    if direction.better(new, old):
        return Verdict(KEEP, "better", "better than the incumbent")
    if new == old and is_simpler:
        return Verdict(KEEP, "simpler", "equal to the incumbent, with one change fewer")
    if new == old:
        return Verdict(DISCARD, "equal", "equal to the incumbent")
    return Verdict(DISCARD, "worse", "worse than the incumbent")


class Weighed(NamedTuple):
    """What the noise-aware rule makes of a candidate, beside the code that it costs.

    `behind` is how much worse than the best ever it is taken to be, in metric units; `more_lines`
    the lines added less those removed; `pairs` how many runs of the incumbent stood beside its own,
    0 where it is compared with what was read before. `takes_back` tells that a kept change is taken
    out, which is simpler where it costs no line either; then it `may_repeat` until it is clear.
    """

    judgement: Judgement
    behind: float
    more_lines: int
    pairs: int
    takes_back: bool = False
    may_repeat: bool = False

    @property
    def is_simpler(self) -> bool:
        return self.more_lines < int(self.takes_back)

    @property
    def how_simpler(self) -> str:
        """What is saved, in words."""
        return f"{-self.more_lines} lines fewer" if self.more_lines else "one change fewer"


def weigh(weighed: Weighed) -> Verdict:
    """The rule's verdict with the simplicity criterion, in units of the noise of one reading.

    The protocol's table is in val_bpb, where .001 is about the deviation of a five-minute run: a
    gain under one deviation is not worth 20 lines more; what is equal (at most half of one behind
    the best ever, so that many such steps do not add up) is worth keeping where it is shorter.
    Without noise equal means equal.
    """
    judgement, more = weighed.judgement, weighed.more_lines
    if judgement.verdict == REPEAT:
        return Verdict(REPEAT, "unclear", f"{in_words(judgement)}: one more run is worth its time")
    said = in_words(judgement)
    if judgement.verdict == KEEP and 0 < weighed.pairs < _PAIRS_OF_A_KEEP and judgement.noise:
        return Verdict(REPEAT, "pair", f"{said}: a keep takes {_PAIRS_OF_A_KEEP} pairs")
    if judgement.verdict == KEEP:
        if more >= MANY_LINES and judgement.gain < _WITHIN_NOISE * judgement.noise:
            why = f"less than one run's noise ({judgement.noise:.2g}) for {more} lines more"
            return Verdict(DISCARD, "complexity", f"{said}; {why}")
        return Verdict(KEEP, "better", said)
    is_close = weighed.behind <= _EQUAL * judgement.noise and _may_be_equal(judgement)
    if weighed.is_simpler and is_close and weighed.takes_back and _may_lose(judgement):
        why = "without the change a loss of more than one run's noise is not ruled out"
        status = REPEAT if weighed.may_repeat else DISCARD
        return Verdict(status, "unclear", f"{said}; {why}")
    if weighed.is_simpler and is_close:
        return Verdict(KEEP, "simpler", f"{said}; equal within the noise, {weighed.how_simpler}")
    return Verdict(DISCARD, "worse" if judgement.gain else "equal", said)


def _may_be_equal(judgement: Judgement) -> bool:
    return judgement.gain >= -_EQUAL * judgement.noise


def _may_lose(judgement: Judgement) -> bool:
    """What was kept for its gain is not given up for an estimate that could be luck."""
    return judgement.low < -_WITHIN_NOISE * judgement.noise


def advice(weighed: Weighed) -> str:
    """What the table leaves to the agent: a small gain for many lines; empty where it is plain."""
    gain, noise, more = weighed.judgement.gain, weighed.judgement.noise, weighed.more_lines
    if more < MANY_LINES or not _WITHIN_NOISE * noise <= gain < _SMALL * noise:
        return ""
    times = f"{gain / noise:.1f} times one run's noise"
    return f"a gain of {times} for {more} lines more: `override` it if they are a hack"


def in_words(judgement: Judgement) -> str:
    """`gain 0.0244, 90%: 0.022 to 0.0268; 97% likely better, …`: the rest is no different."""
    low, high = judgement.low, judgement.high
    gain = f"gain {judgement.gain:.4g}"
    if judgement.gain < 0:
        gain, low, high = f"loss {-judgement.gain:.4g}", -high, -low
    if not judgement.noise:
        return f"{gain}, no noise seen" if judgement.gain else "equal to the incumbent"
    better, worse = percent(judgement.probability), percent(judgement.worse)
    return f"{gain}, 90%: {low:.2g} to {high:.2g}; {better} likely better, {worse} likely worse"


def percent(probability: float) -> str:
    """A probability for people: never 0% or 100%, for nothing is certain."""
    rounded = round(100 * probability)
    return "over 99%" if rounded > 99 else "under 1%" if rounded < 1 else f"{rounded}%"
