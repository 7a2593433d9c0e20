"""What a reader of a verdict should know beside it: of its runs, and of what was measured; pure.

Changes no verdict.
"""

from __future__ import annotations

from agent_loops import calibration, decide, display, events
from agent_loops.experiments import Experiment
from agent_loops.objective import SEVERAL
from agent_loops.state import Campaign


def of_verdict(
    campaign: Campaign,
    experiment: Experiment,
    finished: events.RunFinished,
    delta: float | None,
    weighed: decide.Weighed | None,
) -> tuple[str, ...]:
    """Everything beside the verdict on an experiment whose last reading is `finished`."""
    notes = of_runs(experiment)
    if not experiment.started.baseline and _tells_several(campaign.baseline):
        notes = [note for note in notes if SEVERAL not in note]  # so it prints, as is known
    last = experiment.last_finished
    if last is not None and last.crash_kind:
        counted = len(experiment.readings)
        notes.append(f"{counted} of {experiment.runs_wanted} runs count: {last.crash_reason}")
    if weighed is not None:
        notes.append(decide.advice(weighed))
    if experiment.started.baseline:
        notes += _of_baseline(campaign, experiment, finished)
    if finished.environment_changed:
        names = ", ".join(finished.environment_changed[:5])
        notes.append(f"environment differs from the baseline's: {names}")
    limit, memory = campaign.bindings.memory_limit_gb, finished.memory_gb
    if limit is not None and memory is not None and memory > limit:
        notes.append(f"memory {memory:.1f} GB is past memory_limit_gb {limit:g}")
    is_incumbents = campaign.incumbent is not None and (
        campaign.incumbent.started.code == experiment.started.code
    )
    notes += _of_printing(campaign, finished, None if is_incumbents else delta)
    return tuple(note for note in notes if note)


def _tells_several(baseline: Experiment | None) -> bool:
    decided = baseline.decided if baseline is not None else None
    return decided is not None and any(SEVERAL in note for note in decided.notes)


def _of_baseline(
    campaign: Campaign, experiment: Experiment, finished: events.RunFinished
) -> list[str]:
    notes = []
    ended = [run.finished for run in experiment.attempt if run.finished is not None]
    notes.append(calibration.found(campaign.bindings, experiment.readings))
    if len(set(experiment.readings)) > 1:
        walls = [item.wall_s or 0.0 for item in ended]
        notes.append(calibration.warmup_advice(campaign.bindings, walls))
    if finished.source == "self-reported":
        notes.append(f"{campaign.bindings.metric} is self-reported by the code that is edited")
    outputs = sorted({path for item in ended for path in item.outputs})
    if outputs:
        shown = ", ".join(display.clean(path, 60) for path in outputs[:4])
        more = f" and {len(outputs) - 4} more" if outputs[4:] else ""
        notes.append(f"written by the run, so not frozen: {shown}{more}")
    return notes


def _of_printing(
    campaign: Campaign, finished: events.RunFinished, delta: float | None
) -> list[str]:
    """What is odd about how the metric was printed."""
    metric, baseline = campaign.bindings.metric, campaign.baseline
    notes = []
    step = _last_place(finished.value_text)
    if delta is not None and step and abs(delta) <= step * 1.5 and step > 1e-5:
        notes.append(f"{metric} is printed in steps of {step:g}: too coarse for this gain")
    first = baseline.last_reading if baseline else None
    if first is not None and first.unit != finished.unit:
        notes.append(f"unit changed: {first.unit or 'none'} before, {finished.unit or 'none'} now")
    if first is not None and first.matches and finished.matches > 1 == first.matches:
        notes.append(f"{metric} is printed {finished.matches} times, by the baseline once")
    return notes


def of_runs(experiment: Experiment) -> list[str]:
    """What the runs of this attempt said, each thing once, and which of them were tried again."""
    notes: list[str] = []
    for run in experiment.attempt:
        if run.finished is None:
            continue
        told = any(SEVERAL in note for note in notes)  # each run has values of its own
        notes += [note for note in run.finished.notes if not (told and SEVERAL in note)]
        if run.finished.hopeless and run.finished.outcome != "pruned":
            notes.append(run.finished.hopeless)
        if run.finished.crash_kind == "machine" and run is not experiment.attempt[-1]:
            notes.append(f"run {run.number} was tried again: {run.finished.crash_reason}")
    return list(dict.fromkeys(notes))


def _last_place(text: str) -> float:
    """The value of the last digit that was printed; 0 where that says nothing."""
    mantissa, _, exponent = text.lower().partition("e")
    digits = mantissa.rpartition(".")[2] if "." in mantissa else ""
    if not mantissa or (exponent and not exponent.lstrip("+-").isdigit()):
        return 0.0
    return float(10.0 ** (int(exponent or 0) - len(digits)))
