"""Override, checkout, rebaseline: turning a verdict, going back, changing the rules openly.

Each refuses while a run goes on.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from typing import Literal

from agent_loops import (
    answers,
    campaigns,
    decide,
    display,
    events,
    gates,
    integrity,
    scan,
    setup,
    snapshots,
    verdicts,
)
from agent_loops.answers import Answer
from agent_loops.bindings import KEY_OF_FIELD, UNMEASURED, Bindings, differing
from agent_loops.branches import Repository
from agent_loops.errors import AgentLoopsError, Refused
from agent_loops.experiments import Experiment
from agent_loops.journal import utc_now
from agent_loops.loop import Loop
from agent_loops.state import Campaign
from agent_loops.trying import (
    WHY_CHARACTERS,
    Idea,
    baseline_text,
    deadline_after,
    finish,
    refuse_if_running,
    stand_on_branch,
    try_idea,
)
from agent_loops.workspace import Workspace, freeze_harness, refuse_dirty_harness


def override(run: Loop, number: int, verdict: Literal["keep", "discard"], why: str) -> Answer:
    """Turns the verdict on the last settled experiment, within the limits of the rules."""
    refuse_if_running(run)
    with run.store.locked() as campaign:
        gates.refuse_other_session(run.workspace, campaign)
        experiment = campaign.experiments.get(number)
        if experiment is None or campaign.last is None or campaign.last.number != number:
            last = campaign.last.number if campaign.last else "none"
            raise _no_override(f"only the last settled experiment ({last}) can be overridden")
        if experiment.verdict == decide.CRASH:
            raise _no_override("a crash has no reading that could be kept")
        if experiment.epoch != campaign.epoch:
            raise _no_override("it was measured before the rebaseline")
        if experiment.started.baseline:
            raise _no_override("the baseline is what ideas are compared with")
        if experiment.verdict == verdict:
            raise _no_override(f"experiment {number} is a {verdict} already")
        if verdict == decide.KEEP:
            assert experiment.decided is not None
            obstacle = verdicts.obstacle_to_keeping(campaign, experiment, experiment.decided)
            if obstacle:
                raise _no_override(obstacle)
        run.store.append(
            events.Overridden(
                experiment=number, verdict=verdict, why=display.clean(why, WHY_CHARACTERS)
            )
        )
    return finish(run, None)


def _no_override(reason: str) -> Refused:
    return Refused("override", reason, next_step="go on with the next idea")


def checkout(run: Loop, number: int) -> Answer:
    """Puts experiment `number`'s code into the editable files; present edits are rescued."""
    refuse_if_running(run)
    with run.store.locked() as campaign:
        gates.refuse_other_session(run.workspace, campaign)
        if number not in campaign.experiments and not run.store.paths.manifest(number).exists():
            raise gates.no_experiment(campaign, number)
        tree = run.workspace.saved(number)
        experiment = campaign.experiments.get(number)
        if experiment is not None and experiment.epoch != campaign.epoch:
            tree = {
                **run.workspace.survey()[0],
                **tree,
            }  # what was not editable then is not deleted now
        last = campaign.last.number if campaign.last is not None else 1
        known = run.workspace.readable(campaign.incumbent_number or 1, last)
        run.workspace.put(tree, known=known, number=number)
        told = (*_lag(campaign, experiment), *run.workspace.take_told())
    next_step = "edit, then `agent-loops try '…'`, or `--edit` on top of it"
    if campaign.wants_baseline and campaign.open is None:
        next_step = "agent-loops try baseline"
    lines = [f"the editable files hold experiment {number}'s code now", *told]
    if not campaign.experiments:
        lines[0] = "the editable files are as setup found them"
    values = {
        "schema": answers.SCHEMA, "experiment": number, "status": "checked out",
        "files": sorted(tree), "notes": list(told),
        "next": next_step,
    }  # fmt: skip
    return Answer(values, [*lines, f"next: {next_step}"])


def _lag(campaign: Campaign, experiment: Experiment | None) -> tuple[str, ...]:
    """That this code was built on an older one than the incumbent, with which it is compared."""
    incumbent = campaign.incumbent
    if experiment is None or incumbent is None or experiment.number == incumbent.number:
        return ()
    base = experiment.started.base
    if base == incumbent.number:
        return ()
    what = f"it builds on #{base}" if base is not None else "it is a baseline"
    return (f"{what}; the next try is still compared with the incumbent #{incumbent.number}",)


def rebaseline(run: Loop, why: str, *, wait_s: float | None) -> Answer:
    """Freezes the present bindings and harness, and measures the incumbent anew.

    Where only bindings changed that no reading depends on, nothing is measured.
    """
    deadline = deadline_after(wait_s)
    refuse_if_running(run)
    with run.store.locked() as campaign:
        gates.refuse_switched_off(campaign)
        gates.refuse_other_session(run.workspace, campaign)
        bindings = campaigns.present_bindings(run.store.project, campaign)
        changed = differing(campaign.bindings, bindings)
        gates.refuse_another_campaigns(campaign, bindings)
        if changed and changed <= UNMEASURED and _is_harness_whole(run.workspace):
            return _go_on_with(run, campaign, _frozen(run, bindings, why), changed)
        _freeze_anew(run, campaign, bindings, why)
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    idea = Idea(baseline_text(run.campaign))
    return try_idea(run, idea, edit=None, repeat=None, wait_s=left)


