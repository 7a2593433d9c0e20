"""Takes a confirmation from run to run, puts the incumbent back after each, and makes the claim.

Begins none, which is for `confirm`; what the runs showed is for `pairings`.
"""

from __future__ import annotations

import shutil

from agent_loops import events, experiments, files, pairings, rounds, runs, steps
from agent_loops.errors import Refused
from agent_loops.journal import utc_now
from agent_loops.workspace import Workspace


def go_on(workspace: Workspace) -> None:
    """Starts the next run; where its pair would not be over in time, makes the claim instead."""
    campaign = workspace.campaign
    started, due = campaign.confirming, steps.next_to_confirm(campaign)
    assert started is not None
    assert due is not None
    number, seed = due
    sides = (*started.subjects, started.baseline)
    begun = any(steps.runs_to_confirm(campaign, side, seed) for side in sides)
    if begun or rounds.has_time(campaign, started, utc_now()):
        runs.start(workspace, campaign.experiments[number], experiments.CONFIRM)
    else:
        conclude(workspace, "the time was up")


def after_run(workspace: Workspace, number: int, run: int) -> None:
    """Whenever it is held or left after this, the incumbent lies in the files."""
    _drop_outputs(workspace, number, run)
    put_back(workspace)


def _drop_outputs(workspace: Workspace, number: int, run: int) -> None:
    if workspace.campaign.bindings.keep_outputs != "all":
        shutil.rmtree(workspace.store.paths.outputs(number, run), ignore_errors=True)


def put_back(workspace: Workspace) -> None:
    """Makes the editable files the incumbent's; safe to do twice."""
    try:
        target = workspace.incumbent_tree()
    except Refused as damaged:
        workspace.told.append(f"the files stay as they are: {damaged.reason}; {damaged.next_step}")
        return
    workspace.put(target, known=(), number=workspace.campaign.incumbent_number or 1)


def conclude(workspace: Workspace, shortfall: str = "") -> None:
    """Makes the claim of the pairs that are complete. The caller holds the lock.

    Args:
        workspace: where the campaign lies.
        shortfall: why there are not as many as were asked for.
    """
    campaign = workspace.campaign
    started = campaign.confirming
    assert started is not None
    put_back(workspace)
    claims, held_out = pairings.claims(workspace, started, shortfall)
    digest = ""
    if held_out:
        data = files.dump_json({"schema": 1, "claims": held_out}).encode() + b"\n"
        path = workspace.store.paths.holdout_claim(started.first_seed)
        files.make_dir(path.parent)
        files.write_atomic(path, data, mode=0o600)
        digest = files.sha256(data)
    made = pairings.all_runs(campaign, started)
    for run in made:  # a kill may have left some
        _drop_outputs(workspace, run.started.experiment, run.number)
    elapsed_s = [run.finished.elapsed_s or 0.0 for run in made if run.finished is not None]
    workspace.store.append(
        events.Confirmed(
            experiment=started.subjects[0],
            verdict=claims[0]["verdict"],
            sentence=claims[0]["sentence"],
            claims=tuple(claims),
            pairs=max(len(claim["seeds"]) for claim in claims),
            runs=len(made),
            machine_s=round(sum(elapsed_s), 3),
            holdout=digest,
        )
    )
    workspace.store.write_derived()
