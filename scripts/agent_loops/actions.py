"""What the agent and the person can ask of a campaign: try, wait, override, checkout, the switches.

Each checks everything first and refuses with the next command; a refusal changes nothing.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent_loops import answers, campaigns, decide, display, edits, events, integrity, machine
from agent_loops import processes, scan, setup, snapshots, supervise
from agent_loops.answers import Answer
from agent_loops.branches import Repository
from agent_loops.errors import AgentLoopsError, Refused, UsageError
from agent_loops.journal import utc_now
from agent_loops.loop import Loop
from agent_loops.state import Campaign, Experiment

DESCRIPTION_CHARACTERS = 200
_WHY_CHARACTERS = 1000
_SAME_START_S = 1.0
# Grace, kill, measuring and cleaning up, each with its own limit in `supervise`.
_LONGEST_END_S = 120.0


@dataclass(frozen=True, slots=True)
class Idea:
    """What is tried, in the agent's words; `why` and `risk` may be empty."""

    text: str
    why: str = ""
    risk: str = ""

    @property
    def description(self) -> str:
        """One clean line for the table."""
        return display.clean(self.text, DESCRIPTION_CHARACTERS)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """The files to run, what they grew from, and what is worth telling about them."""

    tree: snapshots.Tree
    base: snapshots.Tree
    base_number: int | None
    notes: tuple[str, ...]

    @property
    def code(self) -> str:
        return snapshots.digest(self.tree)


def deadline_after(wait_s: float | None) -> float | None:
    return None if wait_s is None else time.monotonic() + wait_s


def try_idea(
    run: Loop,
    idea: Idea,
    *,
    edit: str | None,
    repeat: int | None,
    wait_s: float | None,
) -> Answer:
    """One experiment: checks, runs, measures, decides, keeps or restores, records.

    Args:
        run: the campaign's loop.
        idea: what is tried.
        edit: search/replace blocks to apply to the incumbent, or None to run the files as edited.
        repeat: how many runs; given at all, code that was tried before may run again.
        wait_s: seconds after which a run that still goes on is answered as running.

    Raises:
        Refused: nothing was run; the reason, the files and the next command.
    """
    deadline = deadline_after(wait_s)
    _take_up_what_ended(run)
    with run.store.locked() as campaign:
        _refuse_unless_open(run, campaign)
        if campaign.open_run is not None or not _idle(campaign):
            raise Refused(
                "running", f"experiment {campaign.open_number} is under way",
                next_step="`agent-loops wait` for its verdict",
            )  # fmt: skip
        try:
            candidate = _candidate(run, campaign, edit)
            _refuse_what_was_tried(run, campaign, candidate, repeat=repeat is not None)
            _refuse_changed_harness(run)
            _start(run, campaign, candidate, idea, runs_wanted=repeat or 1)
        except Refused as error:
            run.store.append(
                events.RefusedTry(
                    kind=error.kind, reason=display.clean(error.reason, 500),
                    files=error.files[:20], description=idea.description,
                )
            )  # fmt: skip
            raise
    return _finish(run, deadline)


def wait(run: Loop, *, wait_s: float | None) -> Answer:
    """Waits for the run under way; with none, repeats the last verdict."""
    return _finish(run, deadline_after(wait_s))


def _finish(run: Loop, deadline: float | None) -> Answer:
    run.advance(deadline=deadline)
    run.store.refresh()
    return run.answer_last()


def _take_up_what_ended(run: Loop) -> None:
    """Settles an experiment whose caller went away, and says so in the answer.

    A run that still goes on, or goes on again because it was lost, is left alone.
    """
    with run.store.locked() as campaign:
        before = campaign.open
        unfinished = before is not None and not (before.is_open_baseline and before.settled)
    run.advance(deadline=time.monotonic())
    if unfinished and before is not None and run.campaign.open_number != before.number:
        ended = run.campaign.experiments[before.number]
        reason = ended.decided.reason if ended.decided else ""
        run.told.append(f"#{ended.number} had ended meanwhile: {ended.verdict}, {reason}")


def _idle(campaign: Campaign) -> bool:
    open_ = campaign.open
    return open_ is None or (open_.is_open_baseline and open_.settled)


# ---- what a try is checked for ----------------------------------------------------------------


