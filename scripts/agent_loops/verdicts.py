"""Makes the decision about a finished experiment from the campaign's readings; pure.

The rule itself is `decide`; here it is fed, and what a reader should know is noted.
"""

from __future__ import annotations

from agent_loops import answers, decide, display, events
from agent_loops.state import Campaign, Experiment, key_of

REHEARSED = "a rehearsal, never kept"


def decided(campaign: Campaign, experiment: Experiment) -> events.Decided:
    """The decision on an experiment whose runs are all in."""
    finished, reading = experiment.last_finished, experiment.last_reading
    assert finished is not None
    if experiment.pruned:
        return events.Decided(
            experiment=experiment.number, verdict=decide.DISCARD, kind=decide.PRUNED,
            reason=experiment.pruned, notes=tuple(_run_notes(experiment)),
        )  # fmt: skip
    if finished.crash_kind == "idea" or reading is None:
        lost_twice = finished.outcome == "lost"
        return events.Decided(
            experiment=experiment.number,
            verdict=decide.CRASH,
            # An edit meanwhile, by whomever, is no fault of the machine's.
            kind="machine" if finished.crash_kind == "machine" else "idea",
            reason="run lost" if lost_twice else finished.crash_reason,
            notes=tuple(_run_notes(experiment)),
        )
    failed_checks = _failed_checks(experiment)
    if failed_checks and experiment.started.baseline:
        return events.Decided(
            experiment=experiment.number, verdict=decide.CRASH, kind="idea",
            reason=f"the baseline itself: {failed_checks}", notes=tuple(_run_notes(experiment)),
        )  # fmt: skip
    incumbent = _compared_with(campaign, experiment)
    verdict = _verdict(campaign, experiment)
    if experiment.started.rehearsal:
        trouble = f"; {verdict.reason}" if verdict.kind in ("over budget", "guard") else ""
        reason = f"{REHEARSED}{trouble}"
        verdict = decide.Verdict(decide.DISCARD, decide.REHEARSAL, reason)
    candidate = _readings(campaign, experiment)
    known = _readings(campaign, incumbent)
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
        run.finished.value_text
        for run in experiment.runs
        if run.finished and run.reading is not None
    ]
    return events.Decided(
        experiment=experiment.number,
        verdict=verdict.status,
        kind=verdict.kind,
        reason=verdict.reason,
        metric=metric,
        metric_text=answers.format_metric(metric, texts if len(candidate) == 1 else [*texts, ""]),
        delta=delta,
        notes=_verdict_notes(campaign, experiment, reading, delta),
        readings=len(candidate),
    )


def needs_checks(campaign: Campaign, experiment: Experiment) -> bool:
    """Whether `checks_cmd` is to be run now: for what would be kept, or could be by override."""
    finished = experiment.last_finished
    if not campaign.bindings.checks_cmd or experiment.checks is not None:
        return False
    if experiment.started.rehearsal:
        return False
    if finished is None or finished.crash_kind or experiment.pruned:
        return False
    verdict = _verdict(campaign, experiment)
    return verdict.status == decide.KEEP or not obstacle_to_keeping(
        campaign, experiment, verdict.kind, verdict.reason
    )


def obstacle_to_keeping(campaign: Campaign, experiment: Experiment, kind: str, reason: str) -> str:
    """Why a discard of this kind may not be overridden; empty where it may.

    Equal and simpler may be kept; a worse one only within the tolerance, with fewer lines.
    """
    if kind in ("over budget", "guard", "checks", "repeat", decide.REHEARSAL):
        return f"{kind}: {reason}"
    if kind == decide.PRUNED:
        return f"it has no reading that could be kept: {reason}"
    candidate, incumbent = _readings(campaign, experiment), _readings(campaign, campaign.incumbent)
    best = campaign.best
    best_metric = campaign.metric_of(best) if best is not None else None
    if not candidate or not incumbent or best_metric is None:
        return "there is no reading to compare"
    metric = decide.estimate(candidate)
    if campaign.bindings.direction.better(metric, decide.estimate(incumbent)):
        return ""  # discarded by an override, or by readings that are older than others
    if experiment.started.lines_removed <= experiment.started.lines_added:
        return "not better, and no simpler: it has no fewer lines than the incumbent"
    tolerance = campaign.bindings.override_tolerance.of(best_metric)
    behind = -campaign.bindings.direction.gain(metric, best_metric)
    if behind > tolerance:
        return f"worse than the best by {behind:.4g}, more than override_tolerance {tolerance:.4g}"
    return ""


