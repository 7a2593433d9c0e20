"""Starts the runs of an experiment and reads their receipts back.

Judges nothing: what a finished run means is for `verdicts`.
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_loops import (
    bytecode,
    commands,
    display,
    environment,
    events,
    files,
    integrity,
    machine,
    snapshots,
    state,
    supervise,
)
from agent_loops.errors import AgentLoopsError
from agent_loops.journal import Guard
from agent_loops.snapshots import Tree
from agent_loops.state import Campaign, Experiment, key_of
from agent_loops.supervisor import RunEnd, RunSpec
from agent_loops.workspace import Workspace

if TYPE_CHECKING:  # imported in the supervisor, while the training starts
    from agent_loops.measure import Measurement

_TIMEOUT_FACTOR = 2.0
_NO_BUDGET_TIMEOUT_S = 86400.0
_CLEANUP_TIMEOUT_S = 60.0


def start(workspace: Workspace, experiment: Experiment, purpose: str) -> None:
    """Puts the experiment's files in place and starts its next run.

    The journal names the run before it begins, so that a kill leaves none unrecorded.
    """
    tree = workspace.saved(experiment.number)
    incumbent = workspace.readable(workspace.campaign.incumbent_number or 1)
    known = [tree, *incumbent, *workspace.attempts(experiment.number)]
    workspace.put(tree, known=known, number=experiment.number)
    number = len(experiment.runs) + 1
    paths = workspace.store.paths
    run_dir = paths.outputs(experiment.number, number)
    shutil.rmtree(run_dir, ignore_errors=True)
    files.make_dir(run_dir)
    paths.receipt(experiment.number, number).unlink(missing_ok=True)
    marker, seal = os.urandom(16).hex(), os.urandom(16).hex()
    spec = _run_spec(workspace, experiment, tree, number, marker, seal, purpose)
    launched = supervise.launch(spec)
    try:
        workspace.store.append(
            events.RunStarted(
                experiment=experiment.number, run=number, purpose=purpose, marker=marker,
                host=machine.host(), pid=launched.pid, pid_start=launched.start_time,
                timeout_s=spec.timeout_s, seed=_seed(workspace.campaign, experiment),
                seal_digest=_digest_of(seal),
            )
        )  # fmt: skip
    except BaseException:
        launched.abandon()
        raise
    launched.go()


def _is_as_given(workspace: Workspace, experiment: Experiment) -> bool:
    """Whether this is the baseline as the person gave it, and nobody mended it since."""
    return experiment.is_open_baseline and all(
        snapshots.digest(tree) == experiment.started.code
        for tree in workspace.attempts(experiment.number)
    )


def _digest_of(seal: object) -> str:
    return files.sha256(str(seal).encode())


def _run_spec(
    workspace: Workspace,
    experiment: Experiment,
    tree: Tree,
    number: int,
    marker: str,
    seal: str,
    purpose: str,
) -> RunSpec:
    campaign, paths = workspace.campaign, workspace.store.paths
    bindings = campaign.bindings
    run_dir = paths.outputs(experiment.number, number)
    values = _values(workspace, experiment, number)
    limit_s = timeout_s(campaign)
    log, eval_log = paths.log(experiment.number, number), paths.eval_log(experiment.number, number)
    holdout_cmd = bindings.holdout_cmd if purpose == state.CONFIRM else ""
    holdout_log = paths.holdout_log(experiment.number, number)
    before = _metric_files(bindings.metric_file, run_dir, workspace)
    harness, scope = workspace.harness(), workspace.scope()
    checks = purpose == "checks"
    stamps = integrity.Stamps(paths.stat_cache)
    stamps.begin_run()
    as_given = _is_as_given(workspace, experiment)

    @functools.cache
    def measurement() -> Measurement:
        from agent_loops.measure import Measurement

        return Measurement(
            bindings=bindings,
            bindings_digest=campaign.bindings_digest,
            tree=tree,
            harness=harness,
            scope=scope,
            stamps=stamps,
            log=log,
            eval_log=eval_log,
            run_dir=run_dir,
            files_before=before,
            environment=environment.fingerprint(workspace.environ, salt=campaign.started.salt),
            secrets=display.secret_values(workspace.environ),
            timeout_s=limit_s,
            is_baseline=experiment.is_open_baseline,
            is_mended=not as_given,
            holdout_log=holdout_log if holdout_cmd else None,
        )

    guard = functools.cache(functools.partial(Guard, paths))

    # What reports its own metric has no need to forge, and compiling anew takes long.
    trusted = as_given or not bindings.eval_cmd
    compiled: bytecode.Stamps = {}

    def prepare(stage: str) -> None:
        guard()
        if stage != "run":
            drop_what_the_run_compiled()
        elif experiment.is_open_baseline:
            shutil.rmtree(paths.bytecode, ignore_errors=True)
        elif not trusted:
            compiled.update(bytecode.stamps(paths.bytecode))
        bytecode.drop_project(paths.bytecode, workspace.root)

    def drop_what_the_run_compiled() -> None:
        if not trusted:
            bytecode.drop_new(paths.bytecode, compiled)

    def measure(end: RunEnd) -> dict[str, object]:
        if end.outcome.stage == "run":
            drop_what_the_run_compiled()
        record = guard().mend()
        how = measurement().checks if checks else measurement()
        return how(end, record=record)

    return RunSpec(
        command=commands.fill(bindings.checks_cmd if checks else bindings.run_cmd, values),
        workspace=workspace.root,
        log=log,
        receipt=paths.receipt(experiment.number, number),
        run_lock=paths.run_lock,
        environment=_environment(workspace, experiment),
        marker=marker,
        timeout_s=limit_s,
        prelude=bindings.prelude,
        eval_command="" if checks else commands.fill(bindings.eval_cmd, values),
        eval_log=eval_log,
        holdout_command=commands.fill(holdout_cmd, values),
        holdout_log=holdout_log if holdout_cmd else None,
        cleanup_command=commands.fill(bindings.cleanup_cmd, values),
        log_limit_bytes=int(bindings.log_limit_mb * (1 << 20)),
        measure=measure,
        may_evaluate=lambda: measurement().may_evaluate(),
        meanwhile=_import_what_measuring_needs,
        prepare=prepare,
        seal=seal,
    )


def _import_what_measuring_needs() -> None:
    import agent_loops.measure  # noqa: F401  in the supervisor, while the training starts


def _metric_files(
    pattern: str | None, run_dir: Path, workspace: Workspace
) -> dict[str, tuple[int, int, int]]:
    """How the metric's files look before the run: one that stays so was not written by it."""
    if pattern is None:
        return {}
    from agent_loops import metric_files

    return metric_files.fingerprint(
        metric_files.find_metric_files(pattern, run_dir=run_dir, project=workspace.root)
    )


