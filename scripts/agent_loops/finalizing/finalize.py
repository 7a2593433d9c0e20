"""`agent-loops finalize`: a clean branch of what was kept, and the text of a pull request.

Never touches another branch, HEAD, the index or the working tree; `--minimal` runs experiments.
"""

from __future__ import annotations

from collections.abc import Callable

from agent_loops.answers import Answer
from agent_loops.finalizing import minimizing, review
from agent_loops.finalizing.removals import Bound
from agent_loops.loop import Loop


def run(
    loop: Loop,
    *,
    squash: bool,
    minimal: Bound | None,
    wait_s: float | None,
    say: Callable[[str], None],
) -> Answer:
    """Makes the branch, after measuring without each kept change where that is asked for.

    Args:
        loop: the campaign's loop.
        squash: one commit instead of one for each idea.
        minimal: how much may be measured to leave out what does not matter; None for nothing.
        wait_s: seconds after which a run that still goes on is answered as running.
        say: told what measuring will cost, before anything is run.

    Raises:
        Refused: no branch was made, and why.
    """
    proposed = review.of(loop, squash=squash)
    if minimal is None:
        return review.make(loop, proposed)
    if minimizing.is_due(loop, minimal):
        proposed.branch.refuse_if_there("is there already, and measuring may change what is kept")
    outcome = minimizing.run(loop, minimal, wait_s=wait_s, say=say)
    if outcome.waiting is not None:
        return outcome.waiting
    last = review.of(loop, squash=squash)
    return review.make(loop, last, told=outcome.notes, left_in=outcome.left_in)
