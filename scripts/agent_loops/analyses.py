"""Runs the scripts of an analysis plan, each under a limit, and says what came of the plan.

Changes no verdict: that stands before the first script begins. What a script computes is the
agent's word.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from agent_loops import (
    display,
    environment,
    events,
    figures,
    files,
    integrity,
    launching,
    plans,
    predictions,
    result_files,
    results,
    stamps,
    steps,
)
from agent_loops.errors import AgentLoopsError
from agent_loops.experiments import ANALYSIS, Experiment
from agent_loops.journal import Guard
from agent_loops.plans import Row
from agent_loops.predictions import Outcome
from agent_loops.result_files import NoResult
from agent_loops.snapshots import SnapshotError
from agent_loops.state import Campaign
from agent_loops.supervisor import RunEnd, RunSpec
from agent_loops.workspace import Workspace

_LOG_BYTES = 64 << 20
_REASON = 200
_FINDING = 120
_NOTES = 200
_PLAIN_PYTHON = r"(?:.*/)?python[\d.]*"


def start(workspace: Workspace) -> None:
    """Starts the script that is due. The journal names it before it begins."""
    campaign, paths = workspace.campaign, workspace.store.paths
    assert campaign.analysing is not None
    experiment = campaign.experiments[campaign.analysing[0]]
    script = steps.next_script(campaign)
    assert script is not None
    folder = paths.experiment(experiment.number)
    log = paths.script_log(experiment.number, script)
    for row in plans.rows_of(experiment.plan):
        if row.script == script:  # what an earlier run of it left does not pass for this one's
            result_files.remove(folder, row.output.partition(":")[0])
    result_files.remove(folder, ANALYSIS)  # where an earlier script put a link in its place
    files.make_dir(folder / ANALYSIS)
    result_files.remove(folder, str(log.relative_to(folder)))
    integrity.Stamps(paths.stat_cache).begin_run()
    launching.launch(
        workspace, experiment,
        functools.partial(_spec, workspace, experiment, script, log),
        purpose=ANALYSIS, seed=_seed(experiment), script=script,
    )  # fmt: skip


def _seed(experiment: Experiment) -> int:
    return experiment.attempt[-1].started.seed if experiment.attempt else 1


def _spec(
    workspace: Workspace, experiment: Experiment, script: str, log: Path, marker: str, seal: str
) -> RunSpec:
    paths, bindings = workspace.store.paths, workspace.campaign.bindings
    folder, limit_s = paths.experiment(experiment.number), bindings.analysis_timeout_s
    guard = functools.cache(functools.partial(Guard, paths))

    def prepare(_: str) -> None:
        guard()

    def measure(end: RunEnd) -> dict[str, object]:
        record = guard().mend()
        passed = end.outcome.kind == "exited" and end.outcome.exit_code == 0 and not record
        secrets = display.secret_values(workspace.environ)
        reason = "" if passed else record or _failure(end, log, limit_s, secrets)
        return {"passed": passed, "crash_reason": reason}

    return RunSpec(
        command=f"cd {shlex.quote(str(folder))} && {python(bindings.run_cmd, workspace.root)} "
        f"{shlex.quote(script)}",
        workspace=workspace.root,
        log=log,
        receipt=paths.receipt(experiment.number, len(experiment.runs) + 1),
        run_lock=paths.run_lock,
        environment=_environment(workspace, experiment),
        marker=marker,
        timeout_s=limit_s,
        prelude=bindings.prelude,
        log_limit_bytes=_LOG_BYTES,
        prepare=prepare,
        measure=measure,
        seal=seal,
    )


def _environment(workspace: Workspace, experiment: Experiment) -> dict[str, str]:
    """A run's own, and what lets a script import the code as it was run, and find its outputs."""
    paths = workspace.store.paths
    environ = environment.for_runs(
        workspace.environ, bytecode=str(paths.analysis_bytecode), seed=_seed(experiment)
    )
    code = [str(paths.snapshot(experiment.number)), str(workspace.root)]
    path = os.pathsep.join([*code, *filter(None, [environ.get("PYTHONPATH", "")])])
    run = experiment.measured.number if experiment.measured else 1
    base = experiment.started.base or experiment.number
    return environ | {
        "PYTHONPATH": path,
        "MPLBACKEND": "Agg",
        "AGENT_LOOPS_RUN_DIR": str(paths.outputs(experiment.number, run)),
        "AGENT_LOOPS_LOG": str(paths.log(experiment.number, run)),
        "AGENT_LOOPS_BEFORE": str(paths.experiment(base)),
    }


