"""What the incumbent grew from, experiment by experiment, with the files before and after each.

Reads the record and the snapshots; runs nothing, and asks no git.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agent_loops import decide, scan, snapshots
from agent_loops.experiments import Experiment
from agent_loops.finalizing import merging
from agent_loops.state import Campaign
from agent_loops.workspace import Workspace


class Step(NamedTuple):
    """One kept experiment of the incumbent's ancestry, with all files that were ever editable.

    `through` are experiments between the one before and this whose change came along although they
    were not kept (code that a `checkout` brought back), or whose own snapshot is damaged.
    """

    experiment: Experiment
    before: snapshots.Tree
    after: snapshots.Tree
    through: tuple[Experiment, ...] = ()

    @property
    def number(self) -> int:
        return self.experiment.number

    @property
    def is_idea(self) -> bool:
        """Whether it tried something of its own: no baseline, and no change taken back."""
        started = self.experiment.started
        return not started.baseline and started.takes_back is None


class Merged(NamedTuple):
    """A tree with a change carried over; `collisions` are the paths where that was impossible."""

    tree: dict[str, snapshots.FileState]
    collisions: tuple[str, ...]


def lineage(campaign: Campaign) -> list[Experiment]:
    """From the first baseline to the incumbent, each with what it was built on before it.

    An idea that was kept and overridden, or left behind by a `checkout`, is not among them.
    """
    found: list[Experiment] = []
    number = campaign.incumbent_number
    while number is not None:
        item = campaign.experiments[number]
        found.append(item)
        base = None if item.started.baseline else item.started.base
        number = item.replaced if base is None else base
    return found[::-1]


def steps(workspace: Workspace) -> list[Step]:
    """The kept ones of the lineage, oldest first; the first is what the campaign began with.

    Raises:
        Refused: the incumbent's own files are damaged.
        snapshots.SnapshotError: those that it began with are.
    """
    campaign = workspace.campaign
    workspace.incumbent_tree()
    found: list[Step] = []
    skipped: list[Experiment] = []
    whole: dict[str, snapshots.FileState] = {}
    outside: dict[str, snapshots.FileState] = {}
    epoch = 0
    for item in lineage(campaign):
        trees = workspace.readable(item.number) if found else [workspace.saved(item.number)]
        if not trees or (item.verdict != decide.KEEP and item.number != campaign.incumbent_number):
            if not trees or trees[0] != whole:
                skipped.append(item)
            continue
        known = outside if item.epoch == epoch else _left_alone(campaign, whole, item)
        outside = {path: state for path, state in known.items() if path not in trees[0]}
        after = {**outside, **trees[0]}
        before = whole if found else after
        found.append(Step(item, before, after, tuple(skipped)))
        whole, epoch, skipped = after, item.epoch, []
    return found


def _left_alone(
    campaign: Campaign, before: snapshots.Tree, item: Experiment
) -> dict[str, snapshots.FileState]:
    """Files that are no longer editable since a rebaseline, as they were last.

    They lie in the project still, and are a part of what is measured.
    """
    if item.epoch != campaign.epoch:
        return dict(before)
    editable = scan.matcher(campaign.bindings.editable_files)
    return {path: state for path, state in before.items() if not editable(path)}


def carried(onto: snapshots.Tree, before: snapshots.Tree, after: snapshots.Tree) -> Merged:
    """The files of `onto` with what changed from `before` to `after`."""
    tree, collisions = dict(onto), []
    for path in snapshots.differing(before, after):
        try:
            state = _merged(onto.get(path), before.get(path), after.get(path))
        except _Collision:
            collisions.append(path)
            continue
        if state is None:
            tree.pop(path, None)
        else:
            tree[path] = state
    return Merged(tree, tuple(collisions))


class _Collision(Exception):
    """Both sides changed the same thing."""


def _merged(
    onto: snapshots.FileState | None,
    before: snapshots.FileState | None,
    after: snapshots.FileState | None,
) -> snapshots.FileState | None:
    if onto in (before, after):
        return after
    if onto is None or before is None or after is None:
        raise _Collision
    data = merging.merge(onto.data, before.data, after.data)
    if data is None:
        raise _Collision
    return snapshots.FileState(data, after.mode if onto.mode == before.mode else onto.mode)


def taken_back(chain: Sequence[Step]) -> frozenset[int]:
    """The kept ideas without which the incumbent was measured, and kept."""
    return frozenset(_taken_back(chain))


def _taken_back(chain: Sequence[Step]) -> Iterator[int]:
    for step in chain:
        if step.experiment.started.takes_back is not None:
            yield step.experiment.started.takes_back
