"""Where a campaign stands, what was tried, one experiment, its change: read-only views.

Writes nothing and takes no lock, so it never disturbs a run or a `try`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any

from agent_loops import (
    answers,
    candidates,
    claimed,
    decide,
    display,
    events,
    files,
    gates,
    machine,
    pointer,
    rounds,
    snapshots,
    stamps,
)
from agent_loops.answers import Answer
from agent_loops.errors import AgentLoopsError, Refused
from agent_loops.experiments import Experiment, is_here, key_of
from agent_loops.loop import Loop
from agent_loops.state import Campaign

if TYPE_CHECKING:
    from agent_loops.keeping.rule import Claim

_RECENT = 5
_DESCRIPTION = 46


def status(run: Loop) -> Answer:
    """The dashboard in at most 20 short lines."""
    campaign = run.campaign
    bindings = campaign.bindings
    now = datetime.now(timezone.utc)
    incumbent, best, baseline = campaign.incumbent, campaign.best, campaign.baseline
    counts = campaign.counts
    word = pointer.state_word(campaign, now)
    reason = campaign.stop_reason(now)
    gain, claim = campaign.gain_of(incumbent), _claim(run)
    last = campaign.last
    running = _running(run)
    unrecorded = None
    if campaign.under_way and running is None:
        unrecorded = campaign.open_run[0] if campaign.open_run else campaign.open_number
    idle = not campaign.under_way
    confirmed, claim_line = claimed.standing(run.workspace)
    in_the_way = _in_the_way(run) if idle and word == "active" else []
    edited = _edited(run) if idle else ""
    values: dict[str, Any] = {
        "schema": answers.SCHEMA,
        "status": word,
        "tag": campaign.tag,
        "metric": bindings.metric,
        "direction": bindings.metric_direction,
        "experiments": len(campaign.experiments),
        "rehearsals": campaign.rehearsals,
        "max_experiments": bindings.max_experiments,
        "counts": {key: counts.get(key, 0) for key in ("keep", "discard", "crash")},
        "refused": campaign.refusals,
        "baseline": answers.place(campaign, baseline),
        "incumbent": answers.place(campaign, incumbent),
        "best": answers.place(campaign, best),
        "gain": claim.gain if claim else gain,
        "gain_interval": [claim.low, claim.high] if claim else None,
        "gain_probability": claim.probability if claim else None,
        "confirmed": confirmed,
        "confirming": list(campaign.confirming.subjects) if campaign.confirming else None,
        "gain_before_rebaseline": campaign.gain_before,
        "stamp": dict(campaign.stamp_for()),
        "pruned": {
            "runs": campaign.pruned_runs,
            "saved_s": round(campaign.saved_s, 1),
            "let_go_on": len(campaign.let_go_on),
            "of_these_kept": _wrongly_condemned(campaign),
        },
        "active_s": round(campaign.active_s, 1),
        "running": running,
        "unrecorded": unrecorded,
        "stop_reason": reason,
        "end": campaign.end_utc or None,
        "paused": campaign.paused.reason if campaign.paused else None,
        "stopped": campaign.stopped.reason if campaign.stopped else None,
        "notes": campaign.pending_notes,
        "in_the_way": in_the_way,
        "edited": edited or None,
        "sandbox": run.workspace.shown(run.store.paths.root),
        "next": _next(run, word),
    }
    if last is not None and campaign.open_run is None and last.verdict:
        values["last"] = {"experiment": last.number, "status": last.verdict}
    done = f"{campaign.tried}" + (
        f"/{bindings.max_experiments}" if bindings.max_experiments else ""
    )
    device = campaign.stamp_for().get("device", "")
    lines = [
        f"campaign {campaign.tag}  {word}" + (f" ({reason})" if reason else ""),
        f"metric {bindings.metric} ({bindings.metric_direction})   experiments {done}: "
        + ", ".join(f"{counts.get(key, 0)} {key}" for key in ("keep", "discard", "crash"))
        + (f" ({campaign.rehearsals} rehearsed)" if campaign.rehearsals else "")
        + (f"; {campaign.refusals} refused" if campaign.refusals else ""),
    ]
    for name, item in (("baseline", baseline), ("incumbent", incumbent), ("best", best)):
        if item is not None:
            lines.append(f"{name:9} #{item.number} {_metric_text(campaign, item)}  "
                         f"{display.clean(item.started.description, _DESCRIPTION)}")  # fmt: skip
    if gain is not None and (incumbent is not baseline or campaign.gain_before):
        before = f"; {campaign.gain_before:.4g} before the rebaseline"
        said = f"{gain:.4g} over the baseline, by {_readings_of(campaign, incumbent, baseline)}"
        if claim:
            interval = f"90%: {claim.low:.3g} to {claim.high:.3g}"
            likely = f"{decide.percent(claim.probability)} likely"
            said = f"{claim.gain:.4g} over the baseline, {interval}; {likely} real"
        lines.append(f"gain      {said}" + (before if campaign.gain_before else ""))
    lines += _pruned(campaign)
    lines += [f"device    {display.clean(device, 60)}"] if device else []
    lines += [claim_line] if claim_line else []
    lines += _limits(campaign, now)
    if running:
        lines.append(f"running   #{running['experiment']} for {running['elapsed_s']:.0f} s "
                     f"of at most {running['timeout_s']:.0f} s  {running['progress']}"
                     .rstrip())  # fmt: skip
    if unrecorded:
        held = campaign.waits_for_run
        what = "waits for its next run" if held else "has ended, which is not recorded yet"
        lines.append(f"open      #{unrecorded} {what}")
    recent = [campaign.experiments[number] for number in islice(reversed(campaign.experiments), 6)]
    lines += [_row(campaign, item) for item in recent if item.verdict][:_RECENT]
    switch = campaign.stopped or campaign.paused
    lines += [f"{word}: {switch.reason}"] if switch and switch.reason else []
    lines += [f"in the way: {item}" for item in in_the_way]
    lines += [f"edited: {edited}"] if edited else []
    lines += [f"note for the next verdict: {text}" for text in campaign.pending_notes]
    lines.append(f"files: {values['sandbox']}   next: {values['next']}")
    return Answer(values, lines)


def _claim(run: Loop) -> Claim | None:
    """What the noise-aware rule says was gained; None where no noise is known."""
    run.store.work_out_belief()
    belief = run.campaign.belief
    if belief is None:
        return None
    from agent_loops.keeping import rule

    claim = rule.claim(belief)
    return claim if claim.low < claim.high else None


def _in_the_way(run: Loop) -> list[str]:
    """Why the next `try` would be refused before its idea is looked at, and what to do."""
    found = []
    checks: tuple[Callable[[], None], ...] = (
        lambda: gates.refuse_changed_bindings(run.workspace, run.campaign),
        lambda: gates.refuse_changed_harness(run.workspace, save=False),
        lambda: gates.refuse_elsewhere(run.workspace, run.campaign),
    )
    if run.campaign.analysis_first:
        from agent_loops import grounding

        checks = (*checks, lambda: grounding.refuse_unanalysed(run.workspace, run.campaign))
    for refuse in checks:
        try:
            refuse()
        except Refused as error:
            found.append(f"{display.cut(error.reason, 200)}; {error.next_step}")
        except AgentLoopsError as error:
            found.append(str(error))
    return found


def _edited(run: Loop) -> str:
    """What the editable files hold where that is not what the next idea builds on."""
    try:
        present = run.workspace.present()
        changed = snapshots.differing(present, candidates.base_of(run.workspace, run.campaign))
    except AgentLoopsError as error:
        return str(error)
    if not changed:
        return ""
    holder = run.campaign.holders.get(snapshots.digest(present))
    names = ", ".join(display.clean(path, 80) for path in changed[:5])
    return f"{names}: the code of #{holder}" if holder else f"{names}, not tried yet"


def _pruned(campaign: Campaign) -> list[str]:
    """What ending runs early saved, and how often it would have been wrong."""
    let_go_on = len(campaign.let_go_on)
    if not campaign.pruned_runs and not let_go_on:
        return []
    runs = f"{campaign.pruned_runs} {'run' if campaign.pruned_runs == 1 else 'runs'}"
    line = f"pruned    {runs}, {answers.duration(campaign.saved_s)} saved"
    if let_go_on:
        line += f"; {let_go_on} let go on, {_wrongly_condemned(campaign)} of them kept"
    return [line]


def _wrongly_condemned(campaign: Campaign) -> int:
    """How many of those that looked hopeless and were let go on were kept."""
    return sum(campaign.experiments[n].verdict == decide.KEEP for n in campaign.let_go_on)


def _limits(campaign: Campaign, now: datetime) -> list[str]:
    """What ends the campaign, but for the count of experiments that stands above."""
    bindings, end = campaign.bindings, answers.end_in_words(campaign, now)
    limits = [f"at {end}"] if end else []
    if bindings.stop_after_s is not None and not campaign.until_utc:
        used, allowed = answers.duration(campaign.active_s), answers.duration(bindings.stop_after_s)
        limits.append(f"after {allowed} of active time ({used} used)")
    if bindings.target is not None:
        limits.append(f"when {bindings.metric} reaches {bindings.target:g}")
    return [f"ends      {'; '.join(limits)}"] if limits else []


def _next(run: Loop, word: str) -> str:
    held = word in ("paused", "stopped")
    if run.campaign.confirming is not None and not held:
        return "agent-loops wait"
    if run.campaign.under_way and not (held and run.campaign.waits_for_run):
        return "agent-loops wait"
    if held:
        return "agent-loops resume"
    if run.campaign.wants_baseline:
        return "agent-loops try baseline"
    return (
        run.next_idea()
        if word == "active"
        else rounds.closing_words(run.campaign, datetime.now(timezone.utc))
    )


def _running(run: Loop) -> dict[str, Any] | None:
    """The run that goes on; None where there is none, or where it ended without a record."""
    campaign = run.campaign
    if campaign.open_run is None:
        return None
    number, index = campaign.open_run
    open_ = campaign.experiments[number].runs[index - 1]
    here = is_here(open_, host=machine.host(), boot_id=machine.boot_id())
    if here and not files.is_locked(run.store.paths.run_lock):
        return None
    log = run.store.paths.log_of(number, index, open_.started.script)
    from agent_loops import tails

    progress = ""
    try:
        with files.open_regular(log) as stream:
            tail = tails.tail(
                stream, limit=400, secrets=display.secret_values(run.workspace.environ)
            )
            progress = display.clean(tail.splitlines()[-1], 60)
    except (OSError, IndexError):
        progress = ""
    elapsed = datetime.now(timezone.utc) - datetime.fromisoformat(open_.time)
    return {
        "experiment": number,
        "run": index,
        "elapsed_s": round(max(0.0, elapsed.total_seconds()), 1),
        "timeout_s": open_.started.timeout_s,
        "host": open_.started.host,
        "progress": progress,
    }


def _readings_of(campaign: Campaign, *experiments: Experiment | None) -> str:
    """What an estimate rests on."""
    counts = [
        len(campaign.readings.get(key_of(item.epoch, item.started.code), ()))
        for item in experiments
        if item is not None
    ]
    if max(counts, default=1) == 1:
        return "single readings"
    return f"means of {' and '.join(map(str, counts))} readings"


def _metric_text(campaign: Campaign, experiment: Experiment) -> str:
    if experiment.verdict == decide.CRASH:
        return "-"
    return answers.metric_text(campaign, experiment) or "-"


def _read_text(campaign: Campaign, experiment: Experiment) -> str:
    """The metric as it was read, as results.tsv has it."""
    if experiment.verdict == decide.CRASH:
        return "-"
    return answers.read_text(campaign, experiment) or "-"


def _row(campaign: Campaign, experiment: Experiment) -> str:
    return (
        f"#{experiment.number:<4} {experiment.verdict or 'open':8}"
        f"{_read_text(campaign, experiment):>12}  "
        f"{display.clean(experiment.started.description, _DESCRIPTION)}"
    )


def history(run: Loop) -> Answer:
    """Every experiment, one line each."""
    campaign = run.campaign
    rows = [
        {
            "experiment": item.number,
            "status": item.verdict or "open",
            "kind": item.decided.kind if item.decided else "",
            "metric": campaign.metric_of(item) if item.verdict != decide.CRASH else None,
            "metric_name": campaign.metric_name(item),
            "delta": item.decided.delta if item.decided else None,
            "lines_added": item.started.lines_added,
            "lines_removed": item.started.lines_removed,
            "description": item.started.description,
        }
        for item in campaign.experiments.values()
    ]
    lines = [_row(campaign, item) for item in campaign.experiments.values()]
    return Answer({"schema": answers.SCHEMA, "experiments": rows}, lines or ["nothing tried yet"])


def _experiment(run: Loop, number: int) -> Experiment:
    experiment = run.campaign.experiments.get(number)
    if experiment is None:
        raise gates.no_experiment(run.campaign, number)
    return experiment


def show(run: Loop, number: int) -> Answer:
    """One experiment: its verdict, its runs, its files."""
    experiment = _experiment(run, number)
    answer = run.answer(experiment)
    decided = experiment.decided
    base = run.campaign.experiments.get(experiment.started.base or 0)
    lines = [*answer.lines]
    lines.append(f"idea: {experiment.started.description}")
    if base is not None:
        lines.append(f"built on #{base.number}: {base.started.description}")
    if experiment.started.why:
        lines.append(f"why: {experiment.started.why}")
    if experiment.started.risk:
        lines.append(f"risk: {experiment.started.risk}")
    if experiment.started.basis:
        lines.append(f"basis: {display.clean(experiment.started.basis, 20)}")
    lines += [f"anchor: {display.clean(text, 200)}" for text in experiment.started.anchors]
    lines += [f"predicted: {display.clean(text, 200)}" for text in experiment.started.predictions]
    if experiment.override_why and decided is not None:
        lines.append(f"overridden: was {decided.verdict} ({experiment.override_why})")
    runs = []
    for item in experiment.runs:
        finished = item.finished
        runs.append(
            {
                "run": item.number,
                "purpose": item.started.purpose,
                "outcome": finished.outcome if finished else "under way",
                "exit_code": finished.exit_code if finished else None,
                "metric": item.reading,
                "source": finished.source if finished else "",
                "crash": finished.crash_reason if finished else "",
                "wall_s": finished.wall_s if finished else None,
                "stamp": dict(finished.stamp) if finished else {},
                "receipt": run.workspace.shown(run.store.paths.receipt(number, item.number)),
                "log": run.log_of(number, item),
            }
        )
        what = runs[-1]["crash"] or _ended_as(finished)
        lines.append(f"run {item.number} ({item.what_for}): {what}  {runs[-1]['log']}")
    told = {stamps.in_words(item.finished.stamp): None for item in experiment.runs if item.finished}
    lines += [f"measured on: {words}" for words in told if words]
    lines.append(f"code: {run.workspace.shown(run.store.paths.snapshot(number))}")
    extra = {
        "metric_name": run.campaign.metric_name(experiment),
        "why": experiment.started.why, "risk": experiment.started.risk, "runs": runs,
        "basis": experiment.started.basis,
        "code": run.workspace.shown(run.store.paths.snapshot(number)),
        "idea": experiment.started.idea,
    }  # fmt: skip
    return Answer({**answer.values, **extra}, lines)


def _ended_as(finished: events.RunFinished | None) -> str:
    if finished is None:
        return "under way"
    if finished.outcome == "pruned":
        return finished.hopeless
    return finished.value_text or "passed"  # checks read no metric


def diff(run: Loop, number: int) -> Answer:
    """The change that an experiment made to the code it grew from, as a unified diff."""
    experiment = _experiment(run, number)
    before = (
        run.workspace.saved(experiment.started.base) if experiment.started.base is not None else {}
    )
    after = run.workspace.saved(number)
    if experiment.started.base is None:
        before = after
    text = "\n".join(snapshots.unified_diff(before, after))
    values = {
        "schema": answers.SCHEMA, "experiment": number, "base": experiment.started.base,
        "diff": text, "lines_added": experiment.started.lines_added,
        "lines_removed": experiment.started.lines_removed,
    }  # fmt: skip
    return Answer(values, [text or f"experiment {number} changed nothing"])