def _refuse_unless_open(run: Loop, campaign: Campaign) -> None:
    if campaign.stopped is not None:
        raise Refused(
            "stopped", f"the campaign was stopped by {campaign.stopped.by}",
            next_step="`agent-loops resume` goes on",
        )  # fmt: skip
    if campaign.paused is not None:
        why = f": {campaign.paused.reason}" if campaign.paused.reason else ""
        raise Refused(
            "paused", f"the campaign was paused by {campaign.paused.by}{why}",
            next_step="`agent-loops resume` goes on",
        )  # fmt: skip
    refuse_other_session(run, campaign)
    refuse_changed_bindings(run, campaign)
    reason = campaign.stop_reason(utc_now())
    if reason:
        raise Refused(
            "finished", f"a stop condition is met: {reason}",
            next_step="report the best (`agent-loops status`); to go on, raise the limit in "
            "loop.run.yaml and `agent-loops rebaseline --why …`",
        )  # fmt: skip


def refuse_other_session(run: Loop, campaign: Campaign) -> None:
    """One session at a time leads a campaign; a person's terminal always may."""
    session = campaigns.session_of(run.environ)
    if session and campaign.session and session != campaign.session:
        raise Refused(
            "another session", f"campaign {campaign.tag} belongs to session {campaign.session}",
            next_step="`agent-loops resume --take-over` if that session is over",
        )  # fmt: skip


def refuse_changed_bindings(run: Loop, campaign: Campaign) -> None:
    """The measurement is what was frozen; a changed file is no silent change of rules."""
    present = campaigns.read_bindings(run.store.project, default_tag=campaign.tag)
    if campaigns.bindings_digest(present) == campaign.bindings_digest:
        return
    frozen, now = campaign.bindings.to_json(), present.to_json()
    changed = sorted(key for key in now if now[key] != frozen.get(key))
    raise Refused(
        "bindings", f"loop.run.yaml changed since it was frozen: {', '.join(changed)}",
        files=["loop.run.yaml"],
        next_step="undo the change, or `agent-loops rebaseline --why …` to measure anew with it",
    )  # fmt: skip


def _candidate(run: Loop, campaign: Campaign, edit: str | None) -> _Candidate:
    """The candidate's bytes, made without writing anything."""
    present = run.present()
    open_ = campaign.open
    if campaign.wants_baseline:
        frozen = _frozen_tree(run, campaign)
        mending = open_ is not None and open_.is_open_baseline
        if not mending and (edit is not None or snapshots.differing(present, frozen)):
            raise Refused(
                "baseline first", "the first experiment is the unmodified baseline",
                files=snapshots.differing(present, frozen),
                next_step="`agent-loops checkout 1` sets edits aside; then `agent-loops try baseline`",
            )  # fmt: skip
        base, number = frozen, None
    else:
        incumbent = campaign.incumbent
        assert incumbent is not None
        base, number = run.saved(incumbent.number), incumbent.number
    if edit is not None:
        checked_out = _checked_out(run, campaign, present)
        grown_from = base
        if checked_out is not None:
            grown_from, number = present, checked_out
        tree = _edited(run, campaign, grown_from, edit)
    else:
        tree = present
    return _Candidate(tree, base, number, _metric_line_notes(campaign, base, tree))


def _frozen_tree(run: Loop, campaign: Campaign) -> snapshots.Tree:
    """What the baseline is to be: the files as setup or rebaseline saved them, or as last tried."""
    open_ = campaign.open
    if open_ is not None:
        return run.saved(open_.number)
    return run.saved(1 if campaign.epoch == 0 else campaign.next_number)


def _checked_out(run: Loop, campaign: Campaign, present: snapshots.Tree) -> int | None:
    """The experiment whose code lies in the workspace since a `checkout`, if it is one's."""
    code = snapshots.digest(present)
    for experiment in reversed(campaign.experiments.values()):
        if experiment.started.code == code:
            return experiment.number
    return None


def _edited(run: Loop, campaign: Campaign, tree: snapshots.Tree, edit: str) -> snapshots.Tree:
    """The tree with search/replace blocks applied; pure."""
    allowed = scan.matcher(campaign.bindings.editable_files)
    changed = edits.apply(
        edits.parse(edit), {path: item.data for path, item in tree.items()}, allowed=allowed
    )
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


