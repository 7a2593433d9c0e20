"""One experiment as a state machine: every step is recorded before the next, so that a kill
anywhere is taken up where it happened.

Decides nothing itself (`decide` does) and starts no process itself (`supervise` does).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from agent_loops import answers, commands, decide, display, environment, events, files
from agent_loops import integrity, machine, metric_files, scan, setup, snapshots, state, supervise
from agent_loops.answers import Answer
from agent_loops.branches import Repository
from agent_loops.campaigns import Store
from agent_loops.errors import AgentLoopsError, Refused
from agent_loops.measure import Measurement, changed_environment
from agent_loops.state import Campaign, Experiment, Step
from agent_loops.supervisor import RunSpec

_TIMEOUT_FACTOR = 2.0
_NO_BUDGET_TIMEOUT_S = 86400.0


@dataclass(slots=True)
class Loop:
    """Drives one campaign in one workspace.

    `workspace` is where the editable files lie and the runs take place; nothing below assumes
    that it is the current directory. `told` collects notes for the answer under way.
    """

    store: Store
    workspace: Path
    environ: Mapping[str, str]
    told: list[str] = field(default_factory=list)

    @property
    def campaign(self) -> Campaign:
        return self.store.campaign

    # ---- one step after the other -------------------------------------------------------------

    def advance(self, *, deadline: float | None, start_runs: bool = True) -> bool:
        """Takes up whatever is under way and carries it to a settled end.

        Args:
            deadline: `time.monotonic()` value up to which it waits for runs; None for ever.
            start_runs: whether a run that is due may be started.

        Returns:
            True when nothing is under way any more; False when a run is still going on.

        Raises:
            Refused: the run was started on another host.
        """
        while True:
            with self.store.locked():
                step = self._next_step()
                if step is Step.IDLE:
                    self.store.write_derived()
                    return True
                if step in (Step.START_RUN, Step.CANARY) and not self._may_start(start_runs):
                    return step is Step.CANARY
                self._take(step)
            if step is Step.AWAIT_RUN:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not supervise.wait_for_end(self.store.paths.run_lock, left):
                    return False

    def _may_start(self, start_runs: bool) -> bool:
        return start_runs and self.campaign.paused is None and self.campaign.stopped is None

    def _next_step(self) -> Step:
        receipt = False
        if self.campaign.open_run is not None:
            receipt = self._receipt_of_open_run() is not None
        return state.next_step(
            self.campaign,
            run_locked=files.is_locked(self.store.paths.run_lock),
            receipt=receipt,
            host=machine.host(),
        )

    def _take(self, step: Step) -> None:
        open_ = self.campaign.open
        if step is Step.START_RUN:
            assert open_ is not None
            self._start_run(open_, state.purpose_of_next_run(open_))
        elif step is Step.TAKE_RECEIPT:
            self._take_receipt()
        elif step is Step.LOST:
            self._record_lost()
        elif step is Step.ELSEWHERE:
            self._refuse_elsewhere()
        elif step is Step.DECIDE:
            assert open_ is not None
            self._decide(open_)
        elif step is Step.SETTLE:
            assert open_ is not None
            self._settle(open_)
        elif step is Step.CANARY:
            self._start_canary()

    # ---- runs ---------------------------------------------------------------------------------

    def _start_run(self, experiment: Experiment, purpose: str) -> None:
        tree = self.saved(experiment.number)
        if purpose != "canary":
            self.put(tree, known=[tree, self._incumbent_tree()], number=experiment.number)
        number = len(experiment.runs) + 1
        paths = self.store.paths
        run_dir = paths.outputs(experiment.number, number)
        shutil.rmtree(run_dir, ignore_errors=True)
        files.make_dir(run_dir)
        paths.receipt(experiment.number, number).unlink(missing_ok=True)
        marker = uuid.uuid4().hex
        timeout_s = self.timeout_s()
        spec = self._run_spec(experiment, number, marker=marker, timeout_s=timeout_s)
        launched = supervise.launch(spec)
        try:
            self.store.append(
                events.RunStarted(
                    experiment=experiment.number, run=number, purpose=purpose, marker=marker,
                    host=machine.host(), pid=launched.pid, pid_start=launched.start_time,
                    timeout_s=timeout_s, seed=number,
                )
            )  # fmt: skip
        except BaseException:
            launched.abandon()
            raise
        launched.go()

    def _run_spec(
        self, experiment: Experiment, number: int, *, marker: str, timeout_s: float
    ) -> RunSpec:
        campaign, paths, bindings = self.campaign, self.store.paths, self.campaign.bindings
        run_dir = paths.outputs(experiment.number, number)
        values = {
            "budget": bindings.budget.placeholder, "seed": str(number), "run_dir": str(run_dir),
            "n": str(experiment.number), "tag": campaign.tag,
        }  # fmt: skip
        before = metric_files.fingerprint(
            metric_files.find_metric_files(
                bindings.metric_file, run_dir=run_dir, project=self.workspace
            )
            if bindings.metric_file is not None
            else []
        )
        run_environment = environment.for_runs(
            self.environ, bytecode=str(paths.bytecode), seed=number
        )
        measurement = Measurement(
            bindings=bindings,
            bindings_digest=campaign.bindings_digest,
            code=experiment.started.code,
            harness=self.harness(),
            scope=self.scope(),
            stat_cache=paths.stat_cache,
            log=paths.log(experiment.number, number),
            eval_log=paths.eval_log(experiment.number, number),
            run_dir=run_dir,
            files_before=before,
            environment=environment.fingerprint(self.environ, salt=campaign.started.salt),
            secrets=display.secret_values(self.environ),
            timeout_s=timeout_s,
            is_baseline=experiment.is_open_baseline,
        )
        return RunSpec(
            command=commands.fill(bindings.run_cmd, values),
            workspace=self.workspace,
            log=measurement.log,
            receipt=paths.receipt(experiment.number, number),
            run_lock=paths.run_lock,
            environment=run_environment,
            marker=marker,
            timeout_s=timeout_s,
            prelude=bindings.prelude,
            eval_command=commands.fill(bindings.eval_cmd, values),
            eval_log=measurement.eval_log,
            cleanup_command=commands.fill(bindings.cleanup_cmd, values),
            log_limit_bytes=int(bindings.log_limit_mb * (1 << 20)),
            measure=measurement,
            prepare=lambda _: self._drop_bytecode(),
        )

    def _drop_bytecode(self) -> None:
        """Removes the project's compiled modules: a run may have forged what the next imports.

        Those of environments inside the project stay; they are large, and no safer anyway.
        """
        shadow = Path(f"{self.store.paths.bytecode}{self.workspace}")
        for _, entry in scan.walk(shadow):
            with contextlib.suppress(OSError):
                if entry.name.endswith(".pyc"):
                    os.unlink(entry.path)

    def timeout_s(self) -> float:
        """Past this wall time, in seconds, a run is killed."""
        bindings, baseline = self.campaign.bindings, self.campaign.baseline
        if bindings.timeout_s is not None:
            return bindings.timeout_s
        limit = _TIMEOUT_FACTOR * bindings.budget.amount or _NO_BUDGET_TIMEOUT_S
        finished = baseline.last_reading if baseline else None
        if finished is not None and finished.wall_s is not None:
            limit = max(limit, _TIMEOUT_FACTOR * finished.wall_s)
        return limit

    def _receipt_of_open_run(self) -> dict[str, Any] | None:
        """The open run's receipt, if it is there and is really that run's."""
        assert self.campaign.open_run is not None
        number, run = self.campaign.open_run
        started = self.campaign.experiments[number].runs[run - 1].started
        receipt = self.read_receipt(number, run)
        return receipt if receipt and receipt.get("marker") == started.marker else None

    def read_receipt(self, number: int, run: int) -> dict[str, Any] | None:
        """One run's receipt; None where it is missing or unreadable."""
        try:
            value = files.load_json(self.store.paths.receipt(number, run).read_bytes())
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def _take_receipt(self) -> None:
        assert self.campaign.open_run is not None
        number, run = self.campaign.open_run
        receipt = self._receipt_of_open_run()
        assert receipt is not None
        measured = receipt.get("measured") or {}
        outcome = receipt["outcome"]
        crash_kind, crash_reason = measured.get("crash_kind"), measured.get("crash_reason")
        if outcome["kind"] == "supervisor_failed":
            crash_kind = "machine"
            crash_reason = str(receipt.get("reason") or "the supervisor failed; see supervisor.log")
        elif outcome["kind"] == "stopped":
            crash_kind, crash_reason = "machine", "stopped by the person"
        data = self.store.paths.receipt(number, run).read_bytes()
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
            outputs=tuple(measured.get("outputs", ())),
            environment_changed=self._environment_changes(receipt, number),
            notes=self._run_notes(receipt, measured),
            receipt_digest=files.sha256(data),
        )
        self.store.append(finished)
        if self.campaign.experiments[number].runs[run - 1].started.purpose == "canary":
            self._judge_canary(finished)

    def _environment_changes(self, receipt: Mapping[str, Any], number: int) -> tuple[str, ...]:
        baseline = self.campaign.baseline
        if baseline is None or baseline.number == number or baseline.last_reading is None:
            return ()
        first = self.read_receipt(baseline.number, baseline.last_reading.run)
        return changed_environment(first, receipt) if first else ()

    def _run_notes(
        self, receipt: Mapping[str, Any], measured: Mapping[str, Any]
    ) -> tuple[str, ...]:
        notes = [display.clean(str(note), 200) for note in measured.get("notes", ())]
        if receipt.get("survivors"):
            notes.append(f"{receipt['survivors']} processes outlived the run and were ended")
        return tuple(notes)

    def _record_lost(self) -> None:
        """No process of the supervisor and no receipt: ends what is left and says so."""
        assert self.campaign.open_run is not None
        number, run = self.campaign.open_run
        started = self.campaign.experiments[number].runs[run - 1].started
        ended = supervise.end_processes(started.marker)
        notes = (f"{ended} processes of the lost run were ended",) if ended else ()
        self.store.append(
            events.RunFinished(
                experiment=number, run=run, outcome="lost", crash_kind="machine",
                crash_reason="run lost (killed, or the machine went down)", notes=notes,
            )
        )  # fmt: skip
        if started.purpose == "canary":
            self.told.append("the check of the incumbent was lost")

    def _refuse_elsewhere(self) -> None:
        assert self.campaign.open_run is not None
        number, run = self.campaign.open_run
        host = self.campaign.experiments[number].runs[run - 1].started.host
        raise Refused(
            "running elsewhere", f"experiment {number} was started on host {host}",
            next_step=f"run agent-loops on {host}; if that machine is gone for good, "
            "`agent-loops stop --kill` here gives the run up",
        )  # fmt: skip

    def give_up_elsewhere(self) -> None:
        """Records a run of another host as lost; for the person who knows that it is."""
        with self.store.locked():
            if self._next_step() is Step.ELSEWHERE:
                self._record_lost()

    # ---- the incumbent, when ideas crash in a row ----------------------------------------------

    def _start_canary(self) -> None:
        incumbent = self.campaign.incumbent
        assert incumbent is not None
        self.told.append(f"three crashes in a row: running the incumbent #{incumbent.number}")
        self._start_run(incumbent, "canary")

    def _judge_canary(self, finished: events.RunFinished) -> None:
        if not finished.crash_kind:
            self.told.append("the incumbent still runs: it was the ideas")
            return
        reason = f"the machine broke, not the ideas: the incumbent crashes too ({finished.crash_reason})"
        self.store.append(events.Paused(by="engine", reason=reason))
        self.told.append(reason)

    # ---- deciding and settling ------------------------------------------------------------------

    def _decide(self, experiment: Experiment) -> None:
        finished = experiment.last_finished
        assert finished is not None
        if finished.crash_kind:
            lost_twice = finished.outcome == "lost"
            self.store.append(
                events.Decided(
                    experiment=experiment.number, verdict=decide.CRASH, kind=finished.crash_kind,
                    reason="run lost" if lost_twice else finished.crash_reason,
                    notes=finished.notes,
                )
            )  # fmt: skip
            return
        campaign = self.campaign
        incumbent = campaign.incumbent if not experiment.started.baseline else None
        candidate = campaign.readings[experiment.epoch, experiment.started.code]
        known = campaign.readings[incumbent.epoch, incumbent.started.code] if incumbent else []
        verdict = decide.decide(
            candidate, known,
            direction=campaign.bindings.direction, over_budget=self._over_budget(experiment),
        )  # fmt: skip
        metric = decide.estimate(candidate)
        delta: float | None = None
        if incumbent is not None:
            delta = campaign.bindings.direction.gain(metric, decide.estimate(known))
            if incumbent.started.code == experiment.started.code:
                verdict = decide.Verdict(
                    decide.DISCARD, "repeat",
                    f"the incumbent's own code: it has {len(candidate)} readings now",
                )  # fmt: skip
        texts = [
            run.finished.value_text for run in experiment.runs if run.finished and run.reading is not None
        ]
        self.store.append(
            events.Decided(
                experiment=experiment.number,
                verdict=verdict.status,
                kind=verdict.kind,
                reason=verdict.reason,
                metric=metric,
                metric_text=answers.format_metric(metric, texts if len(candidate) == 1 else [*texts, ""]),
                delta=delta,
                notes=self._verdict_notes(experiment, finished, delta),
            )
        )

    def _over_budget(self, experiment: Experiment) -> str:
        baseline, slack = self.campaign.baseline, self.campaign.bindings.budget_slack
        reading = experiment.last_reading
        if baseline is None or slack is None or baseline.last_reading is None or reading is None:
            return ""
        base_s, wall_s = baseline.last_reading.wall_s, reading.wall_s
        if base_s is None or wall_s is None or wall_s <= slack.limit_s(base_s):
            return ""
        return f"took {wall_s:.1f} s where the baseline took {base_s:.1f} s"

    def _verdict_notes(
        self, experiment: Experiment, finished: events.RunFinished, delta: float | None
    ) -> tuple[str, ...]:
        bindings = self.campaign.bindings
        notes = list(finished.notes)
        if finished.source == "self-reported" and experiment.started.baseline:
            notes.append(f"{bindings.metric} is self-reported by the code that is edited")
        if finished.environment_changed:
            names = ", ".join(finished.environment_changed[:5])
            notes.append(f"environment differs from the baseline's: {names}")
        limit, memory = bindings.memory_limit_gb, finished.memory_gb
        if limit is not None and memory is not None and memory > limit:
            notes.append(f"memory {memory:.1f} GB is past memory_limit_gb {limit:g}")
        step = _last_place(finished.value_text)
        if delta is not None and step and abs(delta) <= step * 1.5 and step > 1e-5:
            notes.append(f"{bindings.metric} is printed in steps of {step:g}: too coarse for this gain")
        baseline = self.campaign.baseline
        first = baseline.last_reading if baseline else None
        if first is not None and first.unit != finished.unit:
            notes.append(f"unit changed: {first.unit or 'none'} before, {finished.unit or 'none'} now")
        if first is not None and first.matches and finished.matches > 1 == first.matches:
            notes.append(f"{bindings.metric} is printed {finished.matches} times, by the baseline once")
        return tuple(notes)

    def _settle(self, experiment: Experiment) -> None:
        """Makes the files, the branch and the table follow the decision; safe to do twice."""
        notes: list[str] = list(experiment.decided.notes) if experiment.decided else []
        commit = experiment.started.commit
        incumbent = self.campaign.incumbent
        if experiment.is_open_baseline:
            pass  # nothing to go back to, and the person is mending these files
        elif incumbent is not None and incumbent.number != experiment.number:
            candidate = self.saved(experiment.number)
            target = self.saved(incumbent.number)
            self.put(target, known=[candidate, target], number=experiment.number)
        elif experiment.override_why:
            target = self.saved(experiment.number)
            self.put(target, known=[target, *self._trees_before(experiment)], number=experiment.number)
        if self.campaign.bindings.iter_strategy == "branches":
            commit = self._move_branch(experiment, notes)
        self.store.append(
            events.Settled(
                experiment=experiment.number, commit=commit, notes=tuple([*notes, *self._take_told()])
            )
        )
        self.store.write_derived()
        self._prune_outputs(experiment)

    def _take_told(self) -> list[str]:
        told, self.told = self.told, []
        return told

    def _trees_before(self, experiment: Experiment) -> list[snapshots.Tree]:
        return [self.saved(experiment.replaced)] if experiment.replaced is not None else []

    def _move_branch(self, experiment: Experiment, notes: list[str]) -> str:
        """Lets the branch follow; where it cannot, the next `try` tries again."""
        started, tag = experiment.started, self.campaign.tag
        incumbent = self.campaign.incumbent
        repository = self.repository()
        try:
            if incumbent is not None and incumbent.number == experiment.number:
                tree = self.saved(experiment.number)
                return repository.advance(
                    tag, old=started.parent_commit, new=started.commit,
                    files=setup.candidate_files(tree), deleted=self._deleted(tree),
                )  # fmt: skip
            if experiment.override_why and experiment.verdict == decide.DISCARD:
                assert incumbent is not None
                tree = self.saved(incumbent.number)
                repository.retreat(
                    tag, files=setup.candidate_files(tree), deleted=self._deleted(tree),
                    message=f"Discard experiment {experiment.number}: {experiment.override_why}",
                    when=_parse_time(experiment.time), tip=experiment.commit or started.commit,
                    to=started.parent_commit,
                )  # fmt: skip
        except Refused as error:
            notes.append(f"the branch was not moved: {error.reason}")
        return started.commit

    def _deleted(self, tree: snapshots.Tree) -> list[str]:
        """Editable paths that existed at the campaign's beginning or since, but not in `tree`."""
        first = self.saved(1)
        incumbent = self._incumbent_tree()
        return sorted((first.keys() | incumbent.keys()) - tree.keys())

    def _prune_outputs(self, experiment: Experiment) -> None:
        """Removes `{run_dir}`s that `keep_outputs` does not ask for; only folders of ours."""
        keep = self.campaign.bindings.keep_outputs
        if keep == "all":
            return
        best, incumbent = self.campaign.best, self.campaign.incumbent
        wanted = {item.number for item in (best, incumbent) if item is not None}
        candidates = {experiment.number}
        if keep == "best" and experiment.replaced is not None:
            candidates.add(experiment.replaced)
        for number in candidates:
            item = self.campaign.experiments[number]
            if keep == "kept" and item.verdict == decide.KEEP:
                continue
            if keep == "best" and number in wanted:
                continue
            for run in item.runs:
                shutil.rmtree(self.store.paths.outputs(number, run.number), ignore_errors=True)

    # ---- files ------------------------------------------------------------------------------------

    def saved(self, number: int) -> dict[str, snapshots.FileState]:
        """An experiment's files, exactly as run.

        A kill while a baseline's next attempt was being saved leaves only the attempt before it.
        """
        paths = self.store.paths
        try:
            return snapshots.load(code=paths.snapshot(number), manifest=paths.manifest(number))
        except snapshots.SnapshotError:
            attempts = sorted(
                paths.experiment(number).glob("attempt-*/manifest.json"),
                key=lambda path: path.stat().st_mtime_ns,
            )
            if not attempts:
                raise
            return snapshots.load(
                code=attempts[-1].with_name("code_snapshot"), manifest=attempts[-1]
            )

    def present(self) -> dict[str, snapshots.FileState]:
        """The editable files as they lie now."""
        return snapshots.read(
            self.workspace, self.campaign.bindings.editable_files, skip=(self.store.paths.root,)
        )

    def _incumbent_tree(self) -> dict[str, snapshots.FileState]:
        incumbent = self.campaign.incumbent
        return self.saved(incumbent.number if incumbent is not None else 1)

    def put(
        self, target: snapshots.Tree, *, known: Sequence[snapshots.Tree], number: int
    ) -> None:
        """Makes the editable files equal `target`, and records what had to be rescued."""
        folder, saved = snapshots.restore(
            self.workspace, target, present=self.present(), known=[*known, target],
            rescue=lambda: self._rescue_folder(number),
        )  # fmt: skip
        if folder is not None:
            shown = self.shown(folder)
            self.store.append(events.Rescued(folder=shown, files=tuple(saved)))
            self.told.append(f"edits of {', '.join(saved[:5])} were set aside in {shown}")

    def _rescue_folder(self, number: int) -> Path:
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        folder = self.store.paths.rescue / f"{number}-{stamp}"
        suffix = 1
        while folder.exists():
            suffix += 1
            folder = self.store.paths.rescue / f"{number}-{stamp}-{suffix}"
        files.make_dir(folder)
        return folder

    def shown(self, path: Path) -> str:
        """A path as a person in the project's folder would write it."""
        if path.is_relative_to(self.store.project.root):
            return os.path.relpath(path, self.store.project.root)
        return str(path)

    # ---- harness and git ----------------------------------------------------------------------------

    def scope(self) -> integrity.Scope:
        return setup.scope_of(
            self.workspace, self.store.paths, self.campaign.bindings, tuple(self.campaign.outputs)
        )

    def harness(self) -> integrity.Harness:
        return integrity.load(
            self.store.paths.harness(self.campaign.epoch), digest=self.campaign.harness_digest
        )

    def repository(self) -> Repository:
        repository = Repository.find(self.workspace)
        if repository is None:
            raise AgentLoopsError("the git repository is gone; put it back, then try again")
        return repository

    # ---- answers --------------------------------------------------------------------------------------

    def answer_last(self) -> Answer:
        """The verdict of the experiment that ended last, or how the one under way stands."""
        experiment = self.campaign.last
        if experiment is None:
            raise Refused(
                "no experiment", "nothing has been tried yet",
                next_step="`agent-loops try baseline`",
            )  # fmt: skip
        return self.answer(experiment)

    def answer(self, experiment: Experiment) -> Answer:
        open_run = self.campaign.open_run
        run = open_run[1] if open_run and open_run[0] == experiment.number else len(experiment.runs)
        log = self.shown(self.store.paths.log(experiment.number, max(run, 1)))
        if open_run is not None or not experiment.verdict:
            return self._answer_running(open_run, experiment, log)
        return answers.verdict(
            self.campaign, experiment, log=log, next_step=self._next_advice(experiment),
            notes=self._take_told(), timeout_s=_timeout_of(experiment),
        )  # fmt: skip

    def _answer_running(
        self, open_run: tuple[int, int] | None, experiment: Experiment, log: str
    ) -> Answer:
        started: events.RunStarted | None = None
        elapsed_s = 0.0
        if open_run is not None:
            run = self.campaign.experiments[open_run[0]].runs[open_run[1] - 1]
            started = run.started
            elapsed_s = max(0.0, time.time() - _parse_time(run.time).timestamp())
            if started.purpose == "canary":
                self.told.append(f"the incumbent #{open_run[0]} is being run to check the machine")
        elif self.campaign.paused is not None or self.campaign.stopped is not None:
            self.told.append("held: the campaign is paused; `agent-loops resume` goes on")
        return answers.verdict(
            self.campaign, experiment, log=log, next_step="agent-loops wait", status="running",
            elapsed_s=elapsed_s, timeout_s=started.timeout_s if started else None,
            notes=self._take_told(),
        )  # fmt: skip

    def _next_advice(self, experiment: Experiment) -> str:
        campaign = self.campaign
        if campaign.stopped is not None:
            return "the campaign is stopped; `agent-loops resume` goes on"
        if campaign.paused is not None:
            return "the campaign is paused; `agent-loops resume` goes on"
        reason = campaign.stop_reason(datetime.now(timezone.utc))
        if reason:
            return f"the campaign is finished ({reason}); report the best"
        if experiment.is_open_baseline:
            return "mend what is wrong, then `agent-loops try baseline` again: the baseline stays open"
        decided = experiment.decided
        if experiment.verdict == decide.CRASH and decided and decided.kind == "idea":
            return f"another idea; or `agent-loops checkout {experiment.number}`, mend it, try again"
        if experiment.verdict == decide.CRASH:
            return "the same idea again, it does not count as a duplicate; or another"
        return ""


def _timeout_of(experiment: Experiment) -> float | None:
    return experiment.runs[-1].started.timeout_s if experiment.runs else None


def _parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _last_place(text: str) -> float:
    """The value of the last digit that was printed; 0 where that says nothing."""
    mantissa, _, exponent = text.lower().partition("e")
    digits = mantissa.rpartition(".")[2] if "." in mantissa else ""
    if not mantissa or not exponent.lstrip("+-").isdigit() and exponent:
        return 0.0
    return float(10.0 ** (int(exponent or 0) - len(digits)))