def _seed(campaign: Campaign, experiment: Experiment) -> int:
    """1 for the first reading of any code, so that ideas share it; a fresh one for each repeat.

    While a confirmation is under way, the one that its pair shares.
    """
    due = state.next_to_confirm(campaign)
    if due is not None and due[0] == experiment.number:
        return due[1]
    known = campaign.readings.get(key_of(experiment.epoch, experiment.started.code), ())
    return len(known) + 1


def _environment(workspace: Workspace, experiment: Experiment) -> dict[str, str]:
    return environment.for_runs(
        workspace.environ,
        bytecode=str(workspace.store.paths.bytecode),
        seed=_seed(workspace.campaign, experiment),
    )


def _values(workspace: Workspace, experiment: Experiment, number: int) -> dict[str, str]:
    """What the placeholders of a command stand for."""
    campaign = workspace.campaign
    return {
        "budget": campaign.bindings.budget.placeholder,
        "seed": str(_seed(campaign, experiment)),
        "run_dir": str(workspace.store.paths.outputs(experiment.number, number)),
        "n": str(experiment.number),
        "tag": campaign.tag,
    }


def timeout_s(campaign: Campaign) -> float:
    """Past this wall time, in seconds, a run is killed."""
    bindings, baseline = campaign.bindings, campaign.baseline
    if bindings.timeout_s is not None:
        return bindings.timeout_s
    limit = _TIMEOUT_FACTOR * bindings.budget.amount or _NO_BUDGET_TIMEOUT_S
    finished = baseline.last_reading if baseline else None
    if finished is not None and finished.wall_s is not None:
        limit = max(limit, _TIMEOUT_FACTOR * finished.wall_s)
    return limit


def receipt_of_open_run(workspace: Workspace) -> dict[str, Any] | None:
    """The open run's receipt, if it is there and its supervisor wrote it, not the run itself."""
    assert workspace.campaign.open_run is not None
    number, run = workspace.campaign.open_run
    started = workspace.campaign.experiments[number].runs[run - 1].started
    receipt, _ = _read_receipt(workspace, number, run)
    return receipt if _digest_of(receipt.get("seal")) == started.seal_digest else None


def _read_receipt(workspace: Workspace, number: int, run: int) -> tuple[dict[str, Any], str]:
    """One run's receipt with its digest; empty where it is missing or unreadable."""
    try:
        data = files.read_regular(workspace.store.paths.receipt(number, run))
        value = files.load_json(data)
    except (OSError, ValueError):
        return {}, ""
    return (value, files.sha256(data)) if isinstance(value, dict) else ({}, "")