def _metric_line_notes(
    campaign: Campaign, base: snapshots.Tree, tree: snapshots.Tree
) -> tuple[str, ...]:
    """Flags a change to lines that print or compute the metric."""
    metric = campaign.bindings.metric
    before = integrity.metric_lines({path: item.data for path, item in base.items()}, metric)
    after = integrity.metric_lines({path: item.data for path, item in tree.items()}, metric)
    touched = [f"{path}:{number}" for (path, line), number in before.items() if (path, line) not in after]
    touched += [f"{path}:{number}" for (path, line), number in after.items() if (path, line) not in before]
    if not touched:
        return ()
    places = ", ".join(sorted(touched)[:4])
    return (f"changes lines that name {metric} ({places}): look whether the measurement is the same",)


def _refuse_what_was_tried(
    run: Loop, campaign: Campaign, candidate: _Candidate, *, repeat: bool
) -> None:
    if campaign.wants_baseline or repeat:
        return
    code = candidate.code
    incumbent = campaign.incumbent
    assert incumbent is not None
    if code == incumbent.started.code:
        raise Refused(
            "nothing edited", f"the code is the incumbent's (#{incumbent.number})",
            files=sorted(candidate.tree)[:5],
            next_step="edit an editable file, or `--edit`; `--repeat` measures the incumbent again",
        )  # fmt: skip
    earlier = campaign.by_code.get((campaign.epoch, code))
    if earlier is not None:
        experiment = campaign.experiments[earlier]
        metric = experiment.decided.metric_text if experiment.decided else ""
        raise Refused(
            "duplicate",
            f"the same code as #{earlier} ({experiment.started.description[:80]}): "
            f"{experiment.verdict}, {campaign.bindings.metric} {metric or 'none'}",
            next_step="another idea; `--repeat` runs it again",
        )  # fmt: skip


def _refuse_changed_harness(run: Loop) -> None:
    changes = integrity.check(run.harness(), run.scope(), cache=run.store.paths.stat_cache)
    if not changes:
        return
    if changes.changed or changes.missing:
        raise Refused(
            "harness", f"the harness is not as it was frozen: {changes.describe()}",
            files=changes.files,
            next_step="put these files back; if the change is meant, the person runs "
            "`agent-loops rebaseline --why …`",
        )  # fmt: skip
    raise Refused(
        "scope", f"files appeared that could change what is measured: {changes.describe()}",
        files=changes.files,
        next_step="move them out of the project; if they belong to it, the person runs "
        "`agent-loops rebaseline --why …`",
    )  # fmt: skip


def _start(
    run: Loop, campaign: Campaign, candidate: _Candidate, idea: Idea, *, runs_wanted: int
) -> None:
    """Saves the candidate and records the experiment; from here on a kill loses nothing."""
    open_ = campaign.open
    number = open_.number if open_ is not None else campaign.next_number
    commit, parent = "", ""
    if campaign.bindings.iter_strategy == "branches":
        commit, parent = _commit(run, campaign, candidate, idea, number)
    if open_ is not None:
        _set_attempt_aside(run, open_)
    paths = run.store.paths
    snapshots.save(
        candidate.tree, code=paths.snapshot(number), manifest=paths.manifest(number),
        before=candidate.base,
    )  # fmt: skip
    added, removed = snapshots.changed_lines(candidate.base, candidate.tree)
    baseline = campaign.wants_baseline
    raw = idea.text if idea.text.strip() != idea.description else ""
    run.store.append(
        events.ExperimentStarted(
            experiment=number,
            description=idea.description or "baseline",
            idea=raw,
            why=display.clean(idea.why, _WHY_CHARACTERS),
            risk=display.clean(idea.risk, _WHY_CHARACTERS),
            code=candidate.code,
            base=candidate.base_number,
            baseline=baseline,
            runs_wanted=runs_wanted,
            lines_added=added,
            lines_removed=removed,
            commit=commit,
            parent_commit=parent,
            session=campaigns.session_of(run.environ),
            notes=(*candidate.notes, *run.told),
        )
    )
    run.told.clear()