def _is_harness_whole(workspace: Workspace) -> bool:
    try:
        return not gates.harness_changes(workspace)
    except AgentLoopsError:
        return False  # the record of it is damaged, and is to be made anew


def _frozen(run: Loop, bindings: Bindings, why: str) -> events.Rebaselined:
    """The present bindings with the harness as it was frozen."""
    return events.Rebaselined(
        why=display.clean(why, WHY_CHARACTERS),
        bindings=bindings.to_json(),
        bindings_digest=campaigns.bindings_digest(bindings),
        bindings_file=campaigns.bindings_file_digest(run.store.project),
        harness_digest=run.campaign.harness_digest,
        stop_at_utc=setup.stop_at_utc(bindings, utc_now()),
    )


def _refuse_finished_then(campaign: Campaign, rebaselined: events.Rebaselined) -> None:
    then = copy.copy(campaign)
    then.bind(Bindings.from_json(rebaselined.bindings), rebaselined.stop_at_utc)
    if rebaselined.measured_anew:
        then.contenders, then.found_best = {}, None
    gates.refuse_finished(then)


def _go_on_with(
    run: Loop, campaign: Campaign, rebaselined: events.Rebaselined, changed: set[str]
) -> Answer:
    """Takes over bindings that no reading depends on: every reading stays what it was."""
    rebaselined = rebaselined._replace(measured_anew=False)
    _refuse_finished_then(campaign, rebaselined)
    run.store.append(rebaselined)
    run.store.write_derived()
    keys = sorted(KEY_OF_FIELD[name] for name in changed)
    next_step = "agent-loops try baseline" if campaign.wants_baseline else "agent-loops try '…'"
    values = {
        "schema": answers.SCHEMA, "status": "rebaselined", "changed": keys,
        "incumbent": answers.place(campaign, campaign.incumbent),
        "best": answers.place(campaign, campaign.best), "next": next_step,
    }  # fmt: skip
    line = f"goes on with the new {', '.join(keys)}: no reading depends on it, none was repeated"
    return Answer(values, [line, f"next: {next_step}"])


def _freeze_anew(run: Loop, campaign: Campaign, bindings: Bindings, why: str) -> None:
    """Records the new bindings and harness, with the files that are to be measured."""
    paths = run.store.paths
    present = snapshots.read(run.workspace.root, bindings.editable_files, skip=(paths.root,))
    snapshots.require_all(present, bindings.editable_files)
    setup.check_locks(bindings, present)
    _refuse_edits(run.workspace, campaign, present, bindings.editable_files)
    rebaselined = _frozen(run, bindings, why)
    _refuse_finished_then(campaign, rebaselined)
    repository = Repository.find(run.workspace.root)
    harness = freeze_harness(run.workspace.root, paths, bindings, repository)
    if bindings.iter_strategy == "branches" and repository is not None:
        refuse_dirty_harness(repository, harness)
        stand_on_branch(run.workspace, campaign, present if campaign.incumbent else {})
    rebaselined = rebaselined._replace(harness_digest=harness.digest)
    if _is_recorded(campaign, rebaselined):
        return
    number = campaign.next_number
    integrity.save(harness, paths.harness(campaign.epoch + 1))
    snapshots.save(present, code=paths.snapshot(number), manifest=paths.manifest(number), before={})
    run.store.append(rebaselined)


def _is_recorded(campaign: Campaign, rebaselined: events.Rebaselined) -> bool:
    """Whether just this was recorded by a call that was killed before anything was measured."""
    last = campaign.last
    return (
        campaign.epoch > (last.epoch if last is not None else 0)
        and campaign.rebaseline_why == rebaselined.why
        and campaign.bindings_digest == rebaselined.bindings_digest
        and campaign.harness_digest == rebaselined.harness_digest
    )


def _refuse_edits(
    workspace: Workspace, campaign: Campaign, present: snapshots.Tree, patterns: Sequence[str]
) -> None:
    """The incumbent is measured anew, not an edit of it."""
    incumbent = campaign.incumbent
    if incumbent is None:
        return
    if not workspace.readable(incumbent.number) and workspace.holds(present):
        return  # another experiment's code, since the incumbent's is damaged
    saved = workspace.incumbent_tree()
    editable = scan.matcher(patterns)
    before = {path: item for path, item in saved.items() if editable(path)}
    was_editable = scan.matcher(campaign.bindings.editable_files)
    now = {path: item for path, item in present.items() if path in saved or was_editable(path)}
    changed = snapshots.differing(now, before)
    if changed:
        raise Refused(
            "edits", f"edited since the incumbent: {', '.join(changed[:5])}", files=changed,
            next_step=f"`agent-loops checkout {incumbent.number}` sets the edits aside; "
            "then rebaseline again",
        )  # fmt: skip
