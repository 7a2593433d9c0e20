"""What is to be seen of a campaign at one time: the record, the run under way, what is in the way.

Writes nothing and takes no lock, so it never disturbs a run or a `try`.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from agent_loops import answers, decide, rounds
from agent_loops.loop import Loop
from agent_loops.reporting import obstacles, own_ledger, pace, under_way
from agent_loops.reporting.ledger import Ledger, Row
from agent_loops.reporting.pace import Pace
from agent_loops.reporting.under_way import UnderWay
from agent_loops.state import Campaign

COUNTED = (decide.KEEP, decide.DISCARD, decide.CRASH)
_RECENT = 5
_COMMIT = 7


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


def limits(campaign: Campaign, now: datetime) -> list[str]:
    """What ends the campaign, but for the count of experiments that stands above."""
    bindings, end = campaign.bindings, answers.end_in_words(campaign, now)
    limits = [f"at {end}"] if end else []
    if bindings.stop_after_s is not None and not campaign.until_utc:
        used, allowed = answers.duration(campaign.active_s), answers.duration(bindings.stop_after_s)
        limits.append(f"after {allowed} of active time ({used} used)")
    if bindings.target is not None:
        limits.append(f"when {bindings.metric} reaches {bindings.target:g}")
    return limits


def recent(sight: Sight) -> list[Row]:
    """The last decided ones, the latest first."""
    decided = [row for row in reversed(sight.ledger.rows) if row.status in COUNTED]
    return decided[:_RECENT]


def commit(row: Row | None) -> str:
    return row.commit[:_COMMIT] if row is not None else ""
