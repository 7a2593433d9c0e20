"""Which ideas were discarded although they were nearly better; pure.

Judges by what was recorded when they were decided; says nothing of why they failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agent_loops.decide import DISCARD, KEEP
from agent_loops.objective import median
from agent_loops.reporting.ledger import Row

RULE = (
    "discarded, with a gain above zero (too small or too uncertain to keep, or spoilt by a guard, "
    "a check or the budget), or a loss within the noise of one reading; where no noise is known, "
    "a loss of at most a quarter of what a kept idea gains, by their median"
)
_QUARTER = 0.25


class Measure(NamedTuple):
    """By epoch, the loss up to which a discard is near where its own noise is not known."""

    losses: Mapping[int, float]

    def is_near(self, row: Row) -> bool:
        """Whether a row is a near miss by `RULE`."""
        if not row.is_idea or row.status != DISCARD or row.gain is None:
            return False
        return row.gain > 0 or -row.gain <= (row.noise or self.losses.get(row.epoch, 0.0))


def measure(rows: Sequence[Row]) -> Measure:
    """What counts as near in a campaign: gains before and after a rebaseline are not compared."""
    won: dict[int, list[float]] = {}
    for row in rows:
        if row.is_idea and row.status == KEEP and row.gain is not None and row.gain > 0:
            won.setdefault(row.epoch, []).append(row.gain)
    return Measure({epoch: _QUARTER * median(gains) for epoch, gains in won.items()})


def of(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The near misses, the nearest first; where two are as near, the later."""
    near = measure(rows)
    found = [row for row in rows if near.is_near(row)]
    return tuple(sorted(found, key=lambda row: (-(row.gain or 0.0), -row.number)))
