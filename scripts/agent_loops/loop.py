"""One experiment as a state machine: every step is recorded before the next, so that a kill
anywhere is taken up where it happened.

Does no step itself: `runs` starts and reads runs, `verdicts` decides, `settling` settles.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from agent_loops import (
    answers,
    decide,
    desktop,
    events,
    experiments,
    files,
    machine,
    rounds,
    runs,
    settling,
    stamps,
    steps,
    supervise,
    verdicts,
)
from agent_loops.answers import Answer
from agent_loops.campaigns import Store
from agent_loops.errors import Refused
from agent_loops.experiments import Experiment, Run
from agent_loops.state import Campaign
from agent_loops.steps import Step
from agent_loops.workspace import Workspace


class Loop:
    """Drives one campaign in one workspace."""

    def __init__(self, store: Store, root: Path, environ: Mapping[str, str]) -> None:
        self.workspace = Workspace(store, root, environ)
        self.store = store

    @property
    def campaign(self) -> Campaign:
        return self.store.campaign

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
            with self.store.locked() as campaign:
                step = self._next_step()
                if self._is_over(step):
                    return True
                if step in (Step.CHECK, Step.ANALYSE) and not start_runs:
                    return False
                if step in (Step.START_RUN, Step.CANARY, Step.CONFIRM):
                    held = campaign.is_held and not self._completes_pair(step)
                    if held or not start_runs:
                        return self._leaves(step)
                if step is not Step.LOST:
                    self._take(step)
            if step is Step.LOST:
                self._record_lost(step)
            if step is Step.AWAIT_RUN:
                import ctypes  # noqa: F401  slow; what puts files back needs it when the run ends

                self.store.work_out_belief()
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not supervise.wait_for_end(self.store.paths.run_lock, left):
                    return False

    def _is_over(self, step: Step) -> bool:
        if step in (Step.IDLE, Step.CANARY):
            self.tell_the_person()
        if step is not Step.IDLE:
            return False
        self.store.write_derived()
        return True

    def _leaves(self, step: Step) -> bool:
        """A run that is due is not started; whether nothing is under way for all that."""
        if step is Step.CONFIRM:
            from agent_loops import confirming

            confirming.put_back(self.workspace)
        return step is Step.CANARY

    def tell_the_person(self) -> None:
        """Notifies of what is news since the last time. The caller holds the lock."""
        if self.campaign.bindings.notify_cmd or desktop.is_there(self.workspace.environ):
            from agent_loops import notices  # most campaigns need none

            notices.tell(self.store, self.workspace.environ)

    def _next_step(self) -> Step:
        # In this order: a supervisor that ends in between has left its receipt by then.
        run_locked = files.is_locked(self.store.paths.run_lock)
        receipt = False
        if self.campaign.open_run is not None and not run_locked:
            receipt = runs.receipt_of_open_run(self.workspace) is not None
        step = steps.next_step(
            self.campaign,
            run_locked=run_locked,
            receipt=receipt,
            host=machine.host(),
            boot_id=machine.boot_id(),
        )
        open_, closing = self.campaign.open, bool(self._closing())
        if step is Step.START_RUN and open_ and closing and open_.may_be_decided:
            step = Step.DECIDE
        if step is not Step.DECIDE or open_ is None:
            return step
        checks = verdicts.needs_checks(self.campaign, open_, closing=closing)
        return Step.CHECK if checks else Step.DECIDE

    def _closing(self) -> str:
        """Why an idea is not run again although that would tell more; empty where it may be."""
        if self.campaign.is_held:
            return "the campaign is held"
        return self.campaign.time_is_up(datetime.now(timezone.utc))

    def _completes_pair(self, step: Step) -> bool:
        """Whether the run that is due stands beside one that is there: a pair is a measurement."""
        open_ = self.campaign.open
        return step is Step.START_RUN and open_ is not None and open_.is_mid_pair

    def _take(self, step: Step) -> None:
        open_ = self.campaign.open
        match step:
            case Step.TAKE_RECEIPT:
                self._after_run(runs.take_receipt(self.workspace))
            case Step.ELSEWHERE:
                self._refuse_elsewhere()
            case Step.CANARY:
                self._start_canary()
            case Step.PAUSE:
                self._pause_for_the_machine()
            case Step.START_RUN if open_ is not None:
                runs.start(self.workspace, open_, experiments.purpose_of_next_run(open_))
            case Step.CONFIRM | Step.CLAIM | Step.ANALYSE | Step.CONCLUDE:
                self._take_beside(step)
            case Step.CHECK if open_ is not None:
                runs.start(self.workspace, open_, "checks")
            case Step.DECIDE if open_ is not None:
                self._decide(open_)
            case Step.SETTLE if open_ is not None:
                settling.settle(self.workspace, open_)

    def _decide(self, open_: Experiment) -> None:
        self.store.work_out_belief()
        decision, closing = verdicts.decided(self.campaign, open_), self._closing()
        if decision.verdict == decide.REPEAT and closing and not open_.started.baseline:
            decision = verdicts.decided(self.campaign, open_, closing=True)
            note = f"decided on the readings there are: {closing}"
            decision = decision._replace(notes=(*decision.notes, note))
        if self.campaign.analysis_first and decision.verdict != decide.REPEAT:
            from agent_loops import analyses, insights

            insights.keep(self.workspace, open_)  # before the record: a kill here does it again
            folder = self.store.paths.experiment(open_.number)
            decision = decision._replace(foretold=analyses.foretold(folder, open_))
        self.store.append(decision)

    def _take_beside(self, step: Step) -> None:
        """What most commands need not import: the end of a campaign, and the other loop."""
        from agent_loops import analyses, confirming

        match step:
            case Step.CONFIRM:
                confirming.go_on(self.workspace)
            case Step.CLAIM:
                confirming.conclude(self.workspace)
            case Step.ANALYSE:
                analyses.start(self.workspace)
            case _:
                analyses.conclude(self.workspace)

    def _start_canary(self) -> None:
        """Runs the incumbent after three crashes in a row: was it the ideas or the machine?"""
        incumbent = self.campaign.incumbent
        assert incumbent is not None
        self.workspace.told.append(
            f"three crashes in a row: running the incumbent #{incumbent.number}"
        )
        runs.start(self.workspace, incumbent, "canary")

    def _after_run(self, finished: events.RunFinished | events.ChecksFinished) -> None:
        run = self.campaign.experiments[finished.experiment].runs[finished.run - 1]
        if run.started.purpose == experiments.CONFIRM:
            from agent_loops import confirming

            confirming.after_run(self.workspace, finished.experiment, finished.run)
            return
        if run.started.purpose != "canary" or isinstance(finished, events.ChecksFinished):
            return
        settling.prune_outputs(self.workspace, self.campaign.experiments[finished.experiment])
        if not finished.crash_kind:
            self.workspace.told.append("the incumbent still runs: it was the ideas")
            return
        if finished.outcome == "stopped":
            self.workspace.told.append("the check of the incumbent was stopped")
        elif finished.crash_kind in ("edited", "elsewhere"):
            self.workspace.told.append(f"the check of the incumbent: {finished.crash_reason}")

    def _pause_for_the_machine(self) -> None:
        reason = (
            "the machine broke, not the ideas: the incumbent crashes too "
            f"({self.campaign.canary_crash})"
        )
        self.store.append(events.Paused(by="engine", reason=reason))
        self.workspace.told.append(reason)

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
            step = self._next_step()
        if step is Step.ELSEWHERE:
            self._record_lost(step)

    def _record_lost(self, step: Step) -> None:
        """Ends what a lost run left, without the lock: that may take a minute. Then records it."""
        lost = self.campaign.open_run
        notes = runs.end_what_is_left(self.workspace)
        with self.store.locked():
            if self.campaign.open_run == lost and self._next_step() is step:
                runs.record_lost(self.workspace, notes)

    def answer_last(self) -> Answer:
        """The verdict of the experiment that ended last, or how the one under way stands."""
        experiment = self.campaign.last
        if experiment is None:
            raise Refused(
                "no experiment", "nothing has been tried yet",
                next_step="`agent-loops try baseline`",
            )  # fmt: skip
        if self.campaign.confirming is not None or self.campaign.claimed_last:
            from agent_loops import claimed

            is_over = self.campaign.confirming is None
            return claimed.claim(self.workspace) if is_over else claimed.progress(self.workspace)
        if self.campaign.open_run is not None or not experiment.verdict:
            return self._answer_running(experiment)
        return self.answer(experiment)

    def answer(self, experiment: Experiment) -> Answer:
        """The verdict of any experiment, or how it stands."""
        if not experiment.verdict:
            return self._answer_running(experiment)
        return answers.verdict(
            self.campaign, experiment,
            log=self._log(experiment), next_step=self._next_advice(experiment),
            notes=self.workspace.take_told(), timeout_s=_timeout_of(experiment),
        )  # fmt: skip

    def _log(self, experiment: Experiment) -> str:
        number = experiment.attempt[-1].number if experiment.attempt else 1
        if experiment.checks is not None and experiment.checks.crash_kind:
            number = experiment.checks.run
        return self.workspace.shown(self.store.paths.log(experiment.number, number))

    def log_of(self, number: int, run: Run) -> str:
        """Where a run of the experiment, or a script of its analysis, left what it printed."""
        log = self.store.paths.log_of(number, run.number, run.started.script)
        return self.workspace.shown(log)

    def _answer_running(self, experiment: Experiment) -> Answer:
        campaign, started, elapsed_s = self.campaign, None, None
        next_step = "agent-loops wait"
        if campaign.open_run is not None:
            number, index = campaign.open_run
            run = campaign.experiments[number].runs[index - 1]
            started = run.started
            elapsed_s = max(0.0, time.time() - datetime.fromisoformat(run.time).timestamp())
            if started.purpose == "canary":
                self.workspace.told.append(
                    f"the incumbent #{number} is being run to check the machine"
                )
            elif started.purpose == "checks":
                self.workspace.told.append("its reading is in; checks_cmd is running")
            elif started.purpose == experiments.ANALYSIS:
                verdict = campaign.experiments[number].verdict
                self.workspace.told.append(f"#{number} is a {verdict}; {started.script} is running")
            elif index > 1:
                self.workspace.told.append(f"run {index} of this experiment ({started.purpose})")
        elif campaign.paused is not None or campaign.stopped is not None:
            word = "paused" if campaign.stopped is None else "stopped"
            next_step = "agent-loops resume"
            self.workspace.told.append(f"held: the campaign is {word}; `{next_step}` goes on")
        return answers.verdict(
            campaign, experiment, log=self._log(experiment), next_step=next_step,
            status="running", elapsed_s=elapsed_s,
            timeout_s=started.timeout_s if started else None, notes=self.workspace.take_told(),
        )  # fmt: skip

    def _next_advice(self, experiment: Experiment) -> str:
        campaign = self.campaign
        if campaign.stopped is not None:
            return "the campaign is stopped; `agent-loops resume` goes on"
        if campaign.paused is not None:
            return "the campaign is paused; `agent-loops resume` goes on"
        now = datetime.now(timezone.utc)
        reason = campaign.stop_reason(now)
        if reason:
            return f"the campaign is finished ({reason}); {rounds.closing_words(campaign, now)}"
        if experiment.is_open_baseline:
            return _after_open_baseline(experiment)
        if campaign.analysis_first and experiment.verdict != decide.CRASH:
            looks = [f"`agent-loops analyze {experiment.number}`"] * experiment.started.baseline
            return "; then ".join(filter(None, [*looks, self._after_analysis(experiment)]))
        finished = experiment.last_finished
        if experiment.verdict != decide.CRASH or finished is None:
            return ""
        return _after_crash(experiment, finished)

    def next_idea(self) -> str:
        """The next command while nothing is under way: what stands before an idea, or a plain one.

        With no baseline yet that comes first.
        """
        last = self.campaign.last
        if self.campaign.wants_baseline or last is None:
            return "agent-loops try baseline"
        advice = self._after_analysis(last) if self.campaign.analysis_first else ""
        return advice or "agent-loops try '…'"

    def next_after(self, experiment: Experiment) -> str:
        """What comes after a look at an experiment's analysis."""
        if self.campaign.unanalysed is None and experiment is not self.campaign.last:
            return ""
        looked = experiment.started.baseline
        return self._after_analysis(experiment) if looked else self._next_advice(experiment)

    def _after_analysis(self, experiment: Experiment) -> str:
        """What stands before another idea, or goes well after this one."""
        if self.campaign.unanalysed is not None:
            from agent_loops import grounding

            return grounding.mend(self.campaign.unanalysed)
        from agent_loops import ablation, exploring

        is_kept = experiment.verdict == decide.KEEP
        advice = ablation.advice(experiment.started.axes) if is_kept else ""
        due = exploring.due(self.campaign)
        return advice or (f"a {due} is due, {exploring.command(due)}" if due else "")


def _after_open_baseline(experiment: Experiment) -> str:
    finished = experiment.last_finished
    if finished is not None and finished.outcome == "timed_out":
        return "a larger `timeout_minutes` in loop.run.yaml, then `agent-loops rebaseline --why …`"
    return (
        "mend what is wrong, then `agent-loops try baseline` again; where that was "
        "loop.run.yaml or a frozen file, `agent-loops rebaseline --why …` instead"
    )


def _after_crash(experiment: Experiment, finished: events.RunFinished) -> str:
    checkout = f"`agent-loops checkout {experiment.number}`"
    if finished.crash_kind == "idea":
        return f"another idea; or {checkout}, mend it, try again"
    if finished.crash_kind == "elsewhere":
        return f"{stamps.BACK_OR_ANEW}; then the same idea again"
    if finished.crash_kind == "edited":
        return f"{checkout}, then the same idea again: it does not count as a duplicate"
    return "the same idea again, it does not count as a duplicate; or another"


def _timeout_of(experiment: Experiment) -> float | None:
    return experiment.runs[-1].started.timeout_s if experiment.runs else None