def python(run_cmd: str, root: Path) -> str:
    """The shell's words for the Python that the training runs in, found behind the prelude."""
    try:
        words = shlex.split(run_cmd, comments=True)
    except ValueError:
        words = []
    at = next((n for n, word in enumerate(words) if re.fullmatch(_PLAIN_PYTHON, word)), None)
    if at is not None and not re.search(r"[;&|$`(\n]", run_cmd):
        head = words[: at + 1]  # `poetry run python`, `CUDA_VISIBLE_DEVICES=0 python`
        if "/" in head[-1]:
            head[-1] = str(root / head[-1])
        return " ".join(_quoted(word) for word in head)
    program = stamps.read_command(run_cmd).program
    if program == "uv":
        return f"uv run --project {shlex.quote(str(root))} python"
    if re.fullmatch(_PLAIN_PYTHON, program):
        return shlex.quote(str(root / program) if "/" in program else program)
    if program in ("", "sh"):
        return '"$(command -v python || command -v python3)"'
    beside = shlex.quote(str(root / program)) if "/" in program else shlex.quote(program)
    return f'"$(dirname "$(command -v {beside})")"/python'  # a launcher lies beside its Python


def _quoted(word: str) -> str:
    name, equals, value = word.partition("=")
    return f"{name}={shlex.quote(value)}" if equals and name.isidentifier() else shlex.quote(word)


def _failure(end: RunEnd, log: Path, limit_s: float, secrets: Sequence[str]) -> str:
    """Why a script did not pass, with the end of its log."""
    from agent_loops import tails  # in the supervisor, after the script

    outcome = end.outcome
    reasons = {
        "timed_out": f"ran past {limit_s:g} s (`analysis_timeout`) and was ended",
        "log_limit": f"printed more than {_LOG_BYTES >> 20} MiB",
        "signalled": f"ended by signal {outcome.signal}",
    }
    reason = reasons.get(outcome.kind, f"exit code {outcome.exit_code}")
    said = ""
    with contextlib.suppress(OSError), files.open_regular(log) as stream:
        said = tails.tail(stream, limit=_REASON, secrets=secrets).strip()
    return f"{reason}: {said}" if said else reason


def conclude(workspace: Workspace) -> None:
    """Records what the plan has and lacks, and what became of the predictions.

    The caller holds the lock. Files that a script changed outside its folder are told of.
    """
    campaign = workspace.campaign
    assert campaign.analysing is not None
    number, before = campaign.analysing
    experiment = campaign.experiments[number]
    folder = workspace.store.paths.experiment(number)
    failures = _failures(experiment, before)
    rows = plans.rows_of(experiment.plan)
    lacking = {row.dimension: why for row in rows if (why := _lack(folder, row, failures))}
    outcomes, touched = _outcomes(folder, experiment)
    outcomes = _by_the_mean(campaign, experiment, outcomes)
    held = sum(outcome.held is True for outcome in outcomes)
    told = [_top_finding(folder)]
    known = sum(outcome.held is not None for outcome in outcomes)
    told += [f"{held} of {known} predictions held"] if known else []
    workspace.store.append(
        events.Analysed(
            experiment=number,
            missing=tuple(display.clean(f"{name}: {why}", 2 * _REASON)
                          for name, why in lacking.items()),
            measured=tuple(row.dimension for row in rows if row.dimension not in lacking),
            predictions=predictions.in_words(outcomes),
            held=held,
            findings="; ".join(filter(None, told)),
            notes=(*touched, *_large(folder, rows), *_outside(workspace, experiment, before)),
        )
    )  # fmt: skip
    if experiment.settled:
        with contextlib.suppress(AgentLoopsError, OSError):
            results.rewrite(campaign, workspace.store.paths.results)
        workspace.store.write_derived()


def _failures(experiment: Experiment, before: int) -> dict[str, str]:
    """Why scripts failed, by name; of one that was run again, the last time."""
    found = {}
    for run in experiment.runs[before:]:
        if run.started.purpose == ANALYSIS and run.finished is not None:
            found[run.started.script] = run.finished.crash_reason
    return {script: why for script, why in found.items() if why}


