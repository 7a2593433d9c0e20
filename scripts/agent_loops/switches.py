"""The person's switches: pause, stop, resume, and a note for the next verdict.

Pausing and stopping never touch files; a run under way is recorded first.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from agent_loops import (
    answers,
    campaigns,
    display,
    events,
    files,
    gates,
    machine,
    processes,
    supervise,
)
from agent_loops.answers import Answer
from agent_loops.bindings import duration_s, next_clock_time
from agent_loops.errors import UsageError
from agent_loops.experiments import is_here
from agent_loops.journal import utc_now
from agent_loops.loop import Loop

_SAME_START_S = 1.0
_LONGEST_CLOCK = timedelta(hours=23)  # further ahead it was up to an hour ago
# Grace, kill, measuring and cleaning up, each with its own limit in `supervise`.
_LONGEST_END_S = 500.0


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
            run.tell_the_person()
        run.store.write_derived()
    if not kill:
        return _switched(run, "stopped", "agent-loops resume")
    number = campaign.open_number if campaign.under_way else None
    confirmed = campaign.confirming is not None
    _kill(run)
    answer = _switched(run, "stopped", "agent-loops resume")
    if confirmed and run.campaign.confirmed is not None:
        from agent_loops import claimed

        claim = claimed.claim(run.workspace)
        return Answer({**claim.values, **answer.values}, [*answer.lines, *claim.lines])
    if number is None or not run.campaign.experiments[number].verdict:
        return answer
    verdict = run.answer(run.campaign.experiments[number])
    first, *others = answer.lines
    ended = {key: verdict.values[key] for key in ("experiment", "status", "kind", "reason")}
    return Answer({**answer.values, "ended": ended}, [first, verdict.lines[0], *others])


def _kill(run: Loop) -> None:
    with run.store.locked() as campaign:
        open_run = None
        if campaign.open_run is not None:
            number, index = campaign.open_run
            open_run = campaign.experiments[number].runs[index - 1]
    if open_run is not None:
        if is_here(open_run, host=machine.host(), boot_id=machine.boot_id()):
            _end_run(run.store.paths.run_lock, open_run.started)
        else:
            run.give_up_elsewhere()
    run.advance(deadline=time.monotonic(), start_runs=False)
    with run.store.locked() as campaign:
        if campaign.confirming is not None and campaign.open_run is None:
            from agent_loops import confirming

            confirming.conclude(run.workspace, f"ended by {_who(run)}")


def _end_run(run_lock: Path, started: events.RunStarted) -> None:
    """Ends a run of this host; its supervisor, where it is to be found, leaves a receipt."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        if not files.is_locked(run_lock):
            return
        marked = supervise.find_processes(started.marker, run_lock)
        if _is_supervisor(started, marked):
            with contextlib.suppress(ProcessLookupError):
                os.kill(started.pid, signum)
        else:
            supervise.end_processes(started.marker, run_lock)
        supervise.wait_for_end(run_lock, _LONGEST_END_S)


def _is_supervisor(started: events.RunStarted, marked: Sequence[processes.Process]) -> bool:
    """Whether the journal's pid is still the supervisor's: a reused one is somebody else's."""
    if any(process.parent == started.pid for process in marked):
        return True  # and the clock, by which start times are known, may have been set meanwhile
    process = processes.look(started.pid)
    if process is None:
        return False
    return abs(processes.start_time(process) - started.pid_start) < _SAME_START_S


def resume(run: Loop, *, take_over: bool, until: str = "") -> Answer:
    """Opens the campaign again; `take_over` makes it this session's, or nobody's.

    Args:
        run: the campaign's loop.
        take_over: whether another session loses it to this one.
        until: a clock time (`07:30`) or a duration (`8h`) after which it is finished.
    """
    until_utc = _end_of(until) if until else ""
    with run.store.locked() as campaign:
        if not take_over:
            gates.refuse_other_session(run.workspace, campaign)
        was_active = campaigns.find_store(run.store.project).paths.root == run.store.paths.root
        session = campaigns.session_of(run.workspace.environ)
        run.store.append(events.Resumed(session, take_over, until_utc))
        run.store.write_derived()
    next_step = "agent-loops try baseline" if campaign.wants_baseline else "agent-loops try '…'"
    if campaign.confirming is not None:
        next_step = "agent-loops wait"
    if not was_active:
        base = campaign.incumbent_number or 1
        next_step = f"agent-loops checkout {base}, as the editable files are another campaign's"
    reason = run.campaign.stop_reason(utc_now())
    if reason:
        next_step = f"{reason}; {gates.way_on(run.campaign)}"
    return _switched(run, "finished" if reason else "active", next_step)


def _end_of(until: str) -> str:
    """When that is, in UTC; a clock time just past is a mistake sooner than tomorrow's."""
    now = utc_now()
    seconds = duration_s(until)
    if seconds is not None:
        try:
            return (now + timedelta(seconds=seconds)).isoformat(timespec="seconds")
        except OverflowError as error:
            raise UsageError(f"--until {until!r}: past the calendar's end; 8h, say") from error
    end = next_clock_time(until, now)
    if not end:
        raise UsageError(f"--until {until!r}: a clock time such as 07:30, or a duration such as 8h")
    if datetime.fromisoformat(end) - now > _LONGEST_CLOCK:
        raise UsageError(
            f"--until {until}: that has just passed; a later time, or a duration such as 8h "
            "(24h for tomorrow)"
        )
    return end


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
    return "the agent" if campaigns.session_of(run.workspace.environ) else "the person"


def _switched(run: Loop, status: str, next_step: str) -> Answer:
    run.store.refresh()
    campaign = run.campaign
    going_on = campaign.open_run is not None
    end = answers.end_in_words(campaign, utc_now()) if status == "active" else ""
    lines = [f"campaign {campaign.tag} is {status}" + (f" until {end}" if end else "")]
    if going_on:
        lines.append(f"experiment {campaign.open_run[0] if campaign.open_run else ''} still runs; "
                     "`agent-loops wait` records it")  # fmt: skip
    values = {
        "schema": answers.SCHEMA, "status": status, "tag": campaign.tag, "running": going_on,
        "end": campaign.end_utc or None,
        "incumbent": answers.place(campaign, campaign.incumbent),
        "best": answers.place(campaign, campaign.best), "next": next_step,
    }  # fmt: skip
    return Answer(values, [*lines, f"next: {next_step}"])
