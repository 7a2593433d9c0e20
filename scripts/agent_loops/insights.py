"""What happened inside an experiment's run: written beside its results, and answered.

Runs and decides nothing. May be done again at any time: it is worked out from files that stay.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

from agent_loops import answers, display, files
from agent_loops.answers import Answer
from agent_loops.errors import AgentLoopsError, Refused
from agent_loops.experiments import Experiment, Run
from agent_loops.insight import page, samples
from agent_loops.insight.page import Page
from agent_loops.insight.samples import Samples
from agent_loops.progress import recorded
from agent_loops.result_files import NoResult
from agent_loops.workspace import Workspace


class Seen:
    """The run that an experiment is analysed by; its samples are read once, if at all."""

    def __init__(self, workspace: Workspace, experiment: Experiment, run: Run) -> None:
        self.workspace, self.experiment, self.run = workspace, experiment, run
        self.results = workspace.store.paths.results_of(experiment.number)

    @functools.cached_property
    def samples(self) -> Samples:
        return samples.read(self.results)


class Insight(NamedTuple):
    """The analysis of one run; `before` are the figures of what the experiment was built on, whose
    run is `base`."""

    page: Page
    before: Mapping[str, float]
    base: Seen | None


def keep(workspace: Workspace, experiment: Experiment) -> None:
    """Writes what the experiment's run shows, if it has a reading.

    It is derived, from whatever a training left: where it cannot be worked out that is told, and
    the verdict stands. The caller holds the lock: what a kill left of an earlier try goes.
    """
    run = measured(experiment)
    if run is not None and run.reading is not None:
        seen = Seen(workspace, experiment, run)
        try:
            write(seen)  # first: it refuses where the folder is a link
            for leftover in files.leftovers(seen.results):
                leftover.unlink()
        except Exception as problem:  # noqa: BLE001
            workspace.told.append(f"the results of #{experiment.number}: {_said(problem)}")


def _said(problem: Exception) -> str:
    known = isinstance(problem, (AgentLoopsError, NoResult))
    return display.clean(str(problem) if known else f"{type(problem).__name__}: {problem}", 200)


def write(seen: Seen) -> Insight:
    """Works out what a run shows, and writes it to its results' folder."""
    made, base = _analysed(seen), _base(seen)
    before = _figures(base) if base is not None else {}
    is_probed = seen.workspace.campaign.bindings.is_probed
    if is_probed or not (seen.results / page.SUMMARY).exists():
        page.write(seen.results, made, before)  # else the training left results of its own
    return Insight(made, before, base)


def _analysed(seen: Seen) -> Page:
    workspace, number, run = seen.workspace, seen.experiment.number, seen.run.number
    found = recorded(workspace, number, run)
    outputs = workspace.store.paths.outputs(number, run)
    made = page.analyse(
        seen.samples, progress=found[0] if found else None,
        metric=workspace.campaign.bindings.metric, outputs=outputs if outputs.is_dir() else None,
    )  # fmt: skip
    return made._replace(summary={**made.summary, **_measured(seen)})


def _measured(seen: Seen) -> dict[str, float]:
    """What the receipt says of the run: an idea may rest on these where nothing else was seen."""
    ended = seen.run
    if ended.finished is None:
        return {}
    found = {
        seen.workspace.campaign.bindings.metric: ended.reading,
        "wall_s": ended.finished.wall_s, "memory_gb": ended.finished.memory_gb,
    }  # fmt: skip
    return {key: value for key, value in found.items() if value is not None}


def _base(seen: Seen) -> Seen | None:
    """The run of what the experiment was built on."""
    base = seen.workspace.campaign.experiments.get(seen.experiment.started.base or 0)
    if base is None or base.number == seen.experiment.number:
        return None
    run = measured(base)
    return Seen(seen.workspace, base, run) if run is not None else None


def _figures(base: Seen) -> Mapping[str, float]:
    return page.read_summary(base.results) or _analysed(base).summary


def measured(experiment: Experiment) -> Run | None:
    """The run that an experiment is analysed by."""
    return experiment.measured


def analyze(workspace: Workspace, number: int, *, most_bytes: int = answers.MOST_BYTES) -> Answer:
    """The most unusual first, as many as there is room for, with a picture beside the tables.

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
    seen = Seen(workspace, experiment, run)
    title = f"#{number}: {experiment.started.description}"
    try:
        insight = write(seen)
        picture = _draw(seen, insight.base, title)
    except Exception as problem:  # whatever a training left
        raise Refused(
            "results",
            f"the results of #{number}: {_said(problem)}",
            next_step=f"move what is odd out of {workspace.shown(seen.results)}, try again",
        ) from problem
    if not workspace.campaign.bindings.is_probed:
        note = "the probe is off: `probe: auto` in loop.run.yaml looks inside PyTorch trainings"
        insight = insight._replace(page=insight.page._replace(notes=(note,)))
    folder = workspace.shown(seen.results)
    lines = _with_room([title, *page.shown(insight.page, insight.before, folder)], most_bytes)
    values = {
        "experiment": number, "run": run.number, "results": folder, "picture": picture,
        "findings": page.items(insight.page, insight.before),
        "summary": dict(insight.page.summary), "before": dict(insight.before),
        "notes": list(insight.page.notes),
    }  # fmt: skip
    return Answer(values, lines)


def _with_room(lines: list[str], most_bytes: int) -> list[str]:
    """The two lines of the head, and of the others as many as fit."""
    lines = [*answers.fitting(lines[:2], most_bytes // 2), *lines[2:]]
    while answers.size(lines) > most_bytes and len(lines) > 2:
        lines.pop()
    return lines


def _draw(seen: Seen, base: Seen | None, title: str) -> str:
    """The picture's place, from the project's root."""
    from agent_loops.insight import pictures

    place = seen.results / "findings.png"
    before = base.samples if base is not None else None
    pictures.draw(seen.samples, place, title=title, before=before)
    return seen.workspace.shown(place)
