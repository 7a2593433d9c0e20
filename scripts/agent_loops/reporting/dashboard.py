"""The dashboard of a campaign: does it still run, what did it gain, is that real, what is next.

The text fits 80 columns and 1.5 KB, whatever people and programs have written.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from agent_loops import answers, decide, display
from agent_loops.answers import Answer
from agent_loops.experiments import Experiment, key_of
from agent_loops.loop import Loop
from agent_loops.reporting import dashboard_values, fitting, gains, pace, sighting
from agent_loops.reporting.fitting import Item
from agent_loops.reporting.ledger import Ledger, Row
from agent_loops.reporting.sighting import Sight
from agent_loops.state import Campaign

COLUMNS = 80
_MOST_BYTES = 1500
_MOST_LINES = 24
_LONG_S = 300
_BESIDE = 64


def status(run: Loop, *, columns: int = COLUMNS) -> Answer:
    """The dashboard as JSON and as text of at most so many columns."""
    sight = sighting.look(run, datetime.now(timezone.utc))
    return Answer(dashboard_values.of(run, sight), lines(run, sight, columns=columns))


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
    told = ", ".join(f"{counts.get(key, 0)} {key}" for key in sighting.COUNTED)
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
            commit = sighting.commit(sight.ledger.row(item.number)) if label == "best" else ""
            parts = [f"#{item.number} {text or '-'}", commit, item.started.description]
            found.append(Item(label, "  ".join(filter(None, parts)), ranks[label]))
    device = campaign.stamp_for().get("device", "")
    if device:
        found.append(Item("device", display.clean(device, 60), 9))
    if sight.ledger.pruned_runs or sight.ledger.let_go_on:
        found.append(Item("pruned", _pruned(sight.ledger), 7))
    limits = sighting.limits(campaign, sight.now)
    return [*found, *([Item("ends", "; ".join(limits), 3, 2)] if limits else [])]


def _figures(campaign: Campaign, ledger: Ledger, item: Experiment) -> str:
    """What was read, beside the estimate by which the gain is told."""
    if item.number != ledger.incumbent or ledger.estimate is None:
        return answers.figures(campaign, item)
    read = answers.read_text(campaign, item)
    estimated = answers.format_metric(ledger.estimate, [read, ""])
    return read if read == estimated else f"read {read}, estimated {estimated}"


def _pruned(ledger: Ledger) -> str:
    """What ending runs early saved, and how often it would have been wrong."""
    runs = f"{ledger.pruned_runs} {'run' if ledger.pruned_runs == 1 else 'runs'}"
    said = f"{runs}, {answers.duration(ledger.saved_s)} saved"
    if ledger.let_go_on:
        said += f"; {ledger.let_go_on} let go on, {ledger.let_go_on_kept} of them kept"
    return said


def _table(sight: Sight) -> list[Item]:
    texts = (row_text(sight.ledger, row) for row in sighting.recent(sight))
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