def _set_attempt_aside(run: Loop, experiment: Experiment) -> None:
    """Keeps the code of a baseline attempt that crashed beside the one that follows."""
    paths = run.store.paths
    if not paths.manifest(experiment.number).exists():
        return
    folder = paths.experiment(experiment.number) / f"attempt-{len(experiment.runs)}"
    if folder.exists():
        return
    snapshots.save(
        run.saved(experiment.number), code=folder / "code_snapshot",
        manifest=folder / "manifest.json", before={},
    )  # fmt: skip


def _commit(
    run: Loop, campaign: Campaign, candidate: _Candidate, idea: Idea, number: int
) -> tuple[str, str]:
    """The candidate as a commit with a ref of its own; (commit, the tip it stands on)."""
    repository = run.repository()
    incumbent = campaign.incumbent
    known = {campaign.started.base} | {
        commit
        for item in campaign.experiments.values()
        for commit in (item.commit, item.started.commit, item.started.parent_commit)
        if commit
    }
    expected = candidate.base if incumbent is not None else {}
    deleted = run._deleted(expected) if incumbent is not None else []  # noqa: SLF001
    tip = repository.check_on_branch(
        campaign.tag, expected=setup.candidate_files(expected), known=known, removed=deleted
    )
    parent = tip.commit
    if not tip.in_step and incumbent is not None:
        parent = repository.advance(
            campaign.tag, old=tip.commit, new=incumbent.commit or incumbent.started.commit,
            files=setup.candidate_files(expected), deleted=deleted,
        )  # fmt: skip
    commit = repository.commit_candidate(
        parent=parent,
        files=setup.candidate_files(candidate.tree),
        deleted=sorted((expected.keys() | set(deleted)) - candidate.tree.keys()),
        message=_commit_message(idea, number),
        when=utc_now(),
    )
    repository.keep_ref(campaign.tag, number, commit)
    return commit, parent


def _commit_message(idea: Idea, number: int) -> str:
    parts = [idea.description or "baseline", ""]
    if idea.why:
        parts.append(f"Why: {display.clean(idea.why, _WHY_CHARACTERS)}")
    parts.append(f"Experiment: {number}")
    return "\n".join(parts) + "\n"


# ---- the simplicity criterion, rewinding, the only door for changed rules ------------------------


def override(
    run: Loop, number: int, verdict: Literal["keep", "discard"], why: str
) -> Answer:
    """Turns the verdict on the last settled experiment, within the limits of the rules."""
    _refuse_if_running(run)
    with run.store.locked() as campaign:
        refuse_other_session(run, campaign)
        experiment = campaign.experiments.get(number)
        if experiment is None or campaign.last is None or campaign.last.number != number:
            last = campaign.last.number if campaign.last else "none"
            raise _no_override(f"only the last settled experiment ({last}) can be overridden")
        if experiment.verdict == decide.CRASH:
            raise _no_override("a crash has no reading that could be kept")
        if experiment.started.baseline:
            raise _no_override("the baseline is what ideas are compared with")
        if experiment.verdict == verdict:
            raise _no_override(f"experiment {number} is a {verdict} already")
        if verdict == decide.KEEP:
            _check_keepable(campaign, experiment)
        run.store.append(
            events.Overridden(
                experiment=number, verdict=verdict, why=display.clean(why, _WHY_CHARACTERS)
            )
        )
    return _finish(run, None)


def _no_override(reason: str) -> Refused:
    return Refused("override", reason, next_step="go on with the next idea")


def _check_keepable(campaign: Campaign, experiment: Experiment) -> None:
    """Equal and simpler may be kept; a worse one only within the tolerance, with fewer lines."""
    assert experiment.decided is not None
    if experiment.decided.kind in ("over budget", "repeat"):
        raise _no_override(f"{experiment.decided.kind}: {experiment.decided.reason}")
    best = campaign.best
    metric = campaign.metric_of(experiment)
    best_metric = campaign.metric_of(best) if best is not None else None
    if metric is None or best_metric is None:
        raise _no_override("there is no reading to compare")
    if campaign.bindings.direction.better(metric, best_metric):
        return
    fewer = experiment.started.lines_removed > experiment.started.lines_added
    tolerance = campaign.bindings.override_tolerance.of(best_metric)
    behind = -campaign.bindings.direction.gain(metric, best_metric)
    if not fewer:
        raise _no_override("not better, and no simpler: it has no fewer lines than the incumbent")
    if behind > tolerance:
        raise _no_override(
            f"worse than the best by {behind:.4g}, more than override_tolerance {tolerance:.4g}"
        )


