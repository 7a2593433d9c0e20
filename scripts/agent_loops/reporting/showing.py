"""One experiment: its verdict, its runs, its files, its change.

Judges nothing and compares it with no other; writes nothing.
"""

from __future__ import annotations

from agent_loops import answers, display, events, gates, stamps
from agent_loops.answers import Answer
from agent_loops.errors import AgentLoopsError
from agent_loops.experiments import Experiment
from agent_loops.loop import Loop
from agent_loops.reporting import changes


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
    change = changes.of(run.workspace, number)
    if change.problem:
        raise AgentLoopsError(change.problem)
    text = "\n".join(change.lines)
    values = {
        "schema": answers.SCHEMA, "experiment": number, "base": experiment.started.base,
        "diff": text, "lines_added": experiment.started.lines_added,
        "lines_removed": experiment.started.lines_removed,
    }  # fmt: skip
    return Answer(values, [text or f"experiment {number} changed nothing"])
