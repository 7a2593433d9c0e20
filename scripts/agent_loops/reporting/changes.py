"""What each experiment changed: its diff, read from the snapshots.

Judges nothing; a snapshot that is damaged is named instead of its diff.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from agent_loops import display, snapshots
from agent_loops.errors import AgentLoopsError
from agent_loops.workspace import Workspace


class Change(NamedTuple):
    """One experiment against what it was built on.

    `lines` is a unified diff, `files` the paths that differ. `problem` says why there is none.
    """

    lines: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    problem: str = ""


def of(
    workspace: Workspace, number: int, saved: Callable[[int], snapshots.Tree] | None = None
) -> Change:
    """The change that an experiment made; empty for a baseline.

    Whoever asks for many passes a `saved` that remembers the last few: ideas share their bases.
    """
    experiment = workspace.campaign.experiments[number]
    base = experiment.started.base
    if base is None:
        return Change()
    load = saved or workspace.saved
    try:
        before, after = load(base), load(number)
    except AgentLoopsError as error:
        return Change(problem=display.clean(str(error), 300))
    return between(before, after)


def between(before: snapshots.Tree, after: snapshots.Tree) -> Change:
    """The change from one tree to another."""
    lines: Sequence[str] = tuple(snapshots.unified_diff(before, after))
    return Change(tuple(lines), tuple(snapshots.differing(after, before)))
