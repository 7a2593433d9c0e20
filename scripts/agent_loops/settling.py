"""Makes the editable files, the branch and the table follow a decision; safe to do twice.

Decides nothing; a branch that cannot be moved now is moved at the next `try`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime

from agent_loops import decide, events, snapshots
from agent_loops.errors import AgentLoopsError, Refused
from agent_loops.experiments import Experiment
from agent_loops.workspace import Workspace, candidate_files


def settle(workspace: Workspace, experiment: Experiment) -> None:
    """Brings everything up to the decision on `experiment`, and records that it was done."""
    notes: list[str] = list(experiment.decided.notes) if experiment.decided else []
    commit = experiment.started.commit
    incumbent = workspace.campaign.incumbent
    if experiment.is_open_baseline:
        pass  # nothing to go back to, and the person is mending these files
    elif incumbent is not None and incumbent.number != experiment.number:
        known = workspace.readable(experiment.number)
        if not known:
            notes.append(f"the saved code of #{experiment.number} is damaged or gone")
        try:
            target = workspace.incumbent_tree()
        except Refused as damaged:
            notes.append(f"the files stay as they are: {damaged.reason}; {damaged.next_step}")
        else:
            workspace.put(target, known=known, number=experiment.number)
    elif experiment.override_why or experiment.references:
        target = workspace.saved(experiment.number)
        workspace.put(target, known=_trees_before(workspace, experiment), number=experiment.number)
    if workspace.campaign.bindings.iter_strategy == "branches":
        commit = _move_branch(workspace, experiment, notes)
    prune_outputs(workspace, experiment)
    workspace.store.append(
        events.Settled(
            experiment=experiment.number,
            commit=commit,
            notes=(*notes, *workspace.take_told()),
        )
    )
    workspace.store.write_derived()


def _trees_before(workspace: Workspace, experiment: Experiment) -> Sequence[snapshots.Tree]:
    return workspace.readable(experiment.replaced) if experiment.replaced is not None else []


def _move_branch(workspace: Workspace, experiment: Experiment, notes: list[str]) -> str:
    """Lets the branch follow; where it cannot, the next `try` tries again."""
    started, tag = experiment.started, workspace.campaign.tag
    incumbent = workspace.campaign.incumbent
    try:
        repository = workspace.repository()
        if incumbent is not None and incumbent.number == experiment.number:
            tree = workspace.saved(experiment.number)
            return repository.advance(
                tag, old=started.parent_commit, new=started.commit,
                files=candidate_files(tree), deleted=workspace.deleted(tree),
            )  # fmt: skip
        if experiment.override_why and experiment.verdict == decide.DISCARD:
            assert incumbent is not None
            tree = workspace.saved(incumbent.number)
            repository.retreat(
                tag, files=candidate_files(tree), deleted=workspace.deleted(tree),
                message=f"Discard experiment {experiment.number}: {experiment.override_why}",
                when=datetime.fromisoformat(experiment.time),
                tip=experiment.commit or started.commit, to=started.parent_commit,
            )  # fmt: skip
    except AgentLoopsError as error:
        notes.append(f"the branch was not moved: {error}")
    return started.commit


def prune_outputs(workspace: Workspace, experiment: Experiment) -> None:
    """Removes `{run_dir}`s that `keep_outputs` does not ask for; only folders of ours."""
    keep = workspace.campaign.bindings.keep_outputs
    if keep == "all":
        return
    best, incumbent = workspace.campaign.best, workspace.campaign.incumbent
    wanted = {item.number for item in (best, incumbent) if item is not None}
    candidates = {experiment.number}
    if keep == "best" and experiment.replaced is not None:
        candidates.add(experiment.replaced)
    for number in candidates:
        item = workspace.campaign.experiments[number]
        if keep == "kept" and item.verdict == decide.KEEP:
            continue
        if keep == "best" and number in wanted:
            continue
        for run in item.runs:
            shutil.rmtree(workspace.store.paths.outputs(number, run.number), ignore_errors=True)
