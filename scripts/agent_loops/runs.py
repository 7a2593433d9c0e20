"""Starts the runs of an experiment and reads their receipts back.

Judges nothing: what a finished run means is for `verdicts`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_loops import (
    bytecode,
    commands,
    devices,
    display,
    environment,
    events,
    experiments,
    files,
    integrity,
    launching,
    seeds,
    snapshots,
    stamps,
    steps,
    supervise,
)
from agent_loops.errors import AgentLoopsError
from agent_loops.experiments import REFERENCE, Experiment, Run, key_of
from agent_loops.journal import Guard
from agent_loops.snapshots import Tree
from agent_loops.state import Campaign
from agent_loops.supervisor import RunEnd, RunSpec
from agent_loops.workspace import Workspace

if TYPE_CHECKING:  # imported in the supervisor, while the training starts
    from agent_loops.measure import Measurement
    from agent_loops.progress import Observer

_TIMEOUT_FACTOR = 2.0
_NO_BUDGET_TIMEOUT_S = 86400.0
_CLEANUP_TIMEOUT_S = 60.0
_EXPERIMENTS_FOR_SEEDS = 30


def start(workspace: Workspace, experiment: Experiment, purpose: str) -> None:
    """Puts the experiment's files in place and starts its next run.

    A reference run is one of the incumbent's code. The journal names the run before it begins, so
    that a kill leaves none unrecorded.
    """
    code_of = workspace.campaign.incumbent_number if purpose == REFERENCE else None
    tree = workspace.saved(code_of or experiment.number)
    incumbent = workspace.readable(workspace.campaign.incumbent_number or 1)
    known = [tree, *incumbent, *workspace.attempts(experiment.number)]
    if code_of is not None:
        known += workspace.readable(experiment.number)
    workspace.put(tree, known=known, number=experiment.number)
    number = len(experiment.runs) + 1
    paths = workspace.store.paths
    run_dir = paths.outputs(experiment.number, number)
    shutil.rmtree(run_dir, ignore_errors=True)
    files.make_dir(run_dir)
    _set_results_aside(workspace, experiment, purpose)
    if workspace.campaign.bindings.is_probed:
        results = _results(workspace, experiment, number, purpose)
        shutil.rmtree(results, ignore_errors=True)
        files.make_dir(results)
    launching.launch(
        workspace, experiment,
        functools.partial(_run_spec, workspace, experiment, tree, number, purpose),
        purpose=purpose, seed=_seed(workspace.campaign, experiment, number), code_of=code_of,
    )  # fmt: skip


def _results(workspace: Workspace, experiment: Experiment, number: int, purpose: str) -> Path:
    """Where the probe writes: `results` is what an analysis reads, whichever run that is."""
    paths = workspace.store.paths
    if experiment.rests_on_next(purpose):
        return paths.results_of(experiment.number)
    return paths.run_results(experiment.number, number)


def _set_results_aside(workspace: Workspace, experiment: Experiment, purpose: str) -> None:
    """Moves what a run without a reading left out of the way of the one that is to have one."""
    earlier = [run.number for run in experiment.runs if experiments.is_own(run.started.purpose)]
    if not earlier or not experiment.rests_on_next(purpose):
        return
    paths = workspace.store.paths
    with contextlib.suppress(OSError):  # nothing there, or a kill came after this
        aside = paths.run_results(experiment.number, earlier[-1])
        paths.results_of(experiment.number).rename(aside)


def _is_as_given(workspace: Workspace, experiment: Experiment) -> bool:
    """Whether this is the baseline as the person gave it, and nobody mended it since."""
    return experiment.is_open_baseline and all(
        snapshots.digest(tree) == experiment.started.code
        for tree in workspace.attempts(experiment.number)
    )


def _run_spec(
    workspace: Workspace,
    experiment: Experiment,
    tree: Tree,
    number: int,
    purpose: str,
    marker: str,
    seal: str,
) -> RunSpec:
    campaign, paths = workspace.campaign, workspace.store.paths
    bindings = campaign.bindings
    run_dir = paths.outputs(experiment.number, number)
    values = _values(workspace, experiment, number)
    limit_s = timeout_s(campaign)
    log, eval_log = paths.log(experiment.number, number), paths.eval_log(experiment.number, number)
    holdout_cmd = bindings.holdout_cmd if purpose == experiments.CONFIRM else ""
    holdout_log = paths.holdout_log(experiment.number, number)
    before = _metric_files(bindings.metric_file, run_dir, workspace)
    harness, scope = workspace.harness(), workspace.scope()
    environ = _environment(workspace, experiment, number)
    report = paths.prelude_report(experiment.number, number)
    stamp = _stamper(workspace, environ, report)
    checks = purpose == "checks"
    stat_stamps = integrity.Stamps(paths.stat_cache)
    stat_stamps.begin_run()
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
            stamps=stat_stamps,
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
    observer = functools.cache(
        functools.partial(_observer, workspace, experiment, number, purpose, marker)
    )

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
        seen = _measured(measurement(), None if checks else observer(), end, record)
        return {**seen, "stamp": stamp()}

    return RunSpec(
        command=_command(workspace, experiment, number, purpose),
        workspace=workspace.root,
        log=log,
        receipt=paths.receipt(experiment.number, number),
        run_lock=paths.run_lock,
        environment=environ,
        marker=marker,
        timeout_s=limit_s,
        prelude=devices.with_report(bindings.prelude, report),
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
        look=lambda size, elapsed_s: observer().look(size, elapsed_s),
    )


def _command(workspace: Workspace, experiment: Experiment, number: int, purpose: str) -> str:
    bindings, values = workspace.campaign.bindings, _values(workspace, experiment, number)
    if purpose == "checks":
        return commands.fill(bindings.checks_cmd, values)
    command = commands.fill(bindings.run_cmd, values)
    if not bindings.is_probed:
        return command
    from agent_loops.probing import attaching

    return attaching.with_probe(command, _results(workspace, experiment, number, purpose))


def _stamper(
    workspace: Workspace, environ: Mapping[str, str], report: Path
) -> Callable[[], dict[str, str]]:
    """What learns, after the run, on what it was measured. What is known is read before it."""
    bindings, cache = workspace.campaign.bindings, workspace.store.paths.device_cache
    known = devices.load(cache)

    def stamp() -> dict[str, str]:
        before = files.dump_json(known)
        prelude = devices.read_report(report) if bindings.prelude else {}
        found = devices.stamp(
            bindings.run_cmd, environ, folder=workspace.root, known=known, prelude=prelude
        )
        if files.dump_json(known) != before:
            devices.save(cache, known)
        return found

    return stamp


def _measured(
    measurement: Measurement, observer: Observer | None, end: RunEnd, record: str
) -> dict[str, object]:
    """What the receipt says of a run; of checks, where nobody observes its progress."""
    if observer is None:
        return measurement.checks(end, record=record)
    seen = observer.finish(end.wall_s)
    return measurement(end, record=record, ended_early=observer.crash()) | seen


def _observer(
    workspace: Workspace, experiment: Experiment, number: int, purpose: str, marker: str
) -> Observer:
    from agent_loops import progress

    return progress.observer(workspace, experiment, number, purpose=purpose, marker=marker)


def _import_what_measuring_needs() -> None:
    # In the supervisor, while the training starts.
    import agent_loops.measure
    import agent_loops.progress  # noqa: F401


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


def _seed(campaign: Campaign, experiment: Experiment, number: int) -> int:
    """The seed of an experiment's run, begun or the next.

    By the plain rule 1 for the first reading of any code, so that ideas share it, and a fresh one
    for each repeat. The noise-aware rule wants independent draws: a fresh one for every run, but
    that both runs of a pair share one, unless that was seen to do harm. While a confirmation is
    under way, the one that its pair shares.
    """
    if number <= len(experiment.runs):
        return experiment.runs[number - 1].started.seed
    due = steps.next_to_confirm(campaign)
    if due is not None and due[0] == experiment.number:
        return due[1]
    other = _begun_of_pair(experiment)
    if other is not None and seeds.sharing_helps(_pairs_of_one_seed(campaign)):
        return other.started.seed
    if campaign.bindings.keep_rule != "plain":
        return campaign.last_seed + 1
    known = campaign.readings.get(key_of(experiment.epoch, experiment.started.code), ())
    return len(known) + 1


def _begun_of_pair(experiment: Experiment) -> Run | None:
    """The other run of the pair that the next run completes; None where it completes none."""
    own = [run for run in experiment.attempt if run.reading is not None]
    others = [run for run in experiment.references if run.reading is not None]
    if not experiment.started.paired or len(own) == len(others):
        return None
    return max(own, others, key=len)[min(len(own), len(others))]


def _pairs_of_one_seed(campaign: Campaign) -> list[tuple[tuple[float, float], ...]]:
    """The pairs of the last experiments, for the correlation within them."""
    numbers = itertools.islice(reversed(campaign.experiments), _EXPERIMENTS_FOR_SEEDS)
    found = [campaign.experiments[number] for number in numbers]
    return [item.pairs for item in found if item.epoch == campaign.epoch]


def _environment(workspace: Workspace, experiment: Experiment, number: int) -> dict[str, str]:
    return environment.for_runs(
        workspace.environ,
        bytecode=str(workspace.store.paths.bytecode),
        seed=_seed(workspace.campaign, experiment, number),
    )


def _values(workspace: Workspace, experiment: Experiment, number: int) -> dict[str, str]:
    """What the placeholders of a command stand for."""
    campaign = workspace.campaign
    return {
        "budget": campaign.bindings.budget.placeholder,
        "seed": str(_seed(campaign, experiment, number)),
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
    return receipt if launching.digest_of(receipt.get("seal")) == started.seal_digest else None


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
    purpose = workspace.campaign.experiments[number].runs[run - 1].started.purpose
    if purpose in ("checks", experiments.ANALYSIS):
        checked = events.ChecksFinished(
            experiment=number, run=run, passed=measured.get("passed", False) is True,
            outcome=outcome["kind"], reason=display.clean(crash_reason or "", 300),
            exit_code=outcome.get("exit_code"), wall_s=receipt.get("wall_s"),
            elapsed_s=receipt.get("elapsed_s"), seal=str(receipt.get("seal", "")),
        )  # fmt: skip
        workspace.store.append(checked)
        return checked
    stamp = {str(key): display.clean(str(item), 100)
             for key, item in (measured.get("stamp") or {}).items()}  # fmt: skip
    if measured.get("value") is not None and not crash_kind:
        reason = _measured_elsewhere(workspace.campaign, number, stamp)
        crash_kind, crash_reason = ("elsewhere", reason) if reason else ("", "")
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
        hopeless=measured.get("hopeless", ""),
        hopeless_at_s=measured.get("hopeless_at_s"),
        saved_s=measured.get("saved_s", 0.0),
        receipt_digest=digest,
        seal=str(receipt.get("seal", "")),
        stamp=stamp,
        holdout=str(measured.get("holdout_sha256", "")),
    )
    workspace.store.append(finished)
    return finished


def _measured_elsewhere(campaign: Campaign, number: int, stamp: Mapping[str, str]) -> str:
    """Why a reading cannot be compared with the others; empty where it can."""
    before = campaign.stamp_for(campaign.experiments[number])
    changed = stamps.differing(before, stamp)
    if not changed:
        return ""
    return (
        f"does not count: measured on {stamps.in_words(stamp, changed)}, and what it is compared "
        f"with on {stamps.in_words(before, changed)}"
    )


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
            environment=_environment(workspace, experiment, run),
            marker=marker,
            timeout_s=_CLEANUP_TIMEOUT_S,
        )
    )
    outcome = done["outcome"]
    return "" if outcome.get("exit_code") == 0 else f"{outcome['kind']}, see cleanup.log"
