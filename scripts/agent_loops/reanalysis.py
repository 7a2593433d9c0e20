"""Runs an experiment's analysis once more, its scripts and plan mended; and shows how it stands.

Starts no training and changes no verdict.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent_loops import (
    answers,
    campaigns,
    decide,
    display,
    edits,
    events,
    figures,
    gates,
    grounding,
    insights,
    plans,
    result_files,
    trying,
)
from agent_loops.answers import Answer
from agent_loops.errors import AgentLoopsError, Refused, UsageError
from agent_loops.experiments import Experiment
from agent_loops.loop import Loop
from agent_loops.result_files import NoResult
from agent_loops.state import Campaign

_SHOWN = 300
_MOST_FILES = 12


def run_again(run: Loop, number: int | None, *, edit: str | None, wait_s: float | None) -> Answer:
    """The scripts of an experiment's plan, each again; `edit` mends them or the plan before that.

    Raises:
        Refused: nothing was run; the reason and the next command.
        UsageError: the campaign is of another loop.
    """
    deadline = trying.deadline_after(wait_s)
    trying.take_up_what_ended(run)
    with run.store.locked() as campaign:
        experiment = _experiment(campaign, number)
        gates.refuse_switched_off(campaign)
        gates.refuse_other_session(run.workspace, campaign)
        trying.refuse_under_way(run.workspace, campaign)
        plan = _mended(run, experiment, edit) if edit is not None else ()
        if not (plan or experiment.plan):
            raise Refused(
                "plan", f"#{experiment.number} has no analysis plan",
                next_step=f"`agent-loops analyze --run {experiment.number} --edit -` with "
                f"{grounding.PLAN}: {plans.EXAMPLE}",
            )  # fmt: skip
        run.store.append(events.AnalysisStarted(experiment=experiment.number, plan=plan))
    run.advance(deadline=deadline)
    run.store.refresh()
    if run.campaign.analysing is not None:
        return run.answer_last()
    return show(run, experiment.number, notes=_frozen_limit(run))


def _frozen_limit(run: Loop) -> list[str]:
    """That a changed `analysis_timeout` does not hold yet; nothing where it was not changed."""
    project, frozen = run.store.project, run.campaign.bindings.analysis_timeout_s
    if campaigns.bindings_file_digest(project) == run.campaign.bindings_file:
        return []
    with contextlib.suppress(AgentLoopsError):
        if campaigns.present_bindings(project, run.campaign).analysis_timeout_s != frozen:
            note = f"analysis_timeout was {frozen:g} s, as frozen: loop.run.yaml holds again after"
            return [f"{note} `agent-loops rebaseline --why …`"]
    return []


def look(run: Loop, number: int | None) -> Answer:
    """What happened inside a run; where there is an analysis plan, how it stands."""
    if not run.campaign.analysis_first:
        return insights.analyze(run.workspace, number or len(run.campaign.experiments))
    experiment = _experiment(run.campaign, number)
    if not experiment.plan:
        return insights.analyze(run.workspace, experiment.number)
    stands = show(run, experiment.number)
    below = answers.fitting(stands.lines, answers.MOST_BYTES // 2)
    room = answers.MOST_BYTES - answers.size(below)
    found = insights.analyze(run.workspace, experiment.number, most_bytes=room)
    notes = [*found.values["notes"], *stands.values["notes"]]
    return Answer({**found.values, **stands.values, "notes": notes}, [*found.lines, *below])


def _experiment(campaign: Campaign, number: int | None) -> Experiment:
    """The experiment of that number; without one what is unfinished, else the last."""
    if not campaign.analysis_first:
        raise UsageError(
            f"analyze belongs to `loop: ml-autoresearch`, and this campaign is `loop: "
            f"{campaign.bindings.loop}`: `agent-loops show N` shows one experiment"
        )
    number = number or campaign.unanalysed or len(campaign.experiments)
    experiment = campaign.experiments.get(number)
    if experiment is None:
        raise gates.no_experiment(campaign, number)
    if experiment.verdict in ("", decide.CRASH) or experiment.last_reading is None:
        next_step = "`agent-loops wait` for its verdict"
        if experiment.verdict:
            next_step = (
                f"`agent-loops show {number}` names its log, `agent-loops checkout {number}` "
                "brings its code back to be mended"
            )
        raise Refused(
            "no reading", f"#{number} has no reading, and so no results to analyse",
            next_step=next_step,
        )  # fmt: skip
    return experiment


def _mended(run: Loop, experiment: Experiment, edit: str) -> tuple[str, ...]:
    """Writes what the edit makes of the plan and the scripts; the new plan's rows, if it changed.

    Everything is checked before anything is written.
    """
    folder = run.store.paths.experiment(experiment.number)
    try:
        made = _made(folder, edit)
    except Refused as error:
        again = f"agent-loops analyze --run {experiment.number} --edit -"
        raise Refused(
            error.kind, error.reason, files=error.files, next_step=f"correct it and call `{again}`"
        ) from None
    plan = grounding.rows_of(made[grounding.PLAN]) if grounding.PLAN in made else ()
    for script in plans.scripts(plan or plans.rows_of(experiment.plan)):
        if script not in made and script not in result_files.names(folder):
            raise grounding.lacks(script)
    grounding.write(made, folder)
    return tuple(map(str, plan))


def _made(folder: Path, edit: str) -> dict[str, bytes]:
    """What the edit makes of the files in an experiment's folder."""
    blocks = edits.parse(edit)
    present = {}
    for path in {block.path for block in blocks}:
        try:
            present[path] = result_files.read(folder, path)
        except NoResult:
            continue
    # An empty search replaces the whole of a file that is there.
    whole = {block.path for block in blocks if not block.search}
    kept = {path: data for path, data in present.items() if path not in whole}
    return grounding.written(blocks, kept)


