"""Makes the decision about a finished experiment from the campaign's readings; pure.

The rule itself is `decide`; here it is fed, and what a reader should know is noted.
"""

from __future__ import annotations

from agent_loops import answers, decide, display, events
from agent_loops.state import Campaign, Experiment, key_of


def decided(campaign: Campaign, experiment: Experiment) -> events.Decided:
    """The decision on an experiment whose runs are all in."""
    finished, reading = experiment.last_finished, experiment.last_reading
    assert finished is not None
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
    incumbent = campaign.incumbent if not experiment.started.baseline else None
    candidate = campaign.readings[key_of(experiment.epoch, experiment.started.code)]
    known: list[float] = []
    if incumbent is not None:
        known = campaign.readings[key_of(incumbent.epoch, incumbent.started.code)]
    verdict = decide.decide(
        candidate, known,
        direction=campaign.bindings.direction, over_budget=_over_budget(campaign, experiment),
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