def checkout(run: Loop, number: int) -> Answer:
    """Puts experiment `number`'s code into the editable files; present edits are rescued."""
    _refuse_if_running(run)
    with run.store.locked() as campaign:
        refuse_other_session(run, campaign)
        if number not in campaign.experiments and not run.store.paths.manifest(number).exists():
            raise Refused(
                "no experiment", f"there is no experiment {number}",
                next_step="`agent-loops history` lists them",
            )  # fmt: skip
        tree = run.saved(number)
        experiment = campaign.experiments.get(number)
        if experiment is not None and experiment.epoch != campaign.epoch:
            tree = {**run.present(), **tree}  # what was not editable then is not deleted now
        known = [run._incumbent_tree()]  # noqa: SLF001
        last = campaign.last
        if last is not None:
            known.append(run.saved(last.number))
        run.put(tree, known=known, number=number)
        told, run.told = run.told, []
    lines = [f"the editable files hold experiment {number}'s code now", *told]
    values = {
        "schema": answers.SCHEMA, "experiment": number, "status": "checked out",
        "files": sorted(tree), "notes": told,
        "next": "edit, then `agent-loops try '…'`, or `--edit` on top of it",
    }  # fmt: skip
    return Answer(values, [*lines, f"next: {values['next']}"])


def rebaseline(run: Loop, why: str, *, wait_s: float | None) -> Answer:
    """Freezes the present bindings and harness, and measures the incumbent anew."""
    deadline = deadline_after(wait_s)
    _refuse_if_running(run)
    with run.store.locked() as campaign:
        refuse_other_session(run, campaign)
        bindings = campaigns.read_bindings(run.store.project, default_tag=campaign.tag)
        fixed = ("run_tag", "sandbox_root", "iter_strategy")
        for key in fixed:
            if getattr(bindings, key) != getattr(campaign.bindings, key):
                raise Refused(
                    "bindings", f"{key} cannot change within a campaign",
                    next_step=f"put {key} back, or `agent-loops stop` and `agent-loops setup` anew",
                )  # fmt: skip
        paths = run.store.paths
        present = snapshots.read(run.workspace, bindings.editable_files, skip=(paths.root,))
        snapshots.require_all(present, bindings.editable_files)
        _refuse_edits(run, campaign, present, bindings.editable_files)
        repository = Repository.find(run.workspace)
        harness = setup.freeze_harness(run.workspace, paths, bindings, repository)
        if bindings.iter_strategy == "branches" and repository is not None:
            setup.refuse_dirty_harness(repository, harness)
        integrity.save(harness, paths.harness(campaign.epoch + 1))
        number = campaign.next_number
        snapshots.save(
            present, code=paths.snapshot(number), manifest=paths.manifest(number), before={}
        )
        run.store.append(
            events.Rebaselined(
                why=display.clean(why, _WHY_CHARACTERS),
                bindings=bindings.to_json(),
                bindings_digest=campaigns.bindings_digest(bindings),
                harness_digest=harness.digest,
                stop_at_utc=setup.stop_at_utc(bindings, utc_now()),
            )
        )
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    return try_idea(run, Idea(f"rebaseline: {why}"), edit=None, repeat=None, wait_s=left)


def _refuse_edits(
    run: Loop, campaign: Campaign, present: snapshots.Tree, patterns: Sequence[str]
) -> None:
    """The incumbent is measured anew, not an edit of it."""
    incumbent = campaign.incumbent
    if incumbent is None:
        return
    saved = run.saved(incumbent.number)
    editable = scan.matcher(patterns)
    before = {path: item for path, item in saved.items() if editable(path)}
    now = {path: item for path, item in present.items() if path in saved}
    changed = snapshots.differing(now, before)
    if changed:
        raise Refused(
            "edits", f"edited since the incumbent: {', '.join(changed[:5])}", files=changed,
            next_step=f"`agent-loops checkout {incumbent.number}` sets the edits aside; "
            "then rebaseline again",
        )  # fmt: skip


