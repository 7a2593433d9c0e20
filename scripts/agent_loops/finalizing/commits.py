"""Which commits a review branch has: one for each idea that is in the incumbent; pure.

Writes none, and words no message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from agent_loops import snapshots
from agent_loops.finalizing import ancestry
from agent_loops.finalizing.ancestry import Step

ENTANGLED = (
    "These ideas are one commit, for a change that was taken out of the middle of them leaves "
    "lines that do not merge."
)
REMAINDER = "Without what was taken out, more is different here than this idea's own change."


class Planned(NamedTuple):
    """One commit to be: the files after it, and the steps that it stands for; `note` is why more.

    The first of a plan stands for what the campaign began with.
    """

    tree: snapshots.Tree
    steps: tuple[Step, ...]
    note: str = ""


def plan(chain: Sequence[Step]) -> list[Planned]:
    """A commit for each step but for what was taken back; the last has the incumbent's files."""
    began, *rest = chain
    planned = [Planned(began.after, (began,))]
    left = remaining(chain)
    if len(left) == len(rest):
        return planned + [Planned(step.after, (step,)) for step in rest]
    final, tree = chain[-1].after, began.after
    for at, step in enumerate(left):
        merged = ancestry.carried(tree, step.before, step.after)
        if merged.collisions:
            return [*planned, Planned(final, tuple(left[at:]), ENTANGLED)]
        tree = merged.tree
        planned.append(Planned(tree, (step,)))
    if tree != final:
        planned[-1] = planned[-1]._replace(tree=final, note=REMAINDER)
    return planned


def squashed(chain: Sequence[Step]) -> list[Planned]:
    """One commit for all of it."""
    return [Planned(chain[-1].after, tuple(remaining(chain)))]


def remaining(chain: Sequence[Step]) -> list[Step]:
    """The steps behind the first that are still in the incumbent."""
    gone = ancestry.taken_back(chain)
    return [
        step
        for step in chain[1:]
        if step.number not in gone and step.experiment.started.takes_back is None
    ]