def _lack(folder: Path, row: Row, failures: dict[str, str]) -> str:
    """Why a row has no answer; "" where it has one."""
    place = figures.place(row.output)
    if row.script in failures:
        return failures[row.script]
    try:
        result_files.size_of(folder, place.path)
        if place.key and not figures.at(
            result_files.read(folder, place.path), place.path, place.key
        ):
            return f"has no number at {place.key!r}"
    except NoResult as problem:
        hint = "" if row.script == plans.BUILT_IN else "; a script writes it from iter<N>/"
        return f"the file {problem}{hint}"
    return ""


def foretold(folder: Path, experiment: Experiment) -> str:
    """The SHA-256 of the results that the predictions are of; "" where they are of none."""
    found = []
    for text in experiment.started.predictions:
        with contextlib.suppress(ValueError):
            path = predictions.parse(text).place.path
            if not path.startswith(f"{ANALYSIS}/"):
                found.append(f"{path} {_digest(folder, path)}\n")
    return files.sha256("".join(found).encode()) if found else ""


def _digest(folder: Path, path: str) -> str:
    try:
        return files.sha256(result_files.read(folder, path))
    except NoResult:
        return ""  # nor may a script make it


def _outcomes(folder: Path, experiment: Experiment) -> tuple[list[Outcome], list[str]]:
    """What became of each prediction; and a note where what they are of was touched since."""
    before = experiment.decided.foretold if experiment.decided is not None else ""
    is_touched = bool(before) and foretold(folder, experiment) != before
    note = "results/ was changed since the verdict: what was predicted of it is unknown"
    found = []
    for text in experiment.started.predictions:
        try:
            prediction = predictions.parse(text)
        except ValueError:  # a record that an older version wrote
            found.append(Outcome(None, display.clean(text, _FINDING)))
            continue
        data = None
        with contextlib.suppress(NoResult):
            if prediction.place.path.startswith(f"{ANALYSIS}/") or not is_touched:
                data = result_files.read(folder, prediction.place.path)
        found.append(predictions.check(prediction, data))
    return found, [note] if is_touched else []


def _by_the_mean(
    campaign: Campaign, experiment: Experiment, outcomes: list[Outcome]
) -> list[Outcome]:
    """The metric is compared as it is judged, the mean of all readings; the file has one run's."""
    decided, metric = experiment.decided, f"results/summary.json:{campaign.bindings.metric}"
    if decided is None or decided.metric is None:
        return outcomes
    found = []
    for text, outcome in zip(experiment.started.predictions, outcomes, strict=True):
        if outcome.held is not None:
            prediction = predictions.parse(text)
            if str(prediction.place) == metric:
                outcome = predictions.compared(prediction, decided.metric)
        found.append(outcome)
    return found


def _large(folder: Path, rows: Sequence[Row]) -> list[str]:
    notes = []
    for path in dict.fromkeys(row.output.partition(":")[0] for row in rows):
        try:
            size = result_files.size_of(folder, path)
        except NoResult:
            continue
        if size > result_files.MOST_BYTES:
            notes.append(f"{path} is {size >> 20} MiB: write less, it is read as a whole")
    return notes


def _top_finding(folder: Path) -> str:
    """The first finding of the diagnostics in one line; "" where there is none to read."""
    try:
        found = files.load_json(result_files.read(folder, "results/findings.json"))
        first = found[0]
        means = str(first.get("means", ""))
        value = first.get("value")
        shown = figures.shown(value) if type(value) in (int, float) else ""
    except (NoResult, ValueError, LookupError, TypeError, AttributeError, OverflowError,
            RecursionError):  # fmt: skip
        return ""
    said = f"{first.get('key', '')} {shown}".strip()
    return display.clean(f"{said}: {means}" if means else said, _FINDING)


def _outside(workspace: Workspace, experiment: Experiment, before: int) -> list[str]:
    """What scripts wrote where they should not: editable files are put back, others named."""
    if not any(run.started.purpose == ANALYSIS for run in experiment.runs[before:]):
        return []
    notes = []
    if not experiment.settled and not experiment.references:
        try:
            tree = workspace.saved(experiment.number)
        except SnapshotError as damaged:
            notes.append(f"{damaged}; the editable files stay as they are")
        else:
            workspace.put(tree, known=(), number=experiment.number)
    changes = integrity.check(
        workspace.harness(), workspace.scope(), integrity.Stamps(workspace.store.paths.stat_cache)
    )
    if not changes:
        return notes
    where = display.clean(changes.describe(), _NOTES)
    return [*notes, f"written outside iter{experiment.number}/ meanwhile: {where}"]