def _refuse_if_running(run: Loop) -> None:
    """Takes up what ended; refuses while something goes on."""
    _take_up_what_ended(run)
    with run.store.locked() as campaign:
        if campaign.open_run is not None or not _idle(campaign):
            raise Refused(
                "running", f"experiment {campaign.open_number} is under way",
                next_step="`agent-loops wait` for its verdict",
            )  # fmt: skip


# ---- the person's switches ----------------------------------------------------------------------


def pause(run: Loop, reason: str) -> Answer:
    """The run under way is finished and recorded; then `try` is refused."""
    with run.store.locked() as campaign:
        if campaign.paused is None:
            run.store.append(events.Paused(by=_who(run), reason=display.clean(reason, 300)))
        run.store.write_derived()
    return _switched(run, "paused", "agent-loops resume")


def stop(run: Loop, reason: str, *, kill: bool) -> Answer:
    """Like pause, and final until `resume`; with `kill` the run under way is ended."""
    with run.store.locked() as campaign:
        if campaign.stopped is None:
            run.store.append(events.Stopped(by=_who(run), reason=display.clean(reason, 300)))
        run.store.write_derived()
    if kill:
        _kill(run)
    return _switched(run, "stopped", "agent-loops resume")


def _kill(run: Loop) -> None:
    with run.store.locked() as campaign:
        started = None
        if campaign.open_run is not None:
            number, index = campaign.open_run
            started = campaign.experiments[number].runs[index - 1].started
    if started is not None:
        if started.host == machine.host():
            process = processes.look(started.pid)
            # The same start time: a reused pid is somebody else's process.
            if process and abs(processes.start_time(process) - started.pid_start) < _SAME_START_S:
                os.kill(started.pid, signal.SIGTERM)
            supervise.wait_for_end(run.store.paths.run_lock, _LONGEST_END_S)
        else:
            run.give_up_elsewhere()
    run.advance(deadline=time.monotonic(), start_runs=False)


def resume(run: Loop, *, take_over: bool) -> Answer:
    """Opens the campaign again; `take_over` makes it this session's."""
    with run.store.locked() as campaign:
        session = campaigns.session_of(run.environ)
        if not take_over:
            refuse_other_session(run, campaign)
        other = _other_open_campaign(run, campaign)
        if other:
            raise Refused(
                "campaign exists", f"campaign {other} is open in this project",
                next_step="`agent-loops stop` it first",
            )  # fmt: skip
        run.store.append(
            events.Resumed(session=session or campaign.session, take_over=take_over)
        )
        run.store.write_derived()
    return _switched(run, "active", "agent-loops try '…'")


def _other_open_campaign(run: Loop, campaign: Campaign) -> str:
    try:
        other = campaigns.find_store(run.store.project).campaign
    except AgentLoopsError:
        return ""
    return other.tag if other.tag != campaign.tag and other.stopped is None else ""


def note(run: Loop, text: str) -> Answer:
    """A word of the person's that the next verdict shows."""
    cleaned = display.clean(text, 300)
    if not cleaned:
        raise UsageError("note: say something")
    with run.store.locked():
        run.store.append(events.Note(text=f"the person says: {cleaned}"))
    return Answer(
        {"schema": answers.SCHEMA, "status": "noted", "note": cleaned},
        ["noted: the next verdict shows it"],
    )


def _who(run: Loop) -> str:
    return "the agent" if campaigns.session_of(run.environ) else "the person"


def _switched(run: Loop, status: str, next_step: str) -> Answer:
    run.store.refresh()
    campaign = run.campaign
    going_on = campaign.open_run is not None
    lines = [f"campaign {campaign.tag} is {status}"]
    if going_on:
        lines.append(f"experiment {campaign.open_run[0] if campaign.open_run else ''} still runs; "
                     "`agent-loops wait` records it")  # fmt: skip
    values = {
        "schema": answers.SCHEMA, "status": status, "tag": campaign.tag, "running": going_on,
        "incumbent": answers.place(campaign, campaign.incumbent),
        "best": answers.place(campaign, campaign.best), "next": next_step,
    }  # fmt: skip
    return Answer(values, [*lines, f"next: {next_step}"])


