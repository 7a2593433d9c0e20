"""The dashboard of a campaign: does it still run, what did it gain, is that real, what is next.

Writes nothing and takes no lock, so it never disturbs a run or a `try`; the text fits 80 columns
and 1.5 KB, whatever people and programs have written.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from agent_loops import answers, claimed, decide, display, rounds
from agent_loops.answers import Answer
from agent_loops.experiments import Experiment, key_of
from agent_loops.loop import Loop
from agent_loops.reporting import fitting, gains, obstacles, own_ledger, pace, under_way
from agent_loops.reporting.fitting import Item
from agent_loops.reporting.ledger import Ledger, Row
from agent_loops.reporting.pace import Pace
from agent_loops.reporting.under_way import UnderWay
from agent_loops.state import Campaign

COLUMNS = 80
_MOST_BYTES = 1500
_MOST_LINES = 24
_RECENT = 5
_COMMIT = 7
_LONG_S = 300
_BESIDE = 64


class Sight(NamedTuple):
    """Everything that the dashboard shows, as it was at one time.

    `unrecorded` is the experiment whose run ended without a record, or waits for its next.
    """

    now: datetime
    ledger: Ledger
    running: UnderWay | None
    pace: Pace | None
    left_s: float | None
    unrecorded: int | None
    in_the_way: tuple[str, ...]
    edited: str
    next_step: str


def status(run: Loop, *, columns: int = COLUMNS) -> Answer:
    """The dashboard as JSON and as text of at most so many columns."""
    sight = look(run, datetime.now(timezone.utc))
    return Answer(values(run, sight), lines(run, sight, columns=columns))


def look(run: Loop, now: datetime) -> Sight:
    """Looks at the record, at the run under way and at what is in the way of the next idea."""
    campaign = run.campaign
    ledger = own_ledger.brief(run, now, latest=pace.LATEST)
    running = under_way.look(run, now, latest=pace.LATEST)
    last = len(campaign.experiments)
    speed = pace.of([row for row in ledger.rows if row.number > last - pace.LATEST])
    unrecorded = None
    if campaign.under_way and running is None:
        unrecorded = campaign.open_run[0] if campaign.open_run else campaign.open_number
    idle = not campaign.under_way
    return Sight(
        now=now,
        ledger=ledger,
        running=running,
        pace=speed,
        left_s=_left_s(campaign, speed, now),
        unrecorded=unrecorded,
        in_the_way=obstacles.of(run) if idle and ledger.state == "active" else (),
        edited=obstacles.edited(run) if idle else "",
        next_step=_next(run, ledger.state, now),
    )


def _left_s(campaign: Campaign, speed: Pace | None, now: datetime) -> float | None:
    """How long it goes on, by the first of its ends that can be told; None where none can."""
    bindings, ends = campaign.bindings, []
    if bindings.max_experiments is not None and speed is not None:
        ends.append((bindings.max_experiments - campaign.tried) / speed.experiments_per_hour * 3600)
    if campaign.end_utc:
        ends.append((datetime.fromisoformat(campaign.end_utc) - now).total_seconds())
    if bindings.stop_after_s is not None and not campaign.until_utc:
        ends.append(bindings.stop_after_s - campaign.active_s)
    return max(0.0, min(ends)) if ends and not campaign.stop_reason(now) else None


def _next(run: Loop, word: str, now: datetime) -> str:
    held = word in ("paused", "stopped")
    if run.campaign.confirming is not None and not held:
        return "agent-loops wait"
    if run.campaign.under_way and not (held and run.campaign.waits_for_run):
        return "agent-loops wait"
    if held:
        return "agent-loops resume"
    if run.campaign.wants_baseline:
        return "agent-loops try baseline"
    return run.next_idea() if word == "active" else rounds.closing_words(run.campaign, now)


# --- JSON -----------------------------------------------------------------------------------------


def _place(campaign: Campaign, ledger: Ledger, item: Experiment | None) -> dict[str, Any] | None:
    """`metric` is estimated, as the gain is."""
    found = answers.place(campaign, item)
    is_incumbent = found is not None and found["experiment"] == ledger.incumbent
    if found is not None and is_incumbent and ledger.estimate is not None:
        found["metric"] = ledger.estimate
    return found


def values(run: Loop, sight: Sight) -> dict[str, Any]:
    """The JSON object; nothing is cut there."""
    campaign, ledger = run.campaign, sight.ledger
    bindings, counts, claim = campaign.bindings, campaign.counts, ledger.claim
    found: dict[str, Any] = {
        "schema": answers.SCHEMA,
        "status": ledger.state,
        "tag": campaign.tag,
        "metric": bindings.metric,
        "direction": bindings.metric_direction,
        "experiments": len(campaign.experiments),
        "rehearsals": campaign.rehearsals,
        "max_experiments": bindings.max_experiments,
        "counts": {key: counts.get(key, 0) for key in _COUNTED},
        "refused": campaign.refusals,
        "baseline": answers.place(campaign, campaign.baseline),
        "incumbent": _place(campaign, ledger, campaign.incumbent),
        "best": _place(campaign, ledger, campaign.best),
        "best_commit": _commit(ledger.row(ledger.best)) or None,
        "gain": claim.gain if claim else ledger.gain,
        "gain_percent": ledger.gain_percent,
        "gain_interval": [claim.low, claim.high] if claim else None,
        "gain_probability": claim.probability if claim else None,
        "confirmed": claimed.standing(run.workspace)[0],
        "confirming": list(campaign.confirming.subjects) if campaign.confirming else None,
        "gain_before_rebaseline": campaign.gain_before,
        "stamp": dict(campaign.stamp_for()),
        "pruned": {
            "runs": ledger.pruned_runs, "saved_s": round(ledger.saved_s, 1),
            "let_go_on": ledger.let_go_on, "of_these_kept": ledger.let_go_on_kept,
        },
        "active_s": round(campaign.active_s, 1),
        "running": _running_values(sight.running),
        "unrecorded": sight.unrecorded,
        "stop_reason": campaign.stop_reason(sight.now),
        "end": campaign.end_utc or None,
        "stop_conditions": _limits(campaign, sight.now),
        "left_s": _rounded(sight.left_s),
        "pace": sight.pace._asdict() if sight.pace else None,
        "recent": [_recent_values(row) for row in _recent(sight)],
        "paused": campaign.paused.reason if campaign.paused else None,
        "stopped": campaign.stopped.reason if campaign.stopped else None,
        "notes": campaign.pending_notes,
        "in_the_way": list(sight.in_the_way),
        "edited": sight.edited or None,
        "sandbox": ledger.source,
        "next": sight.next_step,
    }  # fmt: skip
    last = campaign.last
    if last is not None and campaign.open_run is None and last.verdict:
        found["last"] = {"experiment": last.number, "status": last.verdict}
    return found


_COUNTED = (decide.KEEP, decide.DISCARD, decide.CRASH)


def _running_values(running: UnderWay | None) -> dict[str, Any] | None:
    if running is None:
        return None
    estimate = running.estimate
    return {
        "experiment": running.experiment,
        "run": running.run,
        "purpose": running.purpose,
        "elapsed_s": round(running.elapsed_s, 1),
        "timeout_s": running.timeout_s,
        "host": running.host,
        "progress": running.printed,
        "usual_s": _rounded(running.usual_s),
        "left_s": _rounded(estimate.left_s) if estimate else None,
        "done": round(estimate.done, 3) if estimate else None,
        "estimated_by": estimate.by if estimate else None,
    }


def _recent_values(row: Row) -> dict[str, Any]:
    return {
        "experiment": row.number, "status": row.status, "metric": row.metric, "gain": row.gain,
        "description": row.description,
    }  # fmt: skip


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


# --- text -----------------------------------------------------------------------------------------


def lines(
    run: Loop, sight: Sight, *, columns: int = COLUMNS, most_lines: int = _MOST_LINES
) -> list[str]:
    """The text, what matters least cut first."""
    found = [
        *_head(run.campaign, sight),
        *_run(sight),
        *_gained(run.campaign, sight),
        *_measured(run.campaign, sight),
        *_table(sight),
        *_asked(run.campaign, sight),
    ]
    return fitting.fit(found, columns=columns, most_bytes=_MOST_BYTES, most_lines=most_lines)


def _head(campaign: Campaign, sight: Sight) -> list[Item]:
    bindings, counts, word = campaign.bindings, campaign.counts, sight.ledger.state
    reason = campaign.stop_reason(sight.now)
    done = str(campaign.tried)
    done += f"/{bindings.max_experiments}" if bindings.max_experiments else ""
    told = ", ".join(f"{counts.get(key, 0)} {key}" for key in _COUNTED)
    told += f" ({campaign.rehearsals} rehearsed)" if campaign.rehearsals else ""
    told += f"; {campaign.refusals} refused" if campaign.refusals else ""
    tag, metric = display.clean(campaign.tag, 40), display.clean(bindings.metric, 60)
    idle = _idle(campaign, sight)
    return [
        Item("", f"campaign {tag}  {word}" + (f" ({reason})" if reason else "") + idle, 0, 2),
        Item("metric", f"{metric} ({bindings.metric_direction})", 2),
        Item("", f"experiments {done}: {told}", 0, 2),
        *_speed(sight),
    ]


def _idle(campaign: Campaign, sight: Sight) -> str:
    """Since when nothing runs, where something should: what a person who wakes up asks first."""
    if sight.running is not None or not campaign.last_time:
        return ""
    idle_s = (sight.now - datetime.fromisoformat(campaign.last_time)).total_seconds()
    return f"; nothing runs, for {answers.duration(idle_s)}" if idle_s >= 60 else ""


def _speed(sight: Sight) -> list[Item]:
    parts = []
    if sight.pace is not None:
        parts.append(pace.in_words(sight.pace))
    if sight.left_s is not None and sight.ledger.state == "active":
        parts.append(f"about {answers.duration(sight.left_s)} to go")
    return [Item("pace", "; ".join(parts), 4)] if parts else []


def _run(sight: Sight) -> list[Item]:
    running, found = sight.running, []
    if running is not None:
        most = answers.duration(running.timeout_s)
        said = f"#{running.experiment} for {_shortly(running.elapsed_s)} of at most {most}"
        if running.estimate is not None:
            left_s = running.estimate.left_s
            said += f"; {answers.duration(left_s)} left by {running.estimate.by}"
            if left_s >= _LONG_S:
                said += f" ({(sight.now + timedelta(seconds=left_s)).astimezone():%H:%M})"
        elif running.usual_s is not None:
            said += f"; earlier runs took {answers.duration(running.usual_s)}"
        found.append(Item("running", said))
        if running.printed:
            found.append(Item(" ", running.printed, 3))
    return found


def _shortly(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else answers.duration(seconds)


def _gained(campaign: Campaign, sight: Sight) -> list[Item]:
    ledger, incumbent = sight.ledger, campaign.incumbent
    gain, claim, found = ledger.gain, ledger.claim, []
    if gain is not None and (incumbent is not campaign.baseline or campaign.gain_before):
        said = gains.in_words(ledger)
        if claim:
            said += f"; {decide.percent(claim.probability)} sure"
        else:
            said += f", by {_readings_of(campaign, incumbent)}"
        if campaign.gain_before:
            said += f"; {campaign.gain_before:.4g} before the rebaseline"
        found.append(Item("gain", said, 0, 2))
    label, _, said = ledger.standing.partition(" ")
    return [*found, *([Item(label, said.strip(), 0, 9)] if said else [])]


def _readings_of(campaign: Campaign, incumbent: Experiment | None) -> str:
    """What an estimate of the gain rests on."""
    counts = [
        len(campaign.readings.get(key_of(item.epoch, item.started.code), ()))
        for item in (incumbent, campaign.baseline)
        if item is not None
    ]
    if max(counts, default=1) == 1:
        return "single readings"
    return f"means of {' and '.join(map(str, counts))} readings"


def _measured(campaign: Campaign, sight: Sight) -> list[Item]:
    found, ranks = [], {"best": 1, "incumbent": 5, "baseline": 5}
    for label, item in (
        ("best", campaign.best), ("incumbent", campaign.incumbent), ("baseline", campaign.baseline),
    ):  # fmt: skip
        if item is not None:
            text = _figures(campaign, sight.ledger, item) if item.verdict != decide.CRASH else ""
            commit = _commit(sight.ledger.row(item.number)) if label == "best" else ""
            parts = [f"#{item.number} {text or '-'}", commit, item.started.description]
            found.append(Item(label, "  ".join(filter(None, parts)), ranks[label]))
    device = campaign.stamp_for().get("device", "")
    if device:
        found.append(Item("device", display.clean(device, 60), 9))
    if sight.ledger.pruned_runs or sight.ledger.let_go_on:
        found.append(Item("pruned", _pruned(sight.ledger), 7))
    limits = _limits(campaign, sight.now)
    return [*found, *([Item("ends", "; ".join(limits), 3, 2)] if limits else [])]


def _figures(campaign: Campaign, ledger: Ledger, item: Experiment) -> str:
    """What was read, beside the estimate by which the gain is told."""
    if item.number != ledger.incumbent or ledger.estimate is None:
        return answers.figures(campaign, item)
    read = answers.read_text(campaign, item)
    estimated = answers.format_metric(ledger.estimate, [read, ""])
    return read if read == estimated else f"read {read}, estimated {estimated}"


def _commit(row: Row | None) -> str:
    return row.commit[:_COMMIT] if row is not None else ""


def _pruned(ledger: Ledger) -> str:
    """What ending runs early saved, and how often it would have been wrong."""
    runs = f"{ledger.pruned_runs} {'run' if ledger.pruned_runs == 1 else 'runs'}"
    said = f"{runs}, {answers.duration(ledger.saved_s)} saved"
    if ledger.let_go_on:
        said += f"; {ledger.let_go_on} let go on, {ledger.let_go_on_kept} of them kept"
    return said


def _limits(campaign: Campaign, now: datetime) -> list[str]:
    """What ends the campaign, but for the count of experiments that stands above."""
    bindings, end = campaign.bindings, answers.end_in_words(campaign, now)
    limits = [f"at {end}"] if end else []
    if bindings.stop_after_s is not None and not campaign.until_utc:
        used, allowed = answers.duration(campaign.active_s), answers.duration(bindings.stop_after_s)
        limits.append(f"after {allowed} of active time ({used} used)")
    if bindings.target is not None:
        limits.append(f"when {bindings.metric} reaches {bindings.target:g}")
    return limits


def _recent(sight: Sight) -> list[Row]:
    """The last decided ones, the latest first."""
    decided = [row for row in reversed(sight.ledger.rows) if row.status in _COUNTED]
    return decided[:_RECENT]


def _table(sight: Sight) -> list[Item]:
    texts = (row_text(sight.ledger, row) for row in _recent(sight))
    return [Item("", text, 4 if at == 0 else 8) for at, text in enumerate(texts)]


def row_text(ledger: Ledger, row: Row) -> str:
    """One experiment in a line of the table that `status` and `history` share."""
    description = display.one_line(row.description)
    return f"#{row.number:<4} {row.status:8}{ledger.text_of(row) or '-':>12}  {description}"


def _asked(campaign: Campaign, sight: Sight) -> list[Item]:
    """What is open, in the way or said, and what is next."""
    found = []
    if sight.unrecorded:
        held = campaign.waits_for_run
        what = "waits for its next run" if held else "has ended, which is not recorded yet"
        found.append(Item("open", f"#{sight.unrecorded} {what}", 1))
    switch = campaign.stopped or campaign.paused
    if switch and switch.reason:
        found.append(Item("", f"{sight.ledger.state}: {display.one_line(switch.reason)}", 1, 2))
    found += [Item("", f"in the way: {item}", 1, 4) for item in sight.in_the_way]
    found += [Item("", f"edited: {sight.edited}", 2, 2)] if sight.edited else []
    found += [
        Item("", f"note for the next verdict: {display.one_line(text)}", 6, 3)
        for text in campaign.pending_notes
    ]
    if len(sight.ledger.source) + len(sight.next_step) <= _BESIDE:
        return [*found, Item("", f"files: {sight.ledger.source}   next: {sight.next_step}", 0, 3)]
    shown = Item("", f"files: {display.clean(sight.ledger.source, 200)}", 5, 2)
    return [*found, shown, Item("", f"next: {sight.next_step}", 0, 2)]
