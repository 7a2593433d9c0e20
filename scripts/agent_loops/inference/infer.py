"""Reads a project and proposes every binding, each with its evidence and how sure it is.

Runs nothing and believes no text: what a project says is compared with what its code does. Where
it is unsure it says so, asks which, or asks one question.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from agent_loops.inference import (
    benches,
    cautions,
    commanding,
    contenders,
    dependencies,
    entrypoints,
    evaluations,
    makefiles,
    measures,
    other_findings,
    recipes,
    withheld,
)
from agent_loops.inference import survey as surveys
from agent_loops.inference.cautions import Caution
from agent_loops.inference.contenders import Contender, Papers
from agent_loops.inference.entrypoints import Entry
from agent_loops.inference.evaluations import Evaluation
from agent_loops.inference.findings import Confidence, Finding, Value
from agent_loops.inference.survey import Survey

_LOWER: dict[Confidence, Confidence] = {"high": "medium", "medium": "low", "low": "low"}


def infer(root: Path) -> Finding:
    """Reads the project in `root`."""
    survey = surveys.of(root)
    papers = _papers(survey)
    commands = recipes.documented(survey)
    entries = entrypoints.ranked(survey, commands, papers)
    bench = benches.find(survey)
    trained = [entry for entry in entries if _trains(entry)]
    if trained and not (bench and trained[0].score < 9):
        finding = _of_training(survey, trained, commands, papers)
    elif bench:
        finding = other_findings.of_bench(survey, bench, commands)
    elif printing := [entry for entry in entries if _prints(entry)]:
        finding = _of_training(survey, printing, commands, papers)
        _doubt(finding)
    elif target := makefiles.find(survey):
        finding = other_findings.of_makefile(survey, target)
    else:
        finding = other_findings.of_nothing(survey, entries, commands)
    _common(survey, finding)
    withheld.from_finding(finding)
    return finding


def _papers(survey: Survey) -> Papers:
    readme = "\n".join(survey.text(path) for path in surveys.readmes(survey)[:8])
    return Papers(readme.lower()[:200_000], survey.text("program.md").lower())


def _trains(entry: Entry) -> bool:
    """Whether a program is worth proposing: it trains, or prints a plain measure of quality."""
    best = entry.best
    if best is not None and best.speed and "trains" not in entry.reasons:
        return False
    return entry.score > 5 and ((best is not None and best.score > -4) or "trains" in entry.reasons)


def _prints(entry: Entry) -> bool:
    """Whether a program that trains nothing prints a figure that could be a goal all the same."""
    best = entry.best
    if best is None or best.source == "none-yet":
        return False
    return best.score >= 7 or (
        best.speed and best.score >= 2.5 and bool(entry.commands) and entry.score > 2
    )


def _doubt(finding: Finding) -> None:
    """Nothing here trains: what was found is only a suggestion."""
    finding.bindings = {
        k: Value(
            v.value, v.evidence, "low" if k not in ("iter_strategy", "program") else v.confidence
        )
        for k, v in finding.bindings.items()
    }
    if finding.answer == "bindings":
        finding.answer = "question"
        finding.question = "nothing here trains; is this figure the goal?"


# --- training -----------------------------------------------------------------------------------


def _of_training(
    survey: Survey, entries: Sequence[Entry], commands: Sequence[recipes.Command], papers: Papers
) -> Finding:
    first = entries[0]
    rivals = [entry for entry in entries[1:8] if entrypoints.alike(survey, first, entry)]
    others = [entry for entry in entries[1:] if "trains" in entry.reasons]
    if not rivals and not first.commands and len(others) > 2:
        rivals = others[:6]  # nothing says which of many is meant
    told = bool(papers.program) and any(c.path == "program.md" for c in first.commands)
    if told:
        rivals = []
    finding = Finding("which" if rivals else "bindings")
    sure: Confidence = "high" if not rivals and first.commands else "medium"
    given, one_of_several = commanding.given_configs(survey, first)
    files = (
        dependencies.closure(survey, first.script, given)
        if first.script.endswith(".py")
        else [first.script]
    )
    facts = commanding.gather(survey, first, files, commands)
    run = facts.run
    _metric(finding, first, run.text, told=told)
    _evaluated(finding, first, evaluations.find(survey, first.script, commands, papers))
    finding.bindings["run_cmd"] = Value(
        run.text, run.evidence, sure if run.documented else "medium" if not rivals else "low"
    )
    if facts.prelude:
        finding.bindings["prelude"] = Value(*facts.prelude, "medium")
    division = measures.divide(survey, first.script, files)
    if not division.sure and not any(measures.builds(survey, p) for p in division.editable):
        settings = commanding.settings_files(survey, first.script, files)
        division = measures.by_settings(division, settings, first.script)
    editable = list(division.editable)
    _scope(finding, survey, division, editable)
    if one_of_several and (scope := finding.bindings.get("editable_files")):
        why = (
            f"{scope.evidence}; as {given[0] if given else 'the plain command'} has it, of several"
        )
        finding.bindings["editable_files"] = Value(scope.value, why, "low")
    _limits(finding, facts)
    _program(finding, survey)
    _ask(finding, first, rivals, commanding.open_places(run.text))
    _warn(finding, survey, first, files, facts, editable, commands)
    return finding


def _ask(finding: Finding, first: Entry, rivals: Sequence[Entry], opened: Sequence[str]) -> None:
    """What only the person can say: which program, what to fill in, which number."""
    if rivals:
        finding.choices = [_choice(entry) for entry in (first, *rivals)]
        finding.question = "which program is the run? The bindings below are for the first"
        kept = ("program", "iter_strategy", "prelude")
        finding.bindings = {
            key: Value(v.value, v.evidence, _LOWER[v.confidence] if key in kept else "low")
            for key, v in finding.bindings.items()
        }
        return
    if "eval_cmd" in finding.bindings:
        finding.answer = "question"
        finding.question = (
            "the run prints no metric; which of its checkpoints should eval_cmd measure?"
        )
    elif _tells_nothing(first):
        finding.answer = "question"
        finding.question = (
            "which number says how good a run is? Nothing that reaches the log or a file was found"
        )
    if opened:
        run = finding.bindings["run_cmd"]
        finding.bindings["run_cmd"] = Value(run.value, run.evidence, "low")
        finding.answer = "question"
        finding.question = finding.question or (
            f"what stands for {', '.join(opened[:3])} in the command?"
        )


def _choice(entry: Entry) -> str:
    best = f"  {entry.best.name} ({entry.best.direction.value})" if entry.best else ""
    return f"{entry.script}{best}"


def _metric(finding: Finding, first: Entry, run: str, *, told: bool) -> None:
    best = first.best
    if best is None:
        finding.missing.append(
            "metric: no number that says how good a run is was found in what the "
            "script prints or writes"
        )
        return
    best = _prefer(first.found)
    close = [
        c
        for c in first.found
        if c is not best and c.score > best.score - 2.5 and c.name != best.name
    ]
    plain = best.split in ("val", "test") and best.score >= 10 and best.source != "none-yet"
    if best.speed and best.score < 4:
        finding.missing.append("metric: only speeds and times are printed")
    monitored = [c for c in first.found if c.output.tool == contenders.MONITOR]
    doubtful = (
        best.speed or any(_tied(best, c) for c in close) or (bool(monitored) and not best.picked)
    )
    level: Confidence = (
        "low"
        if doubtful
        else "high"
        if told or (plain and not any(_rival(best, c) for c in close))
        else "medium"
        if plain or (best.score >= 8 and best.source != "none-yet")
        else "low"
    )
    finding.bindings["metric"] = Value(best.name, best.evidence, level)
    way: Confidence = level if best.sure_direction else "low"
    finding.bindings["metric_direction"] = Value(
        best.direction.value,
        _why_direction(best),
        "high" if best.sure_direction and level == "high" else way,
    )
    finding.metric_source, finding.example = best.source, best.example
    if best.pattern:
        finding.bindings["metric_pattern"] = Value(
            best.pattern,
            f"the name alone would not read, or would read another of, e.g. {best.example!r}",
            "medium",
        )
    if best.source == "file":
        name = (
            best.file.rsplit("/", 1)[-1]
            if best.file
            else f"*.{'csv' if best.output.tool == 'csv' else 'json'}"
        )
        folder = "{run_dir}/**" if "{run_dir}" in run else "**"
        finding.bindings["metric_file"] = Value(
            f"{folder}/{re.sub(r'[{][^}]*[}]', '*', name)}",
            best.evidence,
            "medium" if best.file else "low",
        )
        if best.key:
            finding.bindings["metric_key"] = Value(
                best.key, best.evidence, "medium" if best.file else "low"
            )
    if best.picked and contenders.told_as_best(best, first.found):
        finding.bindings["metric_pick"] = Value(
            "best", "the program picks its best model by it, and reports that one", "medium"
        )
    if parts := contenders.printed_for_each(best):
        finding.bindings["metric_reduce"] = Value(
            "mean", f"one is printed for each {parts}: {best.place}", "medium"
        )
    finding.runners_up = [f"{c.name} ({c.direction.value}) {c.place}" for c in close[:4]]


def _evaluated(finding: Finding, first: Entry, apart: Evaluation | None) -> None:
    """A program that measures apart: the only source where the run tells nothing itself."""
    if apart is None:
        return
    why = f"{apart.place} shows it, and it measures in a process of its own"
    if not _tells_nothing(first):
        finding.notes.append(
            f"{why}: as eval_cmd it would make {apart.metric.name} the metric: {apart.text}"
        )
        return
    best = apart.metric
    for key in ("metric_file", "metric_key", "metric_pattern"):
        finding.bindings.pop(key, None)
    finding.bindings["metric"] = Value(best.name, best.evidence, "low")
    finding.bindings["metric_direction"] = Value(best.direction.value, _why_direction(best), "low")
    if best.pattern:
        finding.bindings["metric_pattern"] = Value(best.pattern, f"e.g. {best.example!r}", "low")
    finding.bindings["eval_cmd"] = Value(apart.text, why, "low")
    finding.metric_source, finding.example, finding.missing = "log", best.example, []


def _tells_nothing(entry: Entry) -> bool:
    """Whether nothing that a program puts out says how good its run was."""
    best = entry.best
    return best is None or (best.source == "none-yet" and best.score < 4)


def _rival(best: Contender, other: Contender) -> bool:
    """Whether another number of the same standing makes the choice a matter of taste."""
    return (
        other.source == best.source
        and other.score >= best.score - 0.6
        and other.direction is not best.direction
    )


def _tied(best: Contender, other: Contender) -> bool:
    """Whether two numbers pull in different directions and nothing tells which is meant."""
    return (
        other.source == best.source
        and other.score >= best.score - 0.15
        and other.direction is not best.direction
    )


def _prefer(found: Sequence[Contender]) -> Contender:
    """The best; among equals one with digits enough, and the plainest."""
    best = found[0]
    same = [c for c in found[:8] if abs(c.score - best.score) < 0.31 and c.source == best.source]
    return (
        max(same, key=lambda c: (c.score, (c.digits if c.digits is not None else 5) >= 3))
        if same
        else best
    )


def _why_direction(best: Contender) -> str:
    return (
        f"{'lower' if best.direction.value == 'minimize' else 'higher'} is better by its name"
        if best.sure_direction
        else "a guess from its name: please confirm"
    )


def _scope(
    finding: Finding, survey: Survey, division: measures.Division, editable: list[str]
) -> None:
    if not editable:
        finding.missing.append(
            "editable_files: every file that was found is marked as not to be changed"
        )
        return
    why = "; ".join(dict.fromkeys(division.editable.values()))
    level: Confidence = "high" if division.sure or len(editable) == 1 else "medium"
    if not division.sure and not any(measures.builds(survey, path) for path in editable):
        level, why = "low", f"{why}; but no model and no training is seen in it"
    finding.bindings["editable_files"] = Value(editable, why, level)
    readonly = [p for p in division.harness if not p.endswith("__init__.py")][:12]
    if readonly:
        finding.bindings["readonly_files"] = Value(
            readonly,
            f"{readonly[0]}: {division.harness[readonly[0]]}",
            "high" if division.sure else "medium",
        )
    locked = measures.locked_in(survey, editable)
    if locked:
        finding.bindings["locked"] = Value([name for name, _ in locked], locked[0][1], "medium")


def _limits(finding: Finding, facts: commanding.Facts) -> None:
    bound = facts.bound
    finding.budget = bound.evidence
    finding.seed = facts.seed.describe()
    finding.outputs = list(facts.written)
    if built := re.search(r"&& \./(\w+)", facts.run.text):
        finding.outputs.append(built[1])
        finding.warnings.append(
            Caution(
                "build", "compiled: the build must be part of run_cmd, else an edit has no effect"
            )
        )
    if bound.kind == "time":
        minutes = bound.amount / 60
        text = f"{minutes:g} min" if minutes >= 1 else f"{bound.amount:g} s"
        finding.bindings["budget"] = Value(text, bound.evidence, "high")
        if facts.timeout_minutes:
            finding.bindings["timeout_minutes"] = Value(
                facts.timeout_minutes, facts.timeout_why, "medium"
            )
        return
    if bound.kind == "epochs" and facts.run.epochs:
        finding.bindings["budget"] = Value(f"{facts.run.epochs:g} epochs", bound.evidence, "medium")
    else:
        finding.bindings["budget"] = Value(
            "none", bound.evidence, "medium" if bound.kind != "none" else "low"
        )
    minutes, why = (
        (facts.timeout_minutes, facts.timeout_why)
        if facts.timeout_minutes
        else (60, "a guess: nothing says how long a run takes; measure one")
    )
    finding.bindings["timeout_minutes"] = Value(minutes, why, "low")


def _program(finding: Finding, survey: Survey) -> None:
    if "program.md" in survey:
        finding.bindings["program"] = Value(
            "program.md",
            "program.md holds the person's goals and hints; its protocol is superseded",
            "high",
        )


def _warn(
    finding: Finding,
    survey: Survey,
    first: Entry,
    files: Sequence[str],
    facts: commanding.Facts,
    editable: Sequence[str],
    commands: Sequence[recipes.Command],
) -> None:
    text = "\n".join(survey.text(path) for path in files[:40])
    own = [c for c in commands if c.script == first.script or not c.script]
    locked = finding.value("locked") or []
    if first.best is not None:
        finding.warnings += cautions.about_metric(
            _prefer(first.found), first.found, editable, locked, survey.text(first.script)
        )
    finding.warnings += cautions.about_seed(facts.seed, given="{seed}" in facts.run.text)
    finding.warnings += cautions.about_outputs(
        facts.written,
        text,
        pinned="{run_dir}" in facts.run.text,
        configs=facts.configs,
        saved=cautions.where_it_saves(survey, first.script, files[:40]),
    )
    if opened := commanding.open_places(facts.run.text):
        finding.warnings.append(
            Caution(
                "data first",
                f"data, checkpoint and output paths must be given: {', '.join(opened[:3])}",
            )
        )
    finding.warnings += cautions.about_command(facts.run.text, own, survey, text)
    finding.warnings += cautions.about_bound(facts.bound, survey, pinned=facts.run.pinned)
    finding.warnings += cautions.about_data(commands, first.script, text)
    finding.warnings += facts.warnings
    cleanup = next((c for c in finding.warnings if c.cleanup), None)
    if cleanup and re.search(r"\b(?:sbatch|srun|docker|podman|ssh)\b", facts.run.text):
        finding.bindings["cleanup_cmd"] = Value(cleanup.cleanup, cleanup.text, "low")


def _common(survey: Survey, finding: Finding) -> None:
    if finding.answer != "nothing":
        if survey.git and survey.clean:
            finding.bindings["iter_strategy"] = Value(
                "branches", "git is there and clean: one commit an experiment", "medium"
            )
        else:
            finding.bindings["iter_strategy"] = Value(
                "snapshots",
                "no git here" if not survey.git else "git has uncommitted changes",
                "medium",
            )
    if survey.cut:
        finding.notes.append(f"more files than were looked at; {len(survey.files)} were")
    if survey.passed_over:
        finding.notes.append(
            f"{len(survey.passed_over)} files are binary, unreadable or too large "
            f"and were passed over"
        )
    _name_programs_as_they_are_here(finding)
    finding.warnings += cautions.about_programs(
        str(finding.value("run_cmd") or ""), prelude=bool(finding.value("prelude"))
    )
    seen: dict[str, Caution] = {}
    for caution in finding.warnings:
        seen.setdefault(f"{caution.kind} {caution.text[:40]}", caution)
    finding.warnings = list(seen.values())


_UV_RUN = re.compile(
    r"(^|(?:&&|;)\s*)uv run(?:\s+--(?:group|extra|with|python|package)[= ]\S+|\s+--[\w-]+)*"
    r"\s+(?=(?P<word>pytest|python3?|\S+\.py)(?!\S))"
)
_INSTEAD = {"pytest": "python -m ", "python": "", "python3": ""}


def _name_programs_as_they_are_here(finding: Finding) -> None:
    """Many a paper says `python` where the machine has `python3` alone, or `uv` where it has none.

    For uv an environment that is active now stands in, where it has what is started.
    """
    if finding.value("prelude"):
        return
    for key in ("run_cmd", "eval_cmd", "checks_cmd"):
        named = finding.bindings.get(key)
        if named is None:
            continue
        command, evidence = str(named.value), named.evidence
        for renamed, why in (
            (_by_active_environment, "uv is not here, an environment is active"),
            (_by_python3, "python is python3 here"),
        ):
            before, command = command, renamed(command)
            evidence += f"; {why}" if command != before else ""
        if command != named.value:
            finding.bindings[key] = Value(command, evidence, named.confidence)


def _by_active_environment(command: str) -> str:
    active = os.environ.get("VIRTUAL_ENV")
    start = _UV_RUN.search(command)
    if not active or start is None or shutil.which("uv"):
        return command
    if start["word"] == "pytest" and not Path(active, "bin", "pytest").exists():
        return command
    return _UV_RUN.sub(lambda found: found[1] + _INSTEAD.get(found["word"], "python "), command)


def _by_python3(command: str) -> str:
    if shutil.which("python") or not shutil.which("python3"):
        return command
    return re.sub(r"(^|(?:&&|;)\s*)python(?=\s)", r"\1python3", command)