def _answers(folder: Path, rows: Sequence[plans.Row]) -> list[str]:
    """The numbers that the plan's own scripts were to find, as the files have them."""
    found = []
    for row in rows:
        place = figures.place(row.output)
        if row.script == plans.BUILT_IN or not place.key:
            continue
        with contextlib.suppress(NoResult):
            values = figures.at(result_files.read(folder, place.path), place.path, place.key)
            found += [f"{place} = {figures.shown(values[-1])}"] if values else []
    return [display.cut("; ".join(found), _SHOWN)] if found else []


def show(run: Loop, number: int | None, *, notes: Sequence[str] = ()) -> Answer:
    """How an experiment's analysis stands: its rows, its predictions, its files."""
    experiment = _experiment(run.campaign, number)
    folder = run.store.paths.experiment(experiment.number)
    analysed = experiment.analysed or events.Analysed(experiment.number)
    rows = plans.rows_of(experiment.plan)
    notes = [*notes, *analysed.notes]
    names = result_files.names(folder)
    own = grounding.mend(experiment.number) if analysed.missing else ""
    next_step = own or run.next_after(experiment)
    values: dict[str, Any] = {
        "schema": answers.SCHEMA,
        "experiment": experiment.number,
        "status": experiment.verdict,
        "plan": [{**row._asdict(), "answered": row.dimension in analysed.measured} for row in rows],
        "missing": list(analysed.missing),
        "predictions": analysed.predictions,
        "held": analysed.held,
        "analysis_summary": analysed.findings,
        "anchors": list(experiment.started.anchors),
        "folder": run.workspace.shown(folder),
        "files": names,
        "notes": notes,
        "next": next_step,
    }
    answered = sum(row["answered"] for row in values["plan"])
    written = [name for name in names if name.startswith(grounding.FOLDER)]
    listed = ", ".join(display.clean(name, 60) for name in ["results/", *written[:_MOST_FILES]])
    listed += f" and {len(written) - _MOST_FILES} more" if written[_MOST_FILES:] else ""
    lines = [
        f"#{experiment.number} {experiment.verdict}  {answered} of {len(rows)} rows answered",
        f"lacks {display.cut(plans.lacking(analysed.missing, len(rows)), _SHOWN)}"
        if analysed.missing
        else "",
        f"predictions {display.cut(analysed.predictions, _SHOWN)}" if analysed.predictions else "",
        *_answers(folder, rows),
        f"summary {analysed.findings}" if analysed.findings else "",
        f"note: {display.cut('; '.join(notes), _SHOWN)}" if notes else "",
        f"files in {values['folder']}: {listed}" if names else "",
        f"next: {next_step}" if next_step else "",
    ]
    return Answer(values, lines)