def take_receipt(workspace: Workspace) -> events.RunFinished | events.ChecksFinished:
    """Records what the open run's receipt says."""
    assert workspace.campaign.open_run is not None
    number, run = workspace.campaign.open_run
    receipt, digest = _read_receipt(workspace, number, run)
    measured = receipt.get("measured") or {}
    outcome = receipt["outcome"]
    crash_kind, crash_reason = measured.get("crash_kind"), measured.get("crash_reason")
    if outcome["kind"] == "supervisor_failed":
        crash_kind = "machine"
        crash_reason = str(receipt.get("reason") or "the supervisor failed; see supervisor.log")
    elif outcome["kind"] == "stopped":
        crash_kind, crash_reason = "machine", "stopped by the person"
    if workspace.campaign.experiments[number].runs[run - 1].started.purpose == "checks":
        checked = events.ChecksFinished(
            experiment=number, run=run, passed=measured.get("passed", False) is True,
            outcome=outcome["kind"], reason=display.clean(crash_reason or "", 300),
            exit_code=outcome.get("exit_code"), wall_s=receipt.get("wall_s"),
            elapsed_s=receipt.get("elapsed_s"), seal=str(receipt.get("seal", "")),
        )  # fmt: skip
        workspace.store.append(checked)
        return checked
    finished = events.RunFinished(
        experiment=number,
        run=run,
        outcome=outcome["kind"],
        exit_code=outcome.get("exit_code"),
        value=measured.get("value"),
        value_text=measured.get("value_text", ""),
        source=measured.get("source", ""),
        unit=measured.get("unit", ""),
        matches=measured.get("matches", 0),
        crash_kind=crash_kind or "",
        crash_reason=display.clean(crash_reason or "", 300),
        wall_s=receipt.get("wall_s"),
        elapsed_s=receipt.get("elapsed_s"),
        memory_gb=measured.get("memory_gb"),
        memory_kind=measured.get("memory_kind", ""),
        guards=measured.get("guards", {}),
        outputs=tuple(measured.get("outputs", ())),
        environment_changed=_environment_changes(workspace, receipt, number),
        notes=_run_notes(receipt, measured),
        receipt_digest=digest,
        seal=str(receipt.get("seal", "")),
        holdout=str(measured.get("holdout_sha256", "")),
    )
    workspace.store.append(finished)
    return finished


def _environment_changes(
    workspace: Workspace, receipt: Mapping[str, Any], number: int
) -> tuple[str, ...]:
    baseline = workspace.campaign.baseline
    if baseline is None or baseline.number == number or baseline.last_reading is None:
        return ()
    reading = baseline.last_reading
    first, digest = _read_receipt(workspace, baseline.number, reading.run)
    return environment.changed_since(first, receipt) if digest == reading.receipt_digest else ()


def _run_notes(receipt: Mapping[str, Any], measured: Mapping[str, Any]) -> tuple[str, ...]:
    notes = [display.clean(str(note), 200) for note in measured.get("notes", ())]
    survivors = receipt.get("survivors")
    if survivors:
        notes.append(_ended(survivors, "that outlived the run"))
    return tuple(notes)


def _ended(count: int, which: str) -> str:
    return f"ended {count} {'process' if count == 1 else 'processes'} {which}"


def end_what_is_left(workspace: Workspace) -> tuple[str, ...]:
    """Ends the processes of a run without a supervisor, and cleans up; what is worth telling.

    In a copy of the project it does nothing: the processes are those of the original's run.
    """
    assert workspace.campaign.open_run is not None
    if workspace.store.is_copy:
        return ("the project is a copy: the run in the original was left alone",)
    number, run = workspace.campaign.open_run
    experiment = workspace.campaign.experiments[number]
    marker = experiment.runs[run - 1].started.marker
    ended = supervise.end_processes(marker, workspace.store.paths.run_lock)
    # Nobody looked after these files when the run ended.
    workspace.store.paths.stat_cache.unlink(missing_ok=True)
    shutil.rmtree(workspace.store.paths.bytecode, ignore_errors=True)
    notes = [_ended(ended, "of the lost run")] if ended else []
    try:
        outcome = _clean_up_after(workspace, experiment, run, marker)
    except AgentLoopsError as error:
        outcome = str(error)
    if outcome:
        notes.append(display.clean(f"cleanup_cmd after the lost run: {outcome}", 200))
    return tuple(notes)


def record_lost(workspace: Workspace, notes: tuple[str, ...]) -> None:
    """No process of the supervisor and no receipt: says so."""
    assert workspace.campaign.open_run is not None
    number, run = workspace.campaign.open_run
    started = workspace.campaign.experiments[number].runs[run - 1].started
    workspace.store.append(
        events.RunFinished(
            experiment=number, run=run, outcome="lost", crash_kind="machine",
            crash_reason="run lost (killed, or the machine went down)", notes=notes,
        )
    )  # fmt: skip
    if started.purpose == "canary":
        workspace.told.append("the check of the incumbent was lost")


def _clean_up_after(workspace: Workspace, experiment: Experiment, run: int, marker: str) -> str:
    """Runs `cleanup_cmd` where the supervisor did not live to do it; "" or what went wrong."""
    command = workspace.campaign.bindings.cleanup_cmd
    if not command:
        return ""
    receipt = workspace.store.paths.receipt(experiment.number, run)
    done = supervise.run_in_foreground(
        RunSpec(
            command=commands.fill(command, _values(workspace, experiment, run)),
            workspace=workspace.root,
            log=receipt.with_name("cleanup.log"),
            receipt=receipt.with_name("cleanup.json"),
            run_lock=workspace.store.paths.run_lock,
            environment=_environment(workspace, experiment),
            marker=marker,
            timeout_s=_CLEANUP_TIMEOUT_S,
        )
    )
    outcome = done["outcome"]
    return "" if outcome.get("exit_code") == 0 else f"{outcome['kind']}, see cleanup.log"