def _verdict(campaign: Campaign, experiment: Experiment) -> decide.Verdict:
    """What the rule says of the readings there are, and of the checks if they have run."""
    return decide.decide(
        _readings(campaign, experiment),
        _readings(campaign, _compared_with(campaign, experiment)),
        direction=campaign.bindings.direction,
        over_budget=_over_budget(campaign, experiment),
        broken_guard=_broken_guard(campaign, experiment),
        failed_checks=_failed_checks(experiment),
    )


def _compared_with(campaign: Campaign, experiment: Experiment) -> Experiment | None:
    return campaign.incumbent if not experiment.started.baseline else None


def _readings(campaign: Campaign, experiment: Experiment | None) -> list[float]:
    """Every reading of an experiment's code."""
    if experiment is None:
        return []
    return campaign.readings.get(key_of(experiment.epoch, experiment.started.code), [])


def _failed_checks(experiment: Experiment) -> str:
    checks = experiment.checks
    if checks is None or not checks.crash_kind:
        return ""
    return f"checks_cmd did not pass: {checks.crash_reason}"


def _broken_guard(campaign: Campaign, experiment: Experiment) -> str:
    baseline = campaign.baseline.last_reading if campaign.baseline else None
    for run in experiment.attempt:
        if run.finished is None or run.reading is None or baseline is None:
            continue
        for guard in campaign.bindings.guards:
            number = run.finished.guards.get(guard.name)
            if reason := guard.broken(number, baseline.guards.get(guard.name)):
                return reason
    return ""


def _over_budget(campaign: Campaign, experiment: Experiment) -> str:
    baseline, slack = campaign.baseline, campaign.bindings.budget_slack
    reading = experiment.last_reading
    if baseline is None or slack is None or baseline.last_reading is None or reading is None:
        return ""
    base_s, wall_s = baseline.last_reading.wall_s, reading.wall_s
    if base_s is None or wall_s is None or wall_s <= slack.limit_s(base_s):
        return ""
    return f"took {wall_s:.1f} s where the baseline took {base_s:.1f} s"


def _verdict_notes(
    campaign: Campaign, experiment: Experiment, finished: events.RunFinished, delta: float | None
) -> tuple[str, ...]:
    bindings = campaign.bindings
    notes = _run_notes(experiment)
    last = experiment.last_finished
    if last is not None and last.crash_kind:
        counted = sum(run.reading is not None for run in experiment.attempt)
        notes.append(f"{counted} of {experiment.runs_wanted} runs count: {last.crash_reason}")
    if finished.source == "self-reported" and experiment.started.baseline:
        notes.append(f"{bindings.metric} is self-reported by the code that is edited")
    if finished.outputs and experiment.started.baseline:
        shown = ", ".join(display.clean(path, 60) for path in finished.outputs[:4])
        more = f" and {len(finished.outputs) - 4} more" if finished.outputs[4:] else ""
        notes.append(f"written by the run, so not frozen: {shown}{more}")
    if finished.environment_changed:
        names = ", ".join(finished.environment_changed[:5])
        notes.append(f"environment differs from the baseline's: {names}")
    limit, memory = bindings.memory_limit_gb, finished.memory_gb
    if limit is not None and memory is not None and memory > limit:
        notes.append(f"memory {memory:.1f} GB is past memory_limit_gb {limit:g}")
    step = _last_place(finished.value_text)
    if delta is not None and step and abs(delta) <= step * 1.5 and step > 1e-5:
        notes.append(f"{bindings.metric} is printed in steps of {step:g}: too coarse for this gain")
    baseline = campaign.baseline
    first = baseline.last_reading if baseline else None
    if first is not None and first.unit != finished.unit:
        notes.append(f"unit changed: {first.unit or 'none'} before, {finished.unit or 'none'} now")
    if first is not None and first.matches and finished.matches > 1 == first.matches:
        notes.append(f"{bindings.metric} is printed {finished.matches} times, by the baseline once")
    return tuple(notes)


def _run_notes(experiment: Experiment) -> list[str]:
    """What the runs of this attempt said, and which of them were tried again."""
    notes: list[str] = []
    for run in experiment.attempt:
        if run.finished is None:
            continue
        notes += run.finished.notes
        if run.finished.hopeless and run.finished.outcome != "pruned":
            notes.append(run.finished.hopeless)
        if run.finished.crash_kind == "machine" and run is not experiment.attempt[-1]:
            notes.append(f"run {run.number} was tried again: {run.finished.crash_reason}")
    return notes


def _last_place(text: str) -> float:
    """The value of the last digit that was printed; 0 where that says nothing."""
    mantissa, _, exponent = text.lower().partition("e")
    digits = mantissa.rpartition(".")[2] if "." in mantissa else ""
    if not mantissa or (exponent and not exponent.lstrip("+-").isdigit()):
        return 0.0
    return float(10.0 ** (int(exponent or 0) - len(digits)))
