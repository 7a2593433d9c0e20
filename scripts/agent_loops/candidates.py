"""The candidate: the bytes that are to be run, made without writing anything.

Pure but for reading, so that later several can be made while a run goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from agent_loops import integrity, scan, seeds, snapshots
from agent_loops.errors import Refused
from agent_loops.state import Campaign
from agent_loops.workspace import Workspace

if TYPE_CHECKING:  # imported where there are blocks
    from agent_loops.edits import Block


class Candidate(NamedTuple):
    """The files to run, what they grew from, and what is worth telling about them.

    `left_behind` says what stays in the editable files where the candidate is refused.
    """

    tree: snapshots.Tree
    base: snapshots.Tree
    base_number: int | None
    notes: tuple[str, ...]
    left_behind: str = ""

    @property
    def code(self) -> str:
        return snapshots.digest(self.tree)


def base_of(workspace: Workspace, campaign: Campaign) -> snapshots.Tree:
    """The files that the next idea grows from, or the baseline before there is a reading."""
    number = _base_number(campaign)
    if number != campaign.incumbent_number:
        return workspace.saved(number)
    return workspace.incumbent_tree()


def make(
    workspace: Workspace,
    campaign: Campaign,
    base: snapshots.Tree,
    edit: str | Sequence[Block] | None,
) -> Candidate:
    """The candidate's bytes, made without writing anything.

    `edit` is the text of search/replace blocks, or these, where they were read already.

    Raises:
        Refused: there is nothing to try, or it would leave out what somebody edited.
    """
    present = workspace.present()
    edited = snapshots.differing(present, base)
    open_ = campaign.open
    notes: tuple[str, ...] = ()
    if campaign.wants_baseline:
        number = None
        mending = open_ is not None and open_.last_finished is not None
        if not mending and (edit is not None or edited):
            raise Refused(
                "baseline first", "the first experiment is the unmodified baseline",
                files=edited,
                next_step=f"`agent-loops checkout {_base_number(campaign)}` sets edits aside; "
                "then `agent-loops try baseline`",
            )  # fmt: skip
        if mending and (edit is not None or edited):
            notes = ("runs as the mended baseline: ideas are compared with this code",)
    else:
        number = campaign.incumbent_number
    if edit is not None:
        number = _holder(campaign, present, base)
        tree = _edited(campaign, present, edit)
        if not campaign.wants_baseline and number != campaign.incumbent_number:
            notes += (f"built on #{number}, whose code lies in the files",)
    else:
        tree = present
    notes += _metric_line_notes(campaign, base, tree)
    notes += _seed_notes(base, tree)
    left_behind = ""
    if edit is None and edited:
        left_behind = (
            f"{', '.join(edited[:5])} {'stays' if len(edited) == 1 else 'stay'} edited until "
            f"`agent-loops checkout {_base_number(campaign)}`"
        )
    return Candidate(tree, base, number, notes, left_behind)


def made_elsewhere(
    workspace: Workspace, campaign: Campaign, base: snapshots.Tree, tree: snapshots.Tree
) -> Candidate:
    """The candidate of these bytes, which grew from the incumbent's; `base` is those.

    Raises:
        Refused: it would leave out what somebody edited.
    """
    _holder(campaign, workspace.present(), base)
    notes = _metric_line_notes(campaign, base, tree) + _seed_notes(base, tree)
    return Candidate(tree, base, campaign.incumbent_number, notes)


def _holder(campaign: Campaign, present: snapshots.Tree, base: snapshots.Tree) -> int:
    """The experiment whose code lies here: the incumbent's, or another's since a `checkout`."""
    code, incumbent = snapshots.digest(present), campaign.incumbent
    if incumbent is not None and incumbent.started.code == code:
        return incumbent.number  # a repeat of it has the same
    number = campaign.holders.get(code)
    if number is not None:
        return number
    edited = snapshots.differing(present, base)
    raise Refused(
        "edits", f"edited by hand: {', '.join(edited[:5])}; this candidate would leave that out",
        files=edited,
        next_step="`agent-loops try 'IDEA'` without --edit measures it; `agent-loops "
        f"checkout {_base_number(campaign)}` sets it aside",
    )  # fmt: skip


def _base_number(campaign: Campaign) -> int:
    """The incumbent; for a baseline, as setup or rebaseline saved it, or as last tried."""
    if not campaign.wants_baseline and campaign.incumbent_number is not None:
        return campaign.incumbent_number
    open_ = campaign.open
    if open_ is not None:
        return open_.number
    return 1 if campaign.epoch == 0 else campaign.next_number


def _edited(
    campaign: Campaign, tree: snapshots.Tree, edit: str | Sequence[Block]
) -> snapshots.Tree:
    """The tree with search/replace blocks applied; pure."""
    from agent_loops import edits

    allowed = scan.matcher(campaign.bindings.editable_files)
    blocks = edits.parse(edit) if isinstance(edit, str) else edit
    changed = edits.apply(blocks, {path: item.data for path, item in tree.items()}, allowed=allowed)
    result = dict(tree)
    for path, data in changed.items():
        mode = tree[path].mode if path in tree else 0o644
        if len(data) > snapshots.MAX_FILE_BYTES:
            raise Refused(
                "edit", f"{path} would be larger than 1 MiB", files=[path],
                next_step="make the edit smaller",
            )  # fmt: skip
        result[path] = snapshots.FileState(data, mode)
    return result


def _seed_notes(base: snapshots.Tree, tree: snapshots.Tree) -> tuple[str, ...]:
    """Flags that luck may have a part in what the change gains."""
    before = {path: item.data for path, item in base.items()}
    after = {path: item.data for path, item in tree.items()}
    if not seeds.may_concern(before, after):
        return ()
    from agent_loops import reseeding

    return ("also changes a seed",) if reseeding.changes_seed(before, after) else ()


def _metric_line_notes(
    campaign: Campaign, base: snapshots.Tree, tree: snapshots.Tree
) -> tuple[str, ...]:
    """Flags a change to lines that print or compute the metric."""
    metric = campaign.bindings.metric
    before = integrity.metric_lines({path: item.data for path, item in base.items()}, metric)
    after = integrity.metric_lines({path: item.data for path, item in tree.items()}, metric)
    touched = [
        f"{path}:{number}" for (path, line), number in before.items() if (path, line) not in after
    ]
    touched += [
        f"{path}:{number}" for (path, line), number in after.items() if (path, line) not in before
    ]
    if not touched:
        return ()
    places = ", ".join(sorted(set(touched))[:4])
    return (
        f"changes lines that name {metric} ({places}): look whether the measurement is the same",
    )
