"""Which lines an experiment took out and put in: enough to see what it set, and quick.

Is no diff: neither places nor moved lines are told. `changes` has those.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache

from agent_loops import snapshots
from agent_loops.errors import AgentLoopsError
from agent_loops.loop import Loop


def reader(run: Loop, numbers: Collection[int]) -> Callable[[int], Sequence[str]]:
    """Reads the changed lines of those experiments; () for others, and where a snapshot is damaged.

    An incumbent is read once for all that were built on it one after the other.
    """

    @lru_cache(maxsize=8)
    def saved(number: int) -> snapshots.Tree | None:
        try:
            return run.workspace.saved(number)
        except AgentLoopsError:
            return None

    def changed(number: int) -> Sequence[str]:
        base = run.campaign.experiments[number].started.base
        if number not in numbers or base is None:
            return ()
        before, after = saved(base), saved(number)
        return () if before is None or after is None else between(before, after)

    return changed


def between(before: snapshots.Tree, after: snapshots.Tree) -> list[str]:
    """The lines that only one of the two has, marked as in a diff, in the order of the files."""
    found: list[str] = []
    for path in snapshots.differing(before, after):
        old = before[path].data.decode("utf-8", "replace").splitlines() if path in before else []
        new = after[path].data.decode("utf-8", "replace").splitlines() if path in after else []
        had, has = set(old), set(new)
        found += [f"-{line}" for line in old if line not in has]
        found += [f"+{line}" for line in new if line not in had]
    return found
