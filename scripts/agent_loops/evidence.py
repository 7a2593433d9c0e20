"""What the readings of an epoch say together: folds each decision into the rule's belief; pure.

Decides nothing, and forgets nothing: the same decisions give the same belief.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # imported where it is asked: most commands decide nothing
    from agent_loops.keeping.rule import Belief

BEGUN, KEPT, DISCARDED, READ_AGAIN = "begun", "kept", "discarded", "read again"


class Finding(NamedTuple):
    """Readings with what was decided on them.

    `losses` are in metric units, smaller is better; where runs are paired, candidate less
    incumbent. `what` is BEGUN for a baseline, KEPT, DISCARDED, or READ_AGAIN for more readings of
    the incumbent's own code.
    """

    experiment: int
    what: str
    losses: tuple[float, ...]


def believe(findings: Sequence[Finding], belief: Belief | None, *, paired: bool) -> Belief | None:
    """The belief after these findings, on top of an earlier one; None before a baseline."""
    from agent_loops.keeping import rule

    for finding in findings:
        if finding.what == BEGUN:
            losses = finding.losses
            if paired:
                losses = tuple(b - a for a, b in pairwise(losses)) or (0.0,)
            belief = rule.begin(losses, paired=paired)
        elif belief is None:
            continue
        elif finding.what == READ_AGAIN:
            belief = belief if paired else rule.reread(belief, finding.losses)
        else:
            belief = rule.settle(belief, finding.losses, kept=finding.what == KEPT)
    return belief
