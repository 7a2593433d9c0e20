"""What happened inside an experiment's run: written beside its results, and answered.

Runs and decides nothing. May be done again at any time: it is worked out from files that stay.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import NamedTuple

from agent_loops.answers import Answer
from agent_loops.errors import AgentLoopsError, Refused
from agent_loops.experiments import Experiment, Run
from agent_loops.insight import page
from agent_loops.insight.page import Page
from agent_loops.progress import recorded
from agent_loops.result_files import NoResult
from agent_loops.workspace import Workspace


class Insight(NamedTuple):
    """The analysis of one run; `before` are the figures of what the experiment was built on."""

    run: int
    page: Page
    before: Mapping[str, float]


def keep(workspace: Workspace, experiment: Experiment) -> None:
    """Writes what the experiment's run shows, if it has a reading.

    It is derived: where it cannot be written the verdict stands all the same.
    """
    run = measured(experiment)
    if run is not None and run.reading is not None:
        with contextlib.suppress(AgentLoopsError, OSError, NoResult):
            write(workspace, experiment, run.number)


def write(workspace: Workspace, experiment: Experiment, run: int) -> Insight:
    """Works out what a run shows, and writes it to its results' folder."""
    results = workspace.store.paths.run_results(experiment.number, run)
    made, before = _analysed(workspace, experiment, run), _before(workspace, experiment)
    if workspace.campaign.bindings.is_probed or not (results / page.SUMMARY).exists():
        page.write(results, made, before)  # else the training left results of its own
    return Insight(run, made, before)


def _analysed(workspace: Workspace, experiment: Experiment, run: int) -> Page:
    paths, bindings = workspace.store.paths, workspace.campaign.bindings
    found = recorded(workspace, experiment.number, run)
    outputs = paths.outputs(experiment.number, run)
    made = page.analyse(
        paths.run_results(experiment.number, run), progress=found[0] if found else None,
        metric=bindings.metric, outputs=outputs if outputs.is_dir() else None,
    )  # fmt: skip
    return made._replace(summary={**made.summary, **_measured(workspace, experiment, run)})


def _measured(workspace: Workspace, experiment: Experiment, run: int) -> dict[str, float]:
    """What the receipt says of the run: an idea may rest on these where nothing else was seen."""
    ended = experiment.runs[run - 1]
    if ended.finished is None:
        return {}
    found = {
        workspace.campaign.bindings.metric: ended.reading,
        "wall_s": ended.finished.wall_s, "memory_gb": ended.finished.memory_gb,
    }  # fmt: skip
    return {key: value for key, value in found.items() if value is not None}


def _before(workspace: Workspace, experiment: Experiment) -> Mapping[str, float]:
    base = workspace.campaign.experiments.get(experiment.started.base or 0)
    run = measured(base) if base is not None and base.number != experiment.number else None
    if base is None or run is None:
        return {}
    kept = page.read_summary(workspace.store.paths.run_results(base.number, run.number))
    return kept or _analysed(workspace, base, run.number).summary


def measured(experiment: Experiment) -> Run | None:
    """The run that an experiment is analysed by: its first with a reading, else its last."""
    own = [run for run in experiment.attempt if run.started.purpose != "warmup"]
    read = [run for run in own if run.reading is not None]
    return read[0] if read else own[-1] if own else None


def analyze(workspace: Workspace, number: int) -> Answer:
    """The most unusual first, with a picture beside the tables.

    Raises:
        Refused: there is no such experiment, or it has not run to an end.
    """
    experiment = workspace.campaign.experiments.get(number)
    if experiment is None:
        raise Refused(
            "no experiment", f"there is no experiment {number}", next_step="`agent-loops history`"
        )
    run = measured(experiment)
    if run is None or run.finished is None:
        raise Refused(
            "running", f"experiment {number} has not run to an end",
            next_step="`agent-loops wait`",
        )  # fmt: skip
    try:
        insight = write(workspace, experiment, run.number)
    except NoResult as problem:
        raise Refused(
            "results", f"the results of #{number}: {problem}", next_step="move it away, try again"
        ) from None
    results = workspace.store.paths.run_results(number, run.number)
    if not workspace.campaign.bindings.is_probed:
        note = "the probe is off: `probe: auto` in loop.run.yaml looks inside PyTorch trainings"
        insight = insight._replace(page=insight.page._replace(notes=(note,)))
    picture = _draw(workspace, experiment, run.number)
    folder = workspace.shown(results)
    lines = [f"#{number}: {experiment.started.description}"]
    lines += page.shown(insight.page, insight.before, folder)
    values = {
        "experiment": number, "run": run.number, "results": folder, "picture": picture,
        "findings": page.items(insight.page, insight.before),
        "summary": dict(insight.page.summary), "before": dict(insight.before),
        "notes": list(insight.page.notes),
    }  # fmt: skip
    return Answer(values, lines)


def _draw(workspace: Workspace, experiment: Experiment, run: int) -> str:
    """The picture's place, from the project's root."""
    from agent_loops.insight import pictures, samples

    paths = workspace.store.paths
    base = workspace.campaign.experiments.get(experiment.started.base or 0)
    other = measured(base) if base is not None and base.number != experiment.number else None
    before = None
    if base is not None and other is not None:
        before = samples.read(paths.run_results(base.number, other.number))
    place = paths.run_results(experiment.number, run) / "findings.png"
    title = f"#{experiment.number}: {experiment.started.description}"
    pictures.draw(samples.read(place.parent), place, title=title, before=before)
    return workspace.shown(place)
